/* SPDX-License-Identifier: Apache-2.0
 * Written by edgevision. Frames from a file or from standard input: raw ones one after another, or one PPM (P6). */
#define _GNU_SOURCE /* memfd_create */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "print.h"

static const char usage[] =
    "usage: ev_file [OPTIONS] MODEL FILE|-\n"
    "  MODEL                 folder with ev.conf\n"
    "  FILE                  raw frames, or a PPM (P6) without --format; - for standard input\n"
    "  --format F            gray8, rgb565, rgb24, bgr24, yuyv, nv12, i420\n"
    "  --size WxH\n"
    "  --encoding E          of YUV: bt601-limited, bt601-full, bt709-limited, bt709-full\n"
    "  --stride N            bytes from row to row of the first plane  [default: no gaps]\n"
    "  --live                drop frames that come too fast, as with a camera  [default: wait for each result]\n"
    "  --budget MS           from capture to result\n"
    "  --top-k N             classes of a result\n"
    "  --threads N           of the runtime\n"
    "  --memfd               hand frames over by a file descriptor, as a dmabuf is\n"
    "  --dump FOLDER         write each input and output there, as SEQ.input and SEQ.output.N\n"
    "Results go to standard output, a line of JSON each; statistics to standard error.\n";

struct settings {
    const char *model;
    const char *file;
    const char *dump;
    size_t stride;
    int live;
    int memfd;
    int ppm; /* one image */
    ev_options options;
    ev_frame frame;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "ev_file: %s: %s\n", what, why);
    return 1;
}

static int misuse(const char *what, const char *got)
{
    fprintf(stderr, "ev_file: %s: got %s\n%s", what, got, usage);
    return 2;
}

static int read_option(struct settings *s, const char *name, const char *value)
{
    unsigned width, height;
    if (strcmp(name, "--format") == 0 && format_named(value) != 0) {
        s->frame.format = format_named(value);
    } else if (strcmp(name, "--size") == 0 && sscanf(value, "%ux%u", &width, &height) == 2
               && width >= 1 && width <= EV_MAX_SIDE && height >= 1 && height <= EV_MAX_SIDE) {
        s->frame.width = width;
        s->frame.height = height;
    } else if (strcmp(name, "--encoding") == 0 && encoding_named(value) != EV_ENCODING_NONE) {
        s->frame.encoding = encoding_named(value);
    } else if (strcmp(name, "--stride") == 0 && atol(value) > 0) {
        s->stride = (size_t)atol(value);
    } else if (strcmp(name, "--budget") == 0 && atof(value) > 0) {
        s->options.budget_ns = (int64_t)(atof(value) * 1e6);
    } else if (strcmp(name, "--top-k") == 0 && atoi(value) > 0) {
        s->options.top_k = (uint32_t)atoi(value);
    } else if (strcmp(name, "--threads") == 0 && atoi(value) > 0) {
        s->options.threads = atoi(value);
    } else if (strcmp(name, "--dump") == 0) {
        s->dump = value;
        s->options.keep_input = 1;
    } else {
        return misuse(name, value);
    }
    return 0;
}

