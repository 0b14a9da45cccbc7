/* SPDX-License-Identifier: Apache-2.0
 * Written by edgevision; do not edit.
 *
 * A camera's frames to a model's results, always fresh: a thread of its own runs the model on the newest frame, older
 * ones are dropped and counted.
 *
 *     ev_open(folder, options, &context);
 *     each frame: ev_submit(context, &frame);            from any thread, copies, does not wait for the model
 *     a thread:   ev_poll(context, milliseconds, &result);
 *     ev_close(context);
 *
 * Threads: ev_submit and ev_stats may be called from any number of threads at once. ev_poll is for one thread at a
 * time; a second one gets EV_ERROR_BUSY. ev_open may run in several threads, each for a context of its own. ev_close
 * is called once, when no other call on the context is running. Contexts share nothing.
 *
 * Errors: every function returns a code, 0 for success; ev_last_error() says in words what went wrong in the calling
 * thread. No C++ exception leaves the library.
 */
#ifndef EV_H
#define EV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EV_ABI 1u /* grows whenever a struct or a number below changes */

#if defined(__GNUC__)
#define EV_API __attribute__((visibility("default")))
#else
#define EV_API
#endif

typedef struct ev_context ev_context;

typedef enum {
    EV_OK = 0,
    EV_TIMEOUT = 1,         /* ev_poll: the time limit passed without a new result */
    EV_ERROR_NULL = -1,     /* a missing pointer */
    EV_ERROR_ARGUMENT = -2, /* an option, time or offset that makes no sense */
    EV_ERROR_FORMAT = -3,   /* an unknown pixel format */
    EV_ERROR_ENCODING = -4, /* YUV that does not say what its numbers mean; it is never guessed */
    EV_ERROR_SIZE = -5,     /* a side of 0 or over EV_MAX_SIDE, or an odd width of YUYV */
    EV_ERROR_STRIDE = -6,   /* a stride under the bytes of a row */
    EV_ERROR_BYTES = -7,    /* a plane shorter than its rows take */
    EV_ERROR_DMABUF = -8,   /* a descriptor that cannot be mapped */
    EV_ERROR_MODEL = -9,    /* files of the model are missing, damaged, or of another model */
    EV_ERROR_RUNTIME = -10, /* the runtime refused the model or device, or failed on a frame */
    EV_ERROR_MEMORY = -11,
    EV_ERROR_BUSY = -12,    /* another thread is in ev_poll */
    EV_ERROR_INTERNAL = -13
} ev_status;

#define EV_MAX_SIDE 65535u

/* How pixels lie in memory; in brackets V4L2's code. */
typedef enum {
    EV_GRAY8 = 1,  /* [GREY] a byte each */
    EV_RGB565 = 2, /* [RGBP] two bytes each, the lower first: red in bits 11 to 15, green in 5 to 10, blue below */
    EV_RGB24 = 3,  /* [RGB3] three bytes each: red, green, blue */
    EV_BGR24 = 4,  /* [BGR3] three bytes each: blue, green, red */
    EV_YUYV = 5,   /* [YUYV] four bytes for two: Y0 Cb Y1 Cr; the width is even */
    EV_NV12 = 6,   /* [NV12] a plane of Y; a plane of Cb Cr, half as high and wide, rounded up */
    EV_I420 = 7    /* [YU12] a plane of Y, one of Cb, one of Cr, the latter half as high and wide, rounded up */
} ev_format;

/* What the numbers of a YUV frame mean: the camera says it. Other formats do not read it. */
typedef enum {
    EV_ENCODING_NONE = 0,
    EV_BT601_LIMITED = 1, /* ITU-R BT.601, luma from 16 to 235 */
    EV_BT601_FULL = 2,    /* the same, luma from 0 to 255: JPEG, most USB cameras */
    EV_BT709_LIMITED = 3, /* ITU-R BT.709 */
    EV_BT709_FULL = 4
} ev_encoding;

typedef enum {
    EV_POINTER = 0, /* planes have `data` */
    EV_DMABUF = 1   /* planes have `fd` and `offset`; each is mapped, read between two DMA_BUF_IOCTL_SYNC, and unmapped */
} ev_memory;

typedef struct {
    const uint8_t *data; /* EV_POINTER */
    int fd;              /* EV_DMABUF; it stays the caller's */
    size_t offset;       /* EV_DMABUF: where the plane begins in it, bytes */
    size_t bytes;        /* bytes of the plane; none beyond is read */
    size_t stride;       /* bytes from one row to the next */
} ev_plane;

typedef struct {
    int32_t format;   /* an ev_format */
    int32_t encoding; /* an ev_encoding */
    int32_t memory;   /* an ev_memory */
    uint32_t width;
    uint32_t height;
    ev_plane planes[3];
    int64_t pts;         /* the caller's time stamp, of any unit: the result has it again */
    int64_t captured_ns; /* capture, on CLOCK_MONOTONIC, as V4L2 stamps buffers; 0 for now */
} ev_frame;

