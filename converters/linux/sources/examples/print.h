/* SPDX-License-Identifier: Apache-2.0
 * Written by edgevision. Results and statistics as lines of JSON; formats by name. */
#ifndef PRINT_H
#define PRINT_H

#include <stddef.h>
#include <stdio.h>

#include "ev.h"

void print_result(FILE *to, const ev_result *result);
void print_statistics(FILE *to, const ev_statistics *statistics);

/* 0 for an unknown name. */
ev_format format_named(const char *name);
ev_encoding encoding_named(const char *name);
int is_yuv(int32_t format);

/* Planes of a frame that lies in one piece, `stride` bytes a row of the first plane (0: rows without gaps).
   Returns how many bytes it has; `data` may be NULL. */
size_t lay_out(ev_frame *frame, const unsigned char *data, size_t stride);

#endif
