/* SPDX-License-Identifier: Apache-2.0
 * Written by edgevision. Frames of a GStreamer pipeline, through an appsink; results as lines of JSON. */
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <signal.h>
#include <string.h>

#include "print.h"

#define LOOK_MS 200 /* so often it looks for errors and Ctrl-C while no frame comes */
#define START_S 15  /* a pipeline whose first frame takes so long does not work */
#define SILENCE_S 5 /* one that gives none for so long is dead, whatever it says */

static const char usage[] =
    "usage: ev_appsink MODEL PIPELINE\n"
    "  PIPELINE  as for gst-launch-1.0, without its sink, such as\n"
    "            'v4l2src device=/dev/video0 ! video/x-raw,width=640,height=480'\n"
    "            'rtspsrc location=rtsp://camera/stream latency=0 ! decodebin ! videoconvert'\n"
    "Results go to standard output, a line of JSON each; statistics to standard error. Ctrl-C ends it, and so does a\n"
    "pipeline that fails, or gives no frame for 5 s (15 s before the first one), with status 1.\n";

/* The newest frame alone; formats that the library takes. */
static const char sink[] =
    " ! appsink name=frames sync=false drop=true max-buffers=1 "
    "caps=\"video/x-raw,format=(string){NV12,I420,YUY2,RGB,BGR,RGB16,GRAY8}\"";

static volatile sig_atomic_t stopped = 0;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static ev_format format_of(GstVideoFormat format)
{
    switch (format) {
    case GST_VIDEO_FORMAT_NV12: return EV_NV12;
    case GST_VIDEO_FORMAT_I420: return EV_I420;
    case GST_VIDEO_FORMAT_YUY2: return EV_YUYV;
    case GST_VIDEO_FORMAT_RGB: return EV_RGB24;
    case GST_VIDEO_FORMAT_BGR: return EV_BGR24;
    case GST_VIDEO_FORMAT_RGB16: return EV_RGB565;
    default: return EV_GRAY8;
    }
}

static ev_encoding encoding_of(const GstVideoColorimetry *colors)
{
    const int full = colors->range == GST_VIDEO_COLOR_RANGE_0_255;
    if (colors->matrix == GST_VIDEO_COLOR_MATRIX_BT709) {
        return full ? EV_BT709_FULL : EV_BT709_LIMITED;
    }
    if (colors->matrix == GST_VIDEO_COLOR_MATRIX_BT601) {
        return full ? EV_BT601_FULL : EV_BT601_LIMITED;
    }
    return EV_ENCODING_NONE;
}

/* When a live frame was captured, on CLOCK_MONOTONIC, which GStreamer's system clock is; 0 where nobody knows. */
static int64_t captured_ns(GstElement *pipeline, GstSample *sample, int live)
{
    const GstClockTime stamp = GST_BUFFER_PTS(gst_sample_get_buffer(sample));
    const GstClockTime running =
        gst_segment_to_running_time(gst_sample_get_segment(sample), GST_FORMAT_TIME, stamp);
    return live && GST_CLOCK_TIME_IS_VALID(running) ? (int64_t)(gst_element_get_base_time(pipeline) + running) : 0;
}

static int submit(ev_context *context, GstElement *pipeline, GstSample *sample, int live)
{
    GstVideoInfo info;
    GstVideoFrame mapped;
    ev_frame frame;
    ev_status status;
    guint i;
    if (!gst_video_info_from_caps(&info, gst_sample_get_caps(sample))
        || !gst_video_frame_map(&mapped, &info, gst_sample_get_buffer(sample), GST_MAP_READ)) {
        fputs("ev_appsink: a frame that cannot be read\n", stderr);
        return 1;
    }
    memset(&frame, 0, sizeof frame);
    frame.format = format_of(GST_VIDEO_INFO_FORMAT(&info));
    frame.encoding = encoding_of(&GST_VIDEO_INFO_COLORIMETRY(&info));
    frame.width = (uint32_t)GST_VIDEO_INFO_WIDTH(&info);
    frame.height = (uint32_t)GST_VIDEO_INFO_HEIGHT(&info);
    frame.pts = (int64_t)GST_BUFFER_PTS(gst_sample_get_buffer(sample));
    frame.captured_ns = captured_ns(pipeline, sample, live);
    for (i = 0; i < GST_VIDEO_FRAME_N_PLANES(&mapped) && i < 3; i++) {
        const size_t stride = (size_t)GST_VIDEO_FRAME_PLANE_STRIDE(&mapped, i);
        frame.planes[i].data = GST_VIDEO_FRAME_PLANE_DATA(&mapped, i);
        frame.planes[i].stride = stride;
        frame.planes[i].bytes = stride * (size_t)GST_VIDEO_FRAME_COMP_HEIGHT(&mapped, i);
    }
    status = ev_submit(context, &frame);
    gst_video_frame_unmap(&mapped);
    if (status != EV_OK) {
        fprintf(stderr, "ev_appsink: %s\n", ev_last_error());
    }
    return status != EV_OK;
}

