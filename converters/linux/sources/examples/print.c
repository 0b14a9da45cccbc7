/* SPDX-License-Identifier: Apache-2.0
 * Written by edgevision. */
#include "print.h"

#include <string.h>

static void print_text(FILE *to, const char *text)
{
    if (text == NULL) {
        fputs("null", to);
        return;
    }
    fputc('"', to);
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            fprintf(to, "\\%c", c);
        } else if (c < 0x20) {
            fprintf(to, "\\u%04x", c);
        } else {
            fputc(c, to);
        }
    }
    fputc('"', to);
}

void print_result(FILE *to, const ev_result *result)
{
    size_t i;
    fprintf(to, "{\"seq\": %llu, \"pts\": %lld, \"late\": %s, \"age_ms\": %.3f", (unsigned long long)result->seq,
            (long long)result->pts, result->late ? "true" : "false", (double)result->age_ns / 1e6);
    fprintf(to, ", \"preprocess_ms\": %.4f, \"infer_ms\": %.4f, \"decode_ms\": %.4f", (double)result->preprocess_ns / 1e6,
            (double)result->infer_ns / 1e6, (double)result->decode_ns / 1e6);
    fputs(", \"classes\": [", to);
    for (i = 0; i < result->class_count; i++) {
        fprintf(to, "%s{\"index\": %d, \"score\": %.9g, \"label\": ", i ? ", " : "", (int)result->classes[i].index,
                (double)result->classes[i].score);
        print_text(to, result->classes[i].label);
        fputc('}', to);
    }
    fputs("], \"boxes\": [", to);
    for (i = 0; i < result->box_count; i++) {
        const ev_box *box = &result->boxes[i];
        fprintf(to, "%s{\"box\": [%.9g, %.9g, %.9g, %.9g], \"index\": %d, \"score\": %.9g, \"label\": ", i ? ", " : "",
                (double)box->x1, (double)box->y1, (double)box->x2, (double)box->y2, (int)box->index, (double)box->score);
        print_text(to, box->label);
        fputc('}', to);
    }
    fputs("]}\n", to);
    fflush(to);
}

static void print_stage(FILE *to, const char *name, const ev_stage *stage)
{
    fprintf(to, ", \"%s\": {\"count\": %llu, \"p50_ms\": %.4f, \"p95_ms\": %.4f}", name, (unsigned long long)stage->count,
            stage->p50_ms, stage->p95_ms);
}

void print_statistics(FILE *to, const ev_statistics *found)
{
    fprintf(to, "{\"received\": %llu, \"results\": %llu, \"refused\": %llu, \"replaced\": %llu, \"skipped\": %llu",
            (unsigned long long)found->received, (unsigned long long)found->results, (unsigned long long)found->refused,
            (unsigned long long)found->replaced, (unsigned long long)found->skipped);
    fprintf(to, ", \"failed\": %llu, \"in_flight\": %llu, \"unread\": %llu, \"late\": %llu",
            (unsigned long long)found->failed, (unsigned long long)found->in_flight, (unsigned long long)found->unread,
            (unsigned long long)found->late);
    print_stage(to, "wait", &found->wait);
    print_stage(to, "preprocess", &found->preprocess);
    print_stage(to, "infer", &found->infer);
    print_stage(to, "decode", &found->decode);
    print_stage(to, "age", &found->age);
    fputs("}\n", to);
    fflush(to);
}

ev_format format_named(const char *name)
{
    static const char *const names[] = {"gray8", "rgb565", "rgb24", "bgr24", "yuyv", "nv12", "i420"};
    size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return (ev_format)(i + 1);
        }
    }
    return (ev_format)0;
}

ev_encoding encoding_named(const char *name)
{
    static const char *const names[] = {"bt601-limited", "bt601-full", "bt709-limited", "bt709-full"};
    size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return (ev_encoding)(i + 1);
        }
    }
    return EV_ENCODING_NONE;
}

int is_yuv(int32_t format) { return format == EV_YUYV || format == EV_NV12 || format == EV_I420; }

static size_t set_plane(ev_plane *plane, const unsigned char *data, size_t offset, size_t stride, size_t rows)
{
    plane->data = data == NULL ? NULL : data + offset;
    plane->offset = offset;
    plane->stride = stride;
    plane->bytes = stride * rows;
    return offset + plane->bytes;
}

size_t lay_out(ev_frame *frame, const unsigned char *data, size_t stride)
{
    const size_t width = frame->width, height = frame->height, half = (height + 1) / 2;
    size_t row = width;
    size_t end;
    if (frame->format == EV_RGB24 || frame->format == EV_BGR24) {
        row = 3 * width;
    } else if (frame->format == EV_RGB565 || frame->format == EV_YUYV) {
        row = 2 * width;
    }
    row = stride != 0 ? stride : row;
    end = set_plane(&frame->planes[0], data, 0, row, height);
    if (frame->format == EV_NV12) {
        end = set_plane(&frame->planes[1], data, end, stride != 0 ? stride : 2 * ((width + 1) / 2), half);
    } else if (frame->format == EV_I420) {
        const size_t chroma = stride != 0 ? (stride + 1) / 2 : (width + 1) / 2;
        end = set_plane(&frame->planes[1], data, end, chroma, half);
        end = set_plane(&frame->planes[2], data, end, chroma, half);
    }
    return end;
}
