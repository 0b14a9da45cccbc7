/* A V4L2 driver that is none: loaded before libc, it answers for one device what a camera's driver would. It shows one
 * colour after another, red, green and blue, and ends the program as Ctrl-C does after DRIVER_FRAMES frames. It has as
 * much time as the model: the next frame comes when there is a result of the last one, on the slowest machine, too.
 *
 * DRIVER_DEVICE: the device's path. DRIVER_FORMAT: NV12, YU12, YUYV, RGB3, or MJPG, which the program does not take.
 * DRIVER_FAULT: unplugged, silent, damaged, short, unexported; none of them without it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ev.h"

#define WIDTH 64u
#define HEIGHT 48u
#define PADDING 32u /* bytes behind each row */
#define COUNT 3u    /* fewer buffers than the program asks for */

static int camera = -1, streaming;
static unsigned shown, turn;
static int queued[COUNT];
static int memory[COUNT];
static uint8_t *pixels[COUNT];

static const char *said(const char *name) { return getenv(name) ? getenv(name) : ""; }
static int faulty(const char *what) { return strcmp(said("DRIVER_FAULT"), what) == 0; }
static int has(const char *format) { return strncmp(said("DRIVER_FORMAT"), format, 4) == 0; }

static uint32_t stride(void) { return PADDING + WIDTH * (has("RGB3") ? 3 : has("YUYV") ? 2 : 1); }

static uint32_t bytes(void)
{
    return stride() * HEIGHT * (has("NV12") || has("YU12") ? 3 : 2) / 2;
}

static void paint(uint8_t *to, unsigned color)
{
    static const uint8_t rgb[3][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}};
    static const uint8_t yuv[3][3] = {{81, 90, 240}, {145, 54, 34}, {41, 240, 110}}; /* BT.601, limited */
    const uint8_t *one = yuv[color];
    const uint32_t luma = stride() * HEIGHT;
    uint32_t i;
    if (has("RGB3")) {
        for (i = 0; i < luma; i++) {
            to[i] = rgb[color][i % stride() % 3];
        }
    } else if (has("YUYV")) {
        for (i = 0; i < luma; i++) {
            to[i] = i % 2 == 0 ? one[0] : i % 4 == 1 ? one[1] : one[2];
        }
    } else {
        memset(to, one[0], luma);
        for (i = 0; i < luma / 2; i++) {
            to[luma + i] = has("NV12") ? one[1 + i % 2] : one[i < luma / 4 ? 1 : 2];
        }
    }
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_start(rest, flags);
        mode = (mode_t)va_arg(rest, int);
        va_end(rest);
    }
    if (strcmp(path, said("DRIVER_DEVICE")) == 0) {
        return camera = memfd_create("camera", MFD_CLOEXEC);
    }
    return openat(AT_FDCWD, path, flags, mode);
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    static void *(*real)(void *, size_t, int, int, int, off_t);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "mmap");
    }
    return fd >= 0 && fd == camera ? real(at, length, protection, flags, memory[offset / 4096], 0)
                                   : real(at, length, protection, flags, fd, offset);
}

int poll(struct pollfd *asked, nfds_t count, int milliseconds)
{
    static int (*real)(struct pollfd *, nfds_t, int);
    const struct timespec frame = {0, 20 * 1000 * 1000};
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "poll");
    }
    if (count != 1 || asked->fd != camera) {
        return real(asked, count, milliseconds);
    }
    nanosleep(&frame, NULL);
    asked->revents = faulty("unplugged") && shown >= 3 ? POLLERR | POLLHUP : POLLIN;
    return faulty("silent") && shown >= 3 ? 0 : 1;
}

ev_status ev_submit(ev_context *context, const ev_frame *frame)
{
    static ev_status (*real)(ev_context *, const ev_frame *);
    const struct timespec moment = {0, 1000 * 1000};
    ev_statistics found;
    ev_status status;
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "ev_submit");
    }
    status = real(context, frame);
    while (ev_stats(context, &found) == EV_OK && found.in_flight != 0) {
        nanosleep(&moment, NULL);
    }
    return status;
}