static int show(ev_context *context, int milliseconds)
{
    ev_result result;
    ev_status status;
    while ((status = ev_poll(context, milliseconds, &result)) == EV_OK) {
        print_result(stdout, &result);
    }
    if (status != EV_TIMEOUT) {
        fprintf(stderr, "ev_appsink: %s\n", ev_last_error());
    }
    return status != EV_TIMEOUT;
}

/* What made the pipeline stop; 0 for the end of a stream. */
static int reason(GstElement *pipeline)
{
    GstBus *bus = gst_element_get_bus(pipeline);
    GstMessage *message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
    const int wrong = message != NULL;
    if (wrong) {
        GError *error = NULL;
        gst_message_parse_error(message, &error, NULL);
        fprintf(stderr, "ev_appsink: %s\n", error->message);
        g_error_free(error);
        gst_message_unref(message);
    }
    gst_object_unref(bus);
    return wrong;
}

/* The next frame; NULL at the end, and with *wrong for a pipeline that failed or is dead. */
static GstSample *next(GstElement *pipeline, GstAppSink *frames, gint64 limit_s, int *wrong)
{
    const gint64 began = g_get_monotonic_time();
    while (!stopped && !*wrong) {
        GstSample *sample = gst_app_sink_try_pull_sample(frames, LOOK_MS * GST_MSECOND);
        if (sample != NULL || gst_app_sink_is_eos(frames)) {
            return sample;
        }
        *wrong = reason(pipeline);
        if (!*wrong && g_get_monotonic_time() - began > limit_s * G_USEC_PER_SEC) {
            fprintf(stderr, "ev_appsink: no frame for %d s\n", (int)limit_s);
            *wrong = 1;
        }
    }
    return NULL;
}

static int run(ev_context *context, GstElement *pipeline)
{
    GstElement *frames = gst_bin_get_by_name(GST_BIN(pipeline), "frames");
    const GstStateChangeReturn began = gst_element_set_state(pipeline, GST_STATE_PLAYING);
    const int live = began == GST_STATE_CHANGE_NO_PREROLL;
    gint64 limit_s = START_S;
    GstSample *sample;
    ev_statistics statistics;
    int wrong = began == GST_STATE_CHANGE_FAILURE;
    if (wrong) {
        reason(pipeline);
    }
    while (!wrong && (sample = next(pipeline, GST_APP_SINK(frames), limit_s, &wrong)) != NULL) {
        wrong = submit(context, pipeline, sample, live);
        gst_sample_unref(sample);
        wrong = wrong || show(context, 0);
        limit_s = SILENCE_S;
    }
    wrong = wrong || show(context, 500) || reason(pipeline);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(frames);
    if (ev_stats(context, &statistics) == EV_OK) {
        print_statistics(stderr, &statistics);
    }
    return wrong;
}

int main(int count, char **words)
{
    ev_options options = EV_OPTIONS_INIT;
    ev_context *context = NULL;
    GError *error = NULL;
    GstElement *pipeline;
    gchar *text;
    int wrong;
    if (count != 3) {
        fputs(usage, count == 2 && strcmp(words[1], "--help") == 0 ? stdout : stderr);
        return count == 2 && strcmp(words[1], "--help") == 0 ? 0 : 2;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    gst_init(NULL, NULL);
    text = g_strconcat(words[2], sink, NULL);
    pipeline = gst_parse_launch(text, &error);
    g_free(text);
    if (error != NULL) {
        fprintf(stderr, "ev_appsink: %s\n", error->message);
        g_error_free(error);
        return 2;
    }
    if (ev_open(words[1], &options, &context) != EV_OK) {
        fprintf(stderr, "ev_appsink: %s: %s\n", words[1], ev_last_error());
        wrong = 1;
    } else {
        wrong = run(context, pipeline);
    }
    ev_close(context);
    gst_object_unref(pipeline);
    return wrong;
}
