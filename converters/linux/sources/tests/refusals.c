/* SPDX-License-Identifier: Apache-2.0
 * Written by edgevision. Wrong calls: each has its code and a text, and the next right one works. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ev.h"

static unsigned char pixels[64 * 48 * 3];
static int wrong = 0;

static void expect(const char *what, ev_status found, ev_status wanted, const char *words)
{
    const char *said = ev_last_error();
    if (found != wanted || (wanted < 0 && strstr(said, words) == NULL)) {
        printf("%s: got %d \"%s\", not %d \"%s\"\n", what, (int)found, said, (int)wanted, words);
        wrong++;
    }
}

static ev_frame sound(void)
{
    ev_frame frame;
    memset(&frame, 0, sizeof frame);
    frame.format = EV_RGB24;
    frame.width = 64;
    frame.height = 48;
    frame.planes[0].data = pixels;
    frame.planes[0].bytes = sizeof pixels;
    frame.planes[0].stride = 64 * 3;
    return frame;
}

static ev_frame nv12(void)
{
    ev_frame frame = sound();
    frame.format = EV_NV12;
    frame.encoding = EV_BT601_FULL;
    frame.planes[0].stride = 64;
    frame.planes[0].bytes = 64 * 48;
    frame.planes[1].data = pixels + 64 * 48;
    frame.planes[1].stride = 64;
    frame.planes[1].bytes = 64 * 24;
    return frame;
}

static void opening(const char *model)
{
    ev_options options = EV_OPTIONS_INIT;
    ev_context *context = NULL;
    expect("no folder", ev_open(NULL, NULL, &context), EV_ERROR_NULL, "no folder");
    expect("no place", ev_open(model, NULL, NULL), EV_ERROR_NULL, "no place");
    expect("missing", ev_open("/nowhere", NULL, &context), EV_ERROR_MODEL, "/nowhere/ev.conf: cannot be read");
    options.abi = 77;
    expect("abi", ev_open(model, &options, &context), EV_ERROR_ARGUMENT, "options.abi: got 77; allowed: 1");
    options.abi = EV_ABI;
    options.threads = -1;
    expect("threads", ev_open(model, &options, &context), EV_ERROR_ARGUMENT, "options.threads: got -1");
    options.threads = 0;
    options.top_k = 0;
    expect("top_k", ev_open(model, &options, &context), EV_ERROR_ARGUMENT, "options.top_k");
    options.top_k = 1;
    options.budget_ns = -5;
    expect("budget", ev_open(model, &options, &context), EV_ERROR_ARGUMENT, "options.budget_ns: got -5");
    options.budget_ns = INT64_MAX;
    expect("budget of ages", ev_open(model, &options, &context), EV_ERROR_ARGUMENT, "options.budget_ns: got 9223372036854775807");
    options.budget_ns = 0;
    options.device = "NOSUCH";
    expect("device", ev_open(model, &options, &context) == EV_OK ? EV_OK : EV_ERROR_RUNTIME, EV_ERROR_RUNTIME, "");
    if (context != NULL) {
        puts("a context after an error");
        wrong++;
    }
}

#define REFUSED(what, change, status, words) \
    do { \
        ev_frame frame = base; \
        change; \
        expect(what, ev_submit(context, &frame), status, words); \
        refused++; \
    } while (0)

static unsigned wrong_frames(ev_context *context)
{
    unsigned refused = 0;
    ev_frame base = sound();
    REFUSED("format", frame.format = 99, EV_ERROR_FORMAT, "unknown format: got 99");
    REFUSED("width 0", frame.width = 0, EV_ERROR_SIZE, "got 0x48");
    REFUSED("width", frame.width = 65536, EV_ERROR_SIZE, "got 65536x48");
    REFUSED("stride", frame.planes[0].stride = 191, EV_ERROR_STRIDE, "stride: got 191; allowed: at least the 192");
    REFUSED("bytes", frame.planes[0].bytes -= 1, EV_ERROR_BYTES, "too short: got 9215 bytes");
    REFUSED("no data", frame.planes[0].data = NULL, EV_ERROR_NULL, "plane 0 has no data");
    REFUSED("memory", frame.memory = 7, EV_ERROR_ARGUMENT, "memory: got 7");
    REFUSED("future", frame.captured_ns = INT64_MAX - 1, EV_ERROR_ARGUMENT, "captured in the future");
    REFUSED("past", frame.captured_ns = INT64_MIN, EV_ERROR_ARGUMENT, "captured before the clock began");
    REFUSED("descriptor", (frame.memory = EV_DMABUF, frame.planes[0].fd = -1), EV_ERROR_DMABUF, "descriptor -1");
    REFUSED("stride that is huge", frame.planes[0].stride = SIZE_MAX, EV_ERROR_BYTES, "too short");
    base = nv12();
    REFUSED("no encoding", frame.encoding = EV_ENCODING_NONE, EV_ERROR_ENCODING, "YUV without matrix and range");
    REFUSED("encoding", frame.encoding = 9, EV_ERROR_ENCODING, "got encoding 9");
    REFUSED("chroma", frame.planes[1].bytes = 10, EV_ERROR_BYTES, "plane 1 is too short");
    REFUSED("no chroma", frame.planes[1].data = NULL, EV_ERROR_NULL, "plane 1 has no data");
    REFUSED("odd", (frame.format = EV_YUYV, frame.width = 63), EV_ERROR_SIZE, "YUYV has pairs of pixels: got width 63");
    return refused;
}

static unsigned descriptors(ev_context *context)
{
    unsigned refused = 0;
    int ends[2] = {-1, -1};
    const int fd = memfd_create("short", MFD_CLOEXEC);
    ev_frame base = sound();
    base.memory = EV_DMABUF;
    base.planes[0].fd = fd;
    if (ftruncate(fd, 100) != 0 || pipe(ends) != 0) {
        perror("descriptors");
        wrong++;
    }
    REFUSED("short descriptor", (void)0, EV_ERROR_BYTES, "leaves its dmabuf");
    REFUSED("offset", frame.planes[0].offset = SIZE_MAX - 5, EV_ERROR_BYTES, "leaves its dmabuf");
    REFUSED("pipe", frame.planes[0].fd = ends[0], EV_ERROR_DMABUF, "no dmabuf");
    close(ends[0]);
    close(ends[1]);
    close(fd);
    return refused;
}

int main(int count, char **words)
{
    ev_context *context = NULL;
    ev_statistics statistics;
    ev_result result;
    ev_frame frame = sound();
    unsigned refused;
    if (count != 2) {
        fputs("usage: ev_refusals MODEL\n", stderr);
        return 2;
    }
    opening(words[1]);
    expect("open", ev_open(words[1], NULL, &context), EV_OK, "");
    if (context == NULL) {
        return 1;
    }
    expect("no result", ev_poll(context, 20, &result), EV_TIMEOUT, "");
    expect("submit: no context", ev_submit(NULL, &frame), EV_ERROR_NULL, "no context");
    expect("submit: no frame", ev_submit(context, NULL), EV_ERROR_NULL, "no frame");
    expect("poll: no context", ev_poll(NULL, 0, &result), EV_ERROR_NULL, "no context");
    expect("poll: no place", ev_poll(context, 0, NULL), EV_ERROR_NULL, "no place");
    expect("stats: no context", ev_stats(NULL, &statistics), EV_ERROR_NULL, "no context");
    expect("stats: no place", ev_stats(context, NULL), EV_ERROR_NULL, "no place");
    refused = wrong_frames(context) + descriptors(context);
    frame.pts = 1234;
    expect("a right frame", ev_submit(context, &frame), EV_OK, "");
    expect("its result", ev_poll(context, -1, &result), EV_OK, "");
    expect("the statistics", ev_stats(context, &statistics), EV_OK, "");
    if (result.pts != 1234 || result.seq != refused + 1 || statistics.refused != refused || statistics.results != 1
        || statistics.received != refused + 1 || statistics.in_flight != 0) {
        puts("counts or stamps are wrong");
        wrong++;
    }
    expect("close", ev_close(context), EV_OK, "");
    expect("close: nothing", ev_close(NULL), EV_OK, "");
    printf("refused frames: %u, wrong answers: %d\n", refused, wrong);
    return wrong != 0;
}
