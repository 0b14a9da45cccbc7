/* SPDX-License-Identifier: Apache-2.0
 * Written by edgevision. Frames whose input and, where the artifact was sealed, outputs are known. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ev.h"

/* CRC-32 of IEEE 802.3, as zlib's. */
static uint32_t crc32_of(const void *data, size_t bytes)
{
    const unsigned char *at = data;
    uint32_t crc = 0xFFFFFFFFU;
    int bit;
    while (bytes-- > 0) {
        crc ^= *at++;
        for (bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xEDB88320U & (0U - (crc & 1U)));
        }
    }
    return ~crc;
}

static unsigned char *read_all(const char *folder, const char *name, size_t *bytes)
{
    char path[4096];
    FILE *file;
    unsigned char *content;
    long end;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (end = ftell(file)) < 0) {
        perror(path);
        exit(2);
    }
    rewind(file);
    *bytes = (size_t)end;
    content = malloc(*bytes + 1);
    if (content == NULL || fread(content, 1, *bytes, file) != *bytes) {
        perror(path);
        exit(2);
    }
    fclose(file);
    return content;
}

static double value_at(const ev_tensor *tensor, size_t i)
{
    switch (tensor->dtype) {
    case EV_FLOAT32: return (double)((const float *)tensor->data)[i];
    case EV_FLOAT64: return ((const double *)tensor->data)[i];
    case EV_INT8: return (double)((const int8_t *)tensor->data)[i];
    case EV_UINT8: return (double)((const uint8_t *)tensor->data)[i];
    case EV_INT16: return (double)((const int16_t *)tensor->data)[i];
    case EV_UINT16: return (double)((const uint16_t *)tensor->data)[i];
    case EV_INT32: return (double)((const int32_t *)tensor->data)[i];
    case EV_UINT32: return (double)((const uint32_t *)tensor->data)[i];
    case EV_INT64: return (double)((const int64_t *)tensor->data)[i];
    default: return NAN;
    }
}

/* The largest difference of stored values; NAN where the lengths differ. */
static double difference(const ev_tensor *found, const unsigned char *expected, size_t bytes)
{
    ev_tensor wanted = *found;
    double largest = 0.0;
    size_t i, count, item;
    for (count = 1, i = 0; i < found->rank; i++) {
        count *= (size_t)found->shape[i];
    }
    if (found->bytes != bytes || count == 0) {
        return found->bytes == bytes ? 0.0 : NAN;
    }
    item = bytes / count;
    wanted.data = expected;
    for (i = 0; i < bytes / item; i++) {
        const double apart = fabs(value_at(found, i) - value_at(&wanted, i));
        largest = apart > largest || isnan(apart) ? apart : largest;
    }
    return largest;
}

struct state {
    const char *folder;
    ev_context *context;
    ev_frame frame;
    unsigned char *bytes;
    ev_result result;
    unsigned cases;
    unsigned compared;
    unsigned wrong;
};

static void read_frame(struct state *s, const char *line)
{
    char name[1024];
    unsigned format, encoding;
    unsigned long strides[3];
    size_t bytes, offset = 0, i;
    memset(&s->frame, 0, sizeof s->frame);
    if (sscanf(line, "frame %u %u %u %u %lu %lu %lu %1023s", &format, &encoding, &s->frame.width, &s->frame.height,
               &strides[0], &strides[1], &strides[2], name) != 8) {
        fprintf(stderr, "cases.txt is damaged: %s", line);
        exit(2);
    }
    free(s->bytes);
    s->bytes = read_all(s->folder, name, &bytes);
    s->frame.format = (int32_t)format;
    s->frame.encoding = (int32_t)encoding;
    for (i = 0; i < 3 && strides[i] != 0; i++) {
        const size_t rows = i == 0 ? s->frame.height : (s->frame.height + 1) / 2;
        s->frame.planes[i].data = s->bytes + offset;
        s->frame.planes[i].stride = strides[i];
        s->frame.planes[i].bytes = strides[i] * rows;
        offset += strides[i] * rows;
    }
    s->cases++;
    if (offset != bytes || ev_submit(s->context, &s->frame) != EV_OK || ev_poll(s->context, -1, &s->result) != EV_OK) {
        fprintf(stderr, "%s: %s\n", name, offset != bytes ? "wrong length" : ev_last_error());
        exit(1);
    }
}

static void check_input(struct state *s, const char *line)
{
    const uint32_t found = crc32_of(s->result.input->data, s->result.input->bytes);
    unsigned wanted = 0;
    sscanf(line, "input %x", &wanted);
    if (found != wanted) {
        printf("frame %u: the input has checksum %08x, not %08x\n", s->cases, (unsigned)found, wanted);
        s->wrong++;
    }
}

static void check_output(struct state *s, const char *line)
{
    char name[1024];
    unsigned number = 0;
    double tolerance = 0.0, apart = NAN;
    size_t bytes = 0;
    if (sscanf(line, "output %u %lf %1023s", &number, &tolerance, name) == 3 && number < s->result.output_count) {
        unsigned char *expected = read_all(s->folder, name, &bytes);
        apart = difference(&s->result.outputs[number], expected, bytes);
        free(expected);
    }
    s->compared++;
    if (!(apart <= tolerance)) {
        printf("frame %u: output %u is %g from what is expected, %g is allowed\n", s->cases, number, apart, tolerance);
        s->wrong++;
    }
}

int main(int count, char **words)
{
    struct state s;
    ev_options options = EV_OPTIONS_INIT;
    char path[4096], line[2048];
    FILE *cases;
    if (count != 3) {
        fputs("usage: ev_selftest MODEL SELFTEST\n", stderr);
        return 2;
    }
    memset(&s, 0, sizeof s);
    s.folder = words[2];
    options.keep_input = 1;
    if (ev_open(words[1], &options, &s.context) != EV_OK) {
        fprintf(stderr, "%s\n", ev_last_error());
        return 1;
    }
    snprintf(path, sizeof path, "%s/cases.txt", words[2]);
    cases = fopen(path, "r");
    if (cases == NULL) {
        perror(path);
        return 2;
    }
    while (fgets(line, sizeof line, cases) != NULL) {
        if (strncmp(line, "frame ", 6) == 0) {
            read_frame(&s, line);
        } else if (strncmp(line, "input ", 6) == 0) {
            check_input(&s, line);
        } else if (strncmp(line, "output ", 7) == 0) {
            check_output(&s, line);
        }
    }
    fclose(cases);
    free(s.bytes);
    ev_close(s.context);
    printf("frames: %u, outputs compared: %u, differences: %u\n", s.cases, s.compared, s.wrong);
    return s.wrong != 0 || s.cases == 0;
}
