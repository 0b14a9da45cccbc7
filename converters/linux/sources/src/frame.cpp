// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit.
#include "frame.h"

#include <cstring>
#include <string>

#include "dmabuf.h"
#include "error.h"

namespace ev {

namespace {

struct Rows {
    size_t rows;
    size_t bytes;  // of a row
};

struct Shape {
    size_t count;
    Rows planes[3];
};

bool is_yuv(int32_t format) { return format == EV_YUYV || format == EV_NV12 || format == EV_I420; }

Shape shape_of(int32_t format, size_t width, size_t height)
{
    const size_t half_width = (width + 1) / 2, half_height = (height + 1) / 2;
    switch (format) {
    case EV_GRAY8: return {1, {{height, width}, {}, {}}};
    case EV_RGB565:
    case EV_YUYV: return {1, {{height, 2 * width}, {}, {}}};
    case EV_RGB24:
    case EV_BGR24: return {1, {{height, 3 * width}, {}, {}}};
    case EV_NV12: return {2, {{height, width}, {half_height, 2 * half_width}, {}}};
    case EV_I420: return {3, {{height, width}, {half_height, half_width}, {half_height, half_width}}};
    }
    throw Error(EV_ERROR_FORMAT, "frame: an unknown format: got " + std::to_string(format)
                                     + "; allowed: EV_GRAY8 (1) to EV_I420 (7)");
}

void check(const ev_frame &frame)
{
    if (frame.width < 1 || frame.width > EV_MAX_SIDE || frame.height < 1 || frame.height > EV_MAX_SIDE) {
        throw Error(EV_ERROR_SIZE, "frame: size: got " + std::to_string(frame.width) + "x" + std::to_string(frame.height)
                                       + "; allowed: 1 to 65535 each");
    }
    if (frame.format == EV_YUYV && frame.width % 2 != 0) {
        throw Error(EV_ERROR_SIZE, "frame: YUYV has pairs of pixels: got width " + std::to_string(frame.width)
                                       + "; allowed: even");
    }
    if (is_yuv(frame.format) && (frame.encoding < EV_BT601_LIMITED || frame.encoding > EV_BT709_FULL)) {
        throw Error(EV_ERROR_ENCODING, "frame: YUV without matrix and range: got encoding "
                                           + std::to_string(frame.encoding)
                                           + "; allowed: EV_BT601_LIMITED (1) to EV_BT709_FULL (4): the camera says which");
    }
    if (frame.memory != EV_POINTER && frame.memory != EV_DMABUF) {
        throw Error(EV_ERROR_ARGUMENT, "frame: memory: got " + std::to_string(frame.memory)
                                           + "; allowed: EV_POINTER (0), EV_DMABUF (1)");
    }
}

void check_plane(const ev_frame &frame, size_t number, const Rows &rows)
{
    const ev_plane &plane = frame.planes[number];
    const std::string which = "frame: plane " + std::to_string(number);
    if (frame.memory == EV_POINTER && plane.data == nullptr) {
        throw Error(EV_ERROR_NULL, which + " has no data");
    }
    if (plane.stride < rows.bytes) {
        throw Error(EV_ERROR_STRIDE, which + ": stride: got " + std::to_string(plane.stride) + "; allowed: at least the "
                                         + std::to_string(rows.bytes) + " bytes of a row");
    }
    if (plane.bytes < rows.bytes || (rows.rows - 1) > (plane.bytes - rows.bytes) / plane.stride) {
        throw Error(EV_ERROR_BYTES, which + " is too short: got " + std::to_string(plane.bytes) + " bytes; allowed: "
                                        + std::to_string(rows.rows - 1) + " strides of " + std::to_string(plane.stride)
                                        + " and " + std::to_string(rows.bytes));
    }
}

void copy_rows(const uint8_t *from, size_t stride, const Rows &rows, uint8_t *to)
{
    if (stride == rows.bytes) {
        std::memcpy(to, from, rows.rows * rows.bytes);
        return;
    }
    for (size_t y = 0; y < rows.rows; y++) {
        std::memcpy(to + y * rows.bytes, from + y * stride, rows.bytes);
    }
}

}  // namespace

void copy_frame(const ev_frame &frame, Picture &picture)
{
    const Shape shape = shape_of(frame.format, frame.width, frame.height);
    check(frame);
    size_t total = 0;
    for (size_t i = 0; i < shape.count; i++) {
        check_plane(frame, i, shape.planes[i]);
        picture.planes[i] = {total, shape.planes[i].bytes};
        total += shape.planes[i].rows * shape.planes[i].bytes;
    }
    picture.format = static_cast<ev_format>(frame.format);
    picture.encoding = is_yuv(frame.format) ? static_cast<ev_encoding>(frame.encoding) : EV_ENCODING_NONE;
    picture.width = frame.width;
    picture.height = frame.height;
    picture.bytes.resize(total);
    for (size_t i = 0; i < shape.count; i++) {
        uint8_t *to = picture.bytes.data() + picture.planes[i].offset;
        if (frame.memory == EV_POINTER) {
            copy_rows(frame.planes[i].data, frame.planes[i].stride, shape.planes[i], to);
        } else {
            const Mapping mapping(frame.planes[i], i);
            copy_rows(mapping.data(), frame.planes[i].stride, shape.planes[i], to);
        }
    }
}

}  // namespace ev