static int fail(int why)
{
    errno = why;
    return -1;
}

static int set_format(struct v4l2_format *wanted)
{
    wanted->fmt.pix.width = WIDTH;
    wanted->fmt.pix.height = HEIGHT;
    memcpy(&wanted->fmt.pix.pixelformat, said("DRIVER_FORMAT"), 4);
    wanted->fmt.pix.bytesperline = stride();
    wanted->fmt.pix.sizeimage = bytes();
    wanted->fmt.pix.colorspace = has("RGB3") ? V4L2_COLORSPACE_SRGB : V4L2_COLORSPACE_SMPTE170M;
    return 0;
}

static int make_buffers(struct v4l2_requestbuffers *wanted)
{
    uint32_t i;
    for (i = 0; i < COUNT; i++) {
        memory[i] = memfd_create("buffer", MFD_CLOEXEC);
        if (ftruncate(memory[i], bytes()) != 0) {
            return -1;
        }
        pixels[i] = mmap(NULL, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, memory[i], 0);
    }
    wanted->count = COUNT;
    return 0;
}

static int take_out(struct v4l2_buffer *buffer)
{
    struct timespec now;
    const unsigned number = shown + 1;
    if (!streaming) {
        return fail(EINVAL);
    }
    if (faulty("unplugged") && shown >= 3) {
        return fail(ENODEV);
    }
    if (++turn % 3 == 0) { /* another reader was quicker */
        return fail(EAGAIN);
    }
    for (buffer->index = 0; buffer->index < COUNT && !queued[buffer->index]; buffer->index++) {
    }
    if (buffer->index == COUNT) {
        return fail(EAGAIN);
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    if (faulty("damaged") && shown % 3 == 2) {
        buffer->flags |= V4L2_BUF_FLAG_ERROR;
    }
    paint(pixels[buffer->index], shown % 3);
    queued[buffer->index] = 0;
    buffer->sequence = shown;
    buffer->timestamp.tv_sec = now.tv_sec;
    buffer->timestamp.tv_usec = now.tv_nsec / 1000;
    shown = number;
    if (shown == (unsigned)atoi(said("DRIVER_FRAMES"))) {
        raise(SIGINT);
    }
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, void *);
    struct v4l2_exportbuffer *exported;
    struct v4l2_buffer *buffer;
    va_list rest;
    void *argument;
    va_start(rest, request);
    argument = va_arg(rest, void *);
    va_end(rest);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "ioctl");
    }
    if (fd != camera || camera < 0) {
        return real(fd, request, argument);
    }
    buffer = argument;
    switch (request) {
    case VIDIOC_QUERYCAP:
        ((struct v4l2_capability *)argument)->capabilities = V4L2_CAP_DEVICE_CAPS;
        ((struct v4l2_capability *)argument)->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    case VIDIOC_S_FMT:
        return set_format(argument);
    case VIDIOC_REQBUFS:
        return make_buffers(argument);
    case VIDIOC_QUERYBUF:
        buffer->length = faulty("short") ? bytes() - 1 : bytes();
        buffer->m.offset = buffer->index * 4096;
        return buffer->index < COUNT ? 0 : fail(EINVAL);
    case VIDIOC_EXPBUF:
        if (faulty("unexported")) {
            return fail(ENOTTY);
        }
        exported = argument;
        exported->fd = dup(memory[exported->index]);
        return exported->fd < 0 ? -1 : 0;
    case VIDIOC_QBUF:
        return buffer->index < COUNT && !queued[buffer->index]++ ? 0 : fail(EINVAL);
    case VIDIOC_DQBUF:
        return take_out(argument);
    case VIDIOC_STREAMON:
        streaming = 1;
        return 0;
    case VIDIOC_STREAMOFF:
        streaming = 0;
        return 0;
    default:
        return fail(ENOTTY);
    }
}
