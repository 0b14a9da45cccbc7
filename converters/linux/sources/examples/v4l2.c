/* SPDX-License-Identifier: Apache-2.0
 * Written by edgevision. A V4L2 camera: memory-mapped buffers, or their dmabufs; results as lines of JSON. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "print.h"

#define BUFFERS 4
#define SILENCE_MS 5000 /* a camera that gives no frame for so long is dead */

static const char usage[] =
    "usage: ev_v4l2 [OPTIONS] MODEL DEVICE\n"
    "  MODEL        folder with ev.conf\n"
    "  DEVICE       such as /dev/video0\n"
    "  --size WxH   what the camera is asked for  [default: 640x480]\n"
    "  --dmabuf     export the buffers, and hand descriptors over\n"
    "  --budget MS  from capture to result\n"
    "Results go to standard output, a line of JSON each; statistics to standard error. Ctrl-C ends it.\n";

struct camera {
    const char *name;
    int fd;
    int dmabuf;
    ev_frame frame; /* format, encoding, size and strides */
    size_t stride;
    unsigned count;
    struct {
        void *start;
        size_t bytes;
        int fd;
    } buffers[BUFFERS];
};

/* In the order of preference: less to move first. */
static const struct {
    uint32_t code;
    ev_format format;
} formats[] = {
    {V4L2_PIX_FMT_NV12, EV_NV12},    {V4L2_PIX_FMT_YUV420, EV_I420}, {V4L2_PIX_FMT_YUYV, EV_YUYV},
    {V4L2_PIX_FMT_RGB565, EV_RGB565}, {V4L2_PIX_FMT_RGB24, EV_RGB24}, {V4L2_PIX_FMT_BGR24, EV_BGR24},
    {V4L2_PIX_FMT_GREY, EV_GRAY8},
};

static volatile sig_atomic_t stopped = 0;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static int call(int fd, unsigned long request, void *argument)
{
    int answer;
    do {
        answer = ioctl(fd, request, argument);
    } while (answer == -1 && errno == EINTR && !stopped);
    return answer;
}

static int fail(const struct camera *camera, const char *what)
{
    fprintf(stderr, "ev_v4l2: %s: %s: %s\n", camera->name, what, strerror(errno));
    return 1;
}

static int refuse(const struct camera *camera, const char *why)
{
    fprintf(stderr, "ev_v4l2: %s: %s\n", camera->name, why);
    return 1;
}