static int read_arguments(struct settings *s, int count, char **words)
{
    int i;
    for (i = 1; i < count; i++) {
        if (strcmp(words[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        } else if (strcmp(words[i], "--live") == 0) {
            s->live = 1;
        } else if (strcmp(words[i], "--memfd") == 0) {
            s->memfd = 1;
        } else if (strncmp(words[i], "--", 2) == 0) {
            const int wrong = i + 1 < count ? read_option(s, words[i], words[i + 1]) : misuse(words[i], "nothing behind it");
            if (wrong) {
                return wrong;
            }
            i++;
        } else if (s->model == NULL) {
            s->model = words[i];
        } else if (s->file == NULL) {
            s->file = words[i];
        } else {
            return misuse("arguments", words[i]);
        }
    }
    if (s->model == NULL || s->file == NULL) {
        return misuse("arguments", "no MODEL and FILE");
    }
    if (s->frame.format != 0 && (s->frame.width == 0 || s->frame.height == 0)) {
        return misuse("--format without --size", "none");
    }
    if (is_yuv(s->frame.format) && s->frame.encoding == EV_ENCODING_NONE) {
        return misuse("YUV without --encoding", "none");
    }
    return 0;
}

/* A number of a PPM's header; before it there may be comments, from # to the end of the line. */
static int read_number(FILE *file, unsigned *number)
{
    int c = fgetc(file);
    while (c == '#' || c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        while (c == '#' && (c = fgetc(file)) != '\n' && c != EOF) {
            c = '#';
        }
        c = fgetc(file);
    }
    return c >= '0' && c <= '9' && ungetc(c, file) != EOF && fscanf(file, "%u", number) == 1;
}

/* A PPM: width and height, and that its pixels follow. */
static int read_header(struct settings *s, FILE *file)
{
    unsigned most;
    if (fgetc(file) != 'P' || fgetc(file) != '6' || !read_number(file, &s->frame.width)
        || !read_number(file, &s->frame.height) || !read_number(file, &most) || most != 255 || fgetc(file) == EOF) {
        return fail(s->file, "no --format, and no PPM (P6, 255)");
    }
    s->frame.format = EV_RGB24;
    s->ppm = 1;
    return 0;
}

static int write_tensor(const struct settings *s, uint64_t seq, const char *kind, const ev_tensor *tensor)
{
    char name[4096];
    FILE *file;
    size_t written;
    snprintf(name, sizeof name, "%s/%llu.%s", s->dump, (unsigned long long)seq, kind);
    file = fopen(name, "wb");
    if (file == NULL) {
        perror(name);
        return 1;
    }
    written = fwrite(tensor->data, 1, tensor->bytes, file);
    if (fclose(file) != 0 || written != tensor->bytes) {
        return fail(name, "could not be written");
    }
    return 0;
}

static int show(const struct settings *s, const ev_result *result)
{
    size_t i;
    int wrong = 0;
    print_result(stdout, result);
    if (s->dump == NULL) {
        return 0;
    }
    wrong |= write_tensor(s, result->seq, "input", result->input);
    for (i = 0; i < result->output_count; i++) {
        char kind[32];
        snprintf(kind, sizeof kind, "output.%u", (unsigned)i);
        wrong |= write_tensor(s, result->seq, kind, &result->outputs[i]);
    }
    return wrong;
}

/* The frame's bytes to a descriptor, and planes that say so. */
static int to_descriptor(ev_frame *frame, const unsigned char *bytes, size_t count)
{
    size_t done = 0;
    int i;
    const int fd = memfd_create("frame", MFD_CLOEXEC);
    while (fd >= 0 && done < count) {
        const ssize_t written = write(fd, bytes + done, count - done);
        if (written <= 0) {
            close(fd);
            return -1;
        }
        done += (size_t)written;
    }
    frame->memory = EV_DMABUF;
    for (i = 0; i < 3; i++) {
        frame->planes[i].fd = fd;
        frame->planes[i].data = NULL;
    }
    return fd;
}

static int feed(struct settings *s, ev_context *context, FILE *file, unsigned char *bytes, size_t count)
{
    ev_result result;
    size_t rest = 0;
    while (!(s->ppm && s->frame.pts > 0) && (rest = fread(bytes, 1, count, file)) == count) {
        int fd = -1;
        ev_status status;
        lay_out(&s->frame, bytes, s->stride);
        if (s->memfd && (fd = to_descriptor(&s->frame, bytes, count)) < 0) {
            perror("memfd_create");
            return 1;
        }
        status = ev_submit(context, &s->frame);
        if (fd >= 0) {
            close(fd);
        }
        if (status != EV_OK) {
            return fail(s->file, ev_last_error());
        }
        s->frame.pts++;
        status = ev_poll(context, s->live ? 0 : (s->options.budget_ns > 0 ? 2000 : -1), &result);
        if (status == EV_OK) {
            if (show(s, &result)) {
                return 1;
            }
        } else if (status != EV_TIMEOUT) {
            return fail(s->file, ev_last_error());
        }
    }
    while (s->live && ev_poll(context, 500, &result) == EV_OK) {
        if (show(s, &result)) {
            return 1;
        }
    }
    if (ferror(file)) {
        perror(s->file);
        return 1;
    }
    if (rest < count && (rest > 0 || s->frame.pts == 0)) {
        fprintf(stderr, "ev_file: %s: its last frame is cut: got %zu bytes; allowed: %zu a frame\n", s->file, rest, count);
        return 1;
    }
    return 0;
}

static int run(struct settings *s, ev_context *context, FILE *file)
{
    ev_statistics statistics;
    size_t count;
    unsigned char *bytes;
    int wrong;
    if (s->frame.format == 0 && read_header(s, file)) {
        return 1;
    }
    count = lay_out(&s->frame, NULL, s->stride);
    bytes = malloc(count);
    if (bytes == NULL) {
        return fail(s->file, "a frame of this size does not fit into memory");
    }
    wrong = feed(s, context, file, bytes, count);
    free(bytes);
    if (ev_stats(context, &statistics) == EV_OK) {
        print_statistics(stderr, &statistics);
    }
    return wrong;
}

int main(int count, char **words)
{
    struct settings s = {NULL, NULL, NULL, 0, 0, 0, 0, EV_OPTIONS_INIT, {0}};
    ev_context *context = NULL;
    FILE *file;
    int wrong = read_arguments(&s, count, words);
    if (wrong) {
        return wrong;
    }
    file = strcmp(s.file, "-") == 0 ? stdin : fopen(s.file, "rb");
    if (file == NULL) {
        perror(s.file);
        return 1;
    }
    if (ev_open(s.model, &s.options, &context) != EV_OK) {
        wrong = fail(s.model, ev_last_error());
    } else {
        wrong = run(&s, context, file);
    }
    ev_close(context);
    fclose(file);
    return wrong;
}
