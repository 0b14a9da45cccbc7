/* SPDX-License-Identifier: Apache-2.0
 * Written by edgevision. Several threads submit, one polls, one asks for statistics; nothing is lost uncounted. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ev.h"

#define MOST 16

static ev_context *context;
static unsigned frames;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static int wrong; /* guarded, as is the next */
static int submitting;

static void judge(int right)
{
    pthread_mutex_lock(&guard);
    wrong += !right;
    pthread_mutex_unlock(&guard);
}

static void *submit(void *number)
{
    /* The first one's frames take long to copy: newer ones of the others overtake them. */
    const unsigned side = number == NULL ? 2000 : 40 + 8 * (unsigned)(size_t)number;
    unsigned char *pixels = malloc(side * side);
    struct timespec pause = {0, 500000};
    ev_frame frame;
    unsigned i;
    memset(&frame, 0, sizeof frame);
    frame.format = EV_GRAY8;
    frame.width = frame.height = side;
    frame.planes[0].data = pixels;
    frame.planes[0].stride = side;
    frame.planes[0].bytes = side * side;
    for (i = 0; pixels != NULL && i < frames; i++) {
        const int bad = i % 10 == 9;
        memset(pixels, (int)i, side * side);
        frame.pts = (int64_t)side;
        frame.planes[0].stride = bad ? 1 : side;
        judge((ev_submit(context, &frame) == EV_OK) == !bad);
        nanosleep(&pause, NULL);
    }
    free(pixels);
    pthread_mutex_lock(&guard);
    submitting--;
    pthread_mutex_unlock(&guard);
    return NULL;
}

static int busy(void)
{
    int count;
    pthread_mutex_lock(&guard);
    count = submitting;
    pthread_mutex_unlock(&guard);
    return count;
}

static void *ask(void *unused)
{
    struct timespec pause = {0, 1000000};
    ev_statistics found;
    (void)unused;
    while (busy()) {
        judge(ev_stats(context, &found) == EV_OK
              && found.received
                     == found.refused + found.replaced + found.skipped + found.failed + found.results + found.in_flight);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

int main(int count, char **words)
{
    pthread_t threads[MOST + 1];
    ev_result result;
    ev_statistics found;
    unsigned submitters, i, polled = 0;
    uint64_t last = 0;
    if (count != 4 || (submitters = (unsigned)atoi(words[2])) < 1 || submitters > MOST) {
        fputs("usage: ev_stress MODEL THREADS FRAMES\n", stderr);
        return 2;
    }
    frames = (unsigned)atoi(words[3]);
    if (ev_open(words[1], NULL, &context) != EV_OK) {
        fprintf(stderr, "%s\n", ev_last_error());
        return 1;
    }
    submitting = (int)submitters;
    for (i = 0; i < submitters; i++) {
        pthread_create(&threads[i], NULL, submit, (void *)(size_t)i);
    }
    pthread_create(&threads[submitters], NULL, ask, NULL);
    while (busy() || polled == 0) {
        if (ev_poll(context, 10, &result) == EV_OK) {
            polled++;
            judge(result.seq > last && result.output_count > 0);
            last = result.seq;
        }
    }
    for (i = 0; i <= submitters; i++) {
        pthread_join(threads[i], NULL);
    }
    do {
        ev_stats(context, &found);
        if (ev_poll(context, 10, &result) == EV_OK) {
            polled++;
            judge(result.seq > last);
            last = result.seq;
        }
    } while (found.in_flight != 0);
    if (ev_stats(context, &found) != EV_OK || found.in_flight != 0 || found.failed != 0
        || found.received != (uint64_t)submitters * frames || found.refused != (uint64_t)submitters * (frames / 10)
        || found.received != found.refused + found.replaced + found.results || found.results != polled + found.unread) {
        puts("the counts do not add up");
        judge(0);
    }
    ev_close(context);
    printf("received: %llu, results: %llu, replaced: %llu, wrong: %d\n", (unsigned long long)found.received,
           (unsigned long long)found.results, (unsigned long long)found.replaced, wrong);
    return wrong != 0;
}