static int open_camera(struct camera *camera)
{
    struct v4l2_capability known;
    uint32_t can;
    memset(&known, 0, sizeof known);
    camera->fd = open(camera->name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (camera->fd < 0) {
        return fail(camera, "cannot be opened");
    }
    if (call(camera->fd, VIDIOC_QUERYCAP, &known) != 0) {
        return errno == ENOTTY || errno == EINVAL ? refuse(camera, "no V4L2 device") : fail(camera, "VIDIOC_QUERYCAP");
    }
    can = known.capabilities & V4L2_CAP_DEVICE_CAPS ? known.device_caps : known.capabilities;
    if (!(can & V4L2_CAP_VIDEO_CAPTURE) || !(can & V4L2_CAP_STREAMING)) {
        return refuse(camera, "it does not capture by streaming with one plane of memory a frame");
    }
    return 0;
}

/* What the numbers of YUV mean, as the driver says it, or as V4L2 defines what it leaves open. */
static ev_encoding encoding_of(const struct v4l2_pix_format *pixels)
{
    const enum v4l2_colorspace space = (enum v4l2_colorspace)pixels->colorspace;
    const uint32_t matrix = pixels->ycbcr_enc != V4L2_YCBCR_ENC_DEFAULT ? pixels->ycbcr_enc
                                                                        : (uint32_t)V4L2_MAP_YCBCR_ENC_DEFAULT(space);
    const uint32_t range = pixels->quantization != V4L2_QUANTIZATION_DEFAULT
                               ? pixels->quantization
                               : (uint32_t)V4L2_MAP_QUANTIZATION_DEFAULT(0, space, matrix);
    if (matrix == V4L2_YCBCR_ENC_709) {
        return range == V4L2_QUANTIZATION_FULL_RANGE ? EV_BT709_FULL : EV_BT709_LIMITED;
    }
    if (matrix == V4L2_YCBCR_ENC_601) {
        return range == V4L2_QUANTIZATION_FULL_RANGE ? EV_BT601_FULL : EV_BT601_LIMITED;
    }
    return EV_ENCODING_NONE;
}

static int choose_format(struct camera *camera, unsigned width, unsigned height)
{
    struct v4l2_format wanted;
    size_t i;
    for (i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        memset(&wanted, 0, sizeof wanted);
        wanted.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        wanted.fmt.pix.width = width;
        wanted.fmt.pix.height = height;
        wanted.fmt.pix.pixelformat = formats[i].code;
        wanted.fmt.pix.field = V4L2_FIELD_NONE;
        if (call(camera->fd, VIDIOC_S_FMT, &wanted) != 0) {
            return fail(camera, "VIDIOC_S_FMT");
        }
        if (wanted.fmt.pix.pixelformat == formats[i].code) {
            camera->frame.format = formats[i].format;
            camera->frame.width = wanted.fmt.pix.width;
            camera->frame.height = wanted.fmt.pix.height;
            camera->frame.encoding = encoding_of(&wanted.fmt.pix);
            camera->stride = wanted.fmt.pix.bytesperline;
            if (is_yuv(camera->frame.format) && camera->frame.encoding == EV_ENCODING_NONE) {
                return refuse(camera, "its YUV is neither BT.601 nor BT.709");
            }
            fprintf(stderr, "ev_v4l2: %s: %.4s %ux%u\n", camera->name, (const char *)&wanted.fmt.pix.pixelformat,
                    camera->frame.width, camera->frame.height);
            return 0;
        }
    }
    return refuse(camera, "it has none of NV12, YU12, YUYV, RGBP, RGB3, BGR3, GREY (MJPEG has to be decoded first: GStreamer)");
}

static int map_buffers(struct camera *camera)
{
    struct v4l2_requestbuffers wanted;
    unsigned i;
    memset(&wanted, 0, sizeof wanted);
    wanted.count = BUFFERS;
    wanted.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    wanted.memory = V4L2_MEMORY_MMAP;
    if (call(camera->fd, VIDIOC_REQBUFS, &wanted) != 0) {
        return fail(camera, "VIDIOC_REQBUFS");
    }
    for (i = 0; i < wanted.count && i < BUFFERS; i++) {
        struct v4l2_buffer buffer;
        struct v4l2_exportbuffer exported;
        memset(&buffer, 0, sizeof buffer);
        buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        buffer.memory = V4L2_MEMORY_MMAP;
        buffer.index = i;
        if (call(camera->fd, VIDIOC_QUERYBUF, &buffer) != 0) {
            return fail(camera, "VIDIOC_QUERYBUF");
        }
        camera->buffers[i].bytes = buffer.length;
        camera->buffers[i].fd = -1;
        camera->buffers[i].start =
            mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, camera->fd, (off_t)buffer.m.offset);
        if (camera->buffers[i].start == MAP_FAILED) {
            return fail(camera, "mmap");
        }
        camera->count = i + 1;
        memset(&exported, 0, sizeof exported);
        exported.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        exported.index = i;
        exported.flags = O_CLOEXEC | O_RDONLY;
        if (camera->dmabuf && call(camera->fd, VIDIOC_EXPBUF, &exported) != 0) {
            return fail(camera, "VIDIOC_EXPBUF: it exports no dmabuf");
        }
        camera->buffers[i].fd = camera->dmabuf ? exported.fd : -1;
        if (call(camera->fd, VIDIOC_QBUF, &buffer) != 0) {
            return fail(camera, "VIDIOC_QBUF");
        }
    }
    return camera->count > 0 ? 0 : refuse(camera, "no buffers");
}