typedef struct {
    uint32_t abi;       /* EV_ABI */
    const char *device; /* the runtime's name of a device; NULL for the processor. LiteRT: NULL only */
    int threads;        /* of the runtime; 0 for 1 on OpenVINO, and for LiteRT's own choice, which takes nothing else */
    int64_t budget_ns;  /* from capture to result, a day at the most; 0 for none. A frame that cannot be ready in time (by the 95th
                           percentile of the stages to come) is skipped; once a second one is tried all the same */
    uint32_t top_k;     /* classes of a result, 1 or more */
    int keep_input;     /* whether results have the input tensor too: for tests, it costs a copy */
} ev_options;

#define EV_OPTIONS_INIT {EV_ABI, NULL, 0, 0, 5u, 0}

typedef enum {
    EV_FLOAT32 = 1,
    EV_FLOAT16 = 2,
    EV_FLOAT64 = 3,
    EV_INT8 = 4,
    EV_UINT8 = 5,
    EV_INT16 = 6,
    EV_UINT16 = 7,
    EV_INT32 = 8,
    EV_UINT32 = 9,
    EV_INT64 = 10
} ev_dtype;

typedef struct {
    const char *name;
    ev_dtype dtype;
    size_t rank;
    const int64_t *shape;
    const void *data; /* stored values, in C order */
    size_t bytes;
} ev_tensor;

/* A class among the labels, and its probability; the raw output where the artifact does not say what that is. */
typedef struct {
    int32_t index;
    float score;
    const char *label; /* NULL where the artifact has no labels */
} ev_class;

/* An object: corners in pixels of the frame, continuous, inside it. */
typedef struct {
    float x1;
    float y1;
    float x2;
    float y2;
    float score;
    int32_t index;
    const char *label;
} ev_box;

/* What a pointer points to is valid until the next ev_poll or ev_close on the context; labels and names until ev_close. */
typedef struct {
    uint64_t seq; /* which call of ev_submit the frame came with, from 1; it grows from result to result */
    int64_t pts;
    int64_t captured_ns;
    int64_t age_ns; /* from capture to this ev_poll */
    int late;       /* whether that is more than the budget: do not act on it as if it were now */
    int64_t preprocess_ns;
    int64_t infer_ns;
    int64_t decode_ns;
    size_t class_count;
    const ev_class *classes; /* best first */
    size_t box_count;
    const ev_box *boxes; /* best first */
    size_t output_count;
    const ev_tensor *outputs; /* as the model has them */
    const ev_tensor *input;   /* NULL without keep_input */
} ev_result;

/* Milliseconds, over the last 256; 0 while there are none. */
typedef struct {
    uint64_t count; /* in all */
    double p50_ms;
    double p95_ms;
} ev_stage;

/* received = refused + replaced + skipped + failed + results + in_flight, at any moment. */
typedef struct {
    uint64_t received; /* calls of ev_submit that had a frame */
    uint64_t refused;  /* dropped: a format, size, stride, descriptor, … that is wrong */
    uint64_t replaced; /* dropped: a newer frame came before the model was free */
    uint64_t skipped;  /* dropped: no time left of the budget */
    uint64_t failed;   /* dropped: the runtime failed on it */
    uint64_t results;
    uint64_t in_flight; /* being copied, waiting or being worked on: at most one waits */
    uint64_t unread;    /* of the results: replaced by a newer one before ev_poll asked */
    uint64_t late;      /* of the results: given by ev_poll after the budget */
    ev_stage wait;      /* from ev_submit to the model's thread */
    ev_stage preprocess;
    ev_stage infer;
    ev_stage decode;
    ev_stage age; /* from capture to ev_poll */
} ev_statistics;

/* Read and check the model (a folder with ev.conf: `model` of the project), and start its thread.
   `options` may be NULL for EV_OPTIONS_INIT. *context is NULL after an error. */
EV_API ev_status ev_open(const char *folder, const ev_options *options, ev_context **context);

/* Hand over a frame: it is checked and copied, and memory and descriptors are the caller's again. A frame that still
   waits is replaced. */
EV_API ev_status ev_submit(ev_context *context, const ev_frame *frame);

/* Take the newest result that was not taken yet, waiting so many milliseconds for one, or forever if negative.
   EV_TIMEOUT: there is none. EV_ERROR_RUNTIME: the newest frame failed; the next may not. */
EV_API ev_status ev_poll(ev_context *context, int milliseconds, ev_result *result);

EV_API ev_status ev_stats(ev_context *context, ev_statistics *statistics);

/* Wait for the frame that is being worked on, stop the thread, free everything. NULL is allowed. */
EV_API ev_status ev_close(ev_context *context);

/* What the last call in this thread that failed had to say; "" if none did. Valid until the next call in this thread. */
EV_API const char *ev_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