static int hand_over(struct camera *camera, ev_context *context, const struct v4l2_buffer *buffer)
{
    ev_frame *frame = &camera->frame;
    int i;
    if (lay_out(frame, camera->buffers[buffer->index].start, camera->stride) > camera->buffers[buffer->index].bytes) {
        return refuse(camera, "its buffers are shorter than its frames");
    }
    frame->pts = (int64_t)buffer->sequence;
    frame->captured_ns = 0;
    if ((buffer->flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC) {
        frame->captured_ns = (int64_t)buffer->timestamp.tv_sec * 1000000000 + (int64_t)buffer->timestamp.tv_usec * 1000;
    }
    if (camera->dmabuf) {
        frame->memory = EV_DMABUF;
        for (i = 0; i < 3; i++) {
            frame->planes[i].fd = camera->buffers[buffer->index].fd;
        }
    }
    if (ev_submit(context, frame) != EV_OK) {
        return refuse(camera, ev_last_error());
    }
    return 0;
}

static int one_frame(struct camera *camera, ev_context *context)
{
    struct pollfd waiting = {camera->fd, POLLIN, 0};
    struct v4l2_buffer buffer;
    ev_result result;
    ev_status status;
    const int ready = poll(&waiting, 1, SILENCE_MS);
    if (ready == 0) {
        return refuse(camera, "no frame for 5 s");
    }
    if (ready < 0) {
        return errno == EINTR ? 0 : fail(camera, "poll");
    }
    memset(&buffer, 0, sizeof buffer);
    buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer.memory = V4L2_MEMORY_MMAP;
    if (call(camera->fd, VIDIOC_DQBUF, &buffer) != 0) {
        return errno == EAGAIN ? 0 : fail(camera, "VIDIOC_DQBUF");
    }
    if (!(buffer.flags & V4L2_BUF_FLAG_ERROR) && hand_over(camera, context, &buffer)) {
        return 1;
    }
    if (call(camera->fd, VIDIOC_QBUF, &buffer) != 0) {
        return fail(camera, "VIDIOC_QBUF");
    }
    while ((status = ev_poll(context, 0, &result)) == EV_OK) {
        print_result(stdout, &result);
    }
    return status == EV_TIMEOUT ? 0 : refuse(camera, ev_last_error());
}

static int capture(struct camera *camera, ev_context *context, unsigned width, unsigned height)
{
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    int wrong = 0;
    ev_statistics statistics;
    if (choose_format(camera, width, height) || map_buffers(camera)) {
        return 1;
    }
    if (call(camera->fd, VIDIOC_STREAMON, &type) != 0) {
        return fail(camera, "VIDIOC_STREAMON");
    }
    while (!stopped && !wrong) {
        wrong = one_frame(camera, context);
    }
    call(camera->fd, VIDIOC_STREAMOFF, &type);
    if (ev_stats(context, &statistics) == EV_OK) {
        print_statistics(stderr, &statistics);
    }
    return wrong;
}

static void close_camera(struct camera *camera)
{
    unsigned i;
    for (i = 0; i < camera->count; i++) {
        munmap(camera->buffers[i].start, camera->buffers[i].bytes);
        if (camera->buffers[i].fd >= 0) {
            close(camera->buffers[i].fd);
        }
    }
    if (camera->fd >= 0) {
        close(camera->fd);
    }
}

int main(int count, char **words)
{
    struct camera camera;
    struct sigaction action;
    ev_options options = EV_OPTIONS_INIT;
    ev_context *context = NULL;
    const char *model = NULL;
    unsigned width = 640, height = 480;
    int i, wrong;
    memset(&camera, 0, sizeof camera);
    memset(&action, 0, sizeof action);
    camera.fd = -1;
    for (i = 1; i < count; i++) {
        if (strcmp(words[i], "--help") == 0) {
            fputs(usage, stdout);
            return 0;
        } else if (strcmp(words[i], "--dmabuf") == 0) {
            camera.dmabuf = 1;
        } else if (strcmp(words[i], "--size") == 0 && i + 1 < count && sscanf(words[i + 1], "%ux%u", &width, &height) == 2) {
            i++;
        } else if (strcmp(words[i], "--budget") == 0 && i + 1 < count && atof(words[i + 1]) > 0) {
            options.budget_ns = (int64_t)(atof(words[++i]) * 1e6);
        } else if (words[i][0] != '-' && model == NULL) {
            model = words[i];
        } else if (words[i][0] != '-' && camera.name == NULL) {
            camera.name = words[i];
        } else {
            fprintf(stderr, "ev_v4l2: got %s\n%s", words[i], usage);
            return 2;
        }
    }
    if (camera.name == NULL) {
        fputs(usage, stderr);
        return 2;
    }
    action.sa_handler = stop;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    wrong = open_camera(&camera);
    if (!wrong && ev_open(model, &options, &context) != EV_OK) {
        fprintf(stderr, "ev_v4l2: %s: %s\n", model, ev_last_error());
        wrong = 1;
    }
    wrong = wrong || capture(&camera, context, width, height);
    ev_close(context);
    close_camera(&camera);
    return wrong;
}
