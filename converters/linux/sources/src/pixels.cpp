// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit.
#include "pixels.h"

#include <cstring>

namespace ev {

namespace {

// 65536 times the real coefficients of the conversion from YUV; `black` is the luma of black.
struct Coefficients {
    int32_t black;
    int32_t luma;
    int32_t red_cr;
    int32_t green_cb;
    int32_t green_cr;
    int32_t blue_cb;
};

constexpr Coefficients encodings[4] = {
    {16, 76309, 104597, 25675, 53279, 132201},  // BT.601, limited
    {0, 65536, 91881, 22553, 46802, 116130},    // BT.601, full
    {16, 76309, 117489, 13975, 34925, 138438},  // BT.709, limited
    {0, 65536, 103206, 12276, 30679, 121609},   // BT.709, full
};

uint8_t level(int32_t fixed)
{
    const int32_t shifted = fixed >> 16;
    return static_cast<uint8_t>(shifted < 0 ? 0 : (shifted > 255 ? 255 : shifted));
}

// Luma, Cb and Cr of a row: where each begins, and bytes from one sample to the next. A sample of chroma is for two pixels.
struct Samples {
    const uint8_t *y;
    size_t y_step;
    const uint8_t *cb;
    const uint8_t *cr;
    size_t chroma_step;
};

void from_yuv(const Samples &row, const Coefficients &p, size_t left, size_t width, uint8_t *rgb)
{
    for (size_t i = 0; i < width; i++) {
        const size_t x = left + i;
        const int32_t luma = p.luma * (row.y[x * row.y_step] - p.black) + 32768;
        const int32_t cb = row.cb[x / 2 * row.chroma_step] - 128;
        const int32_t cr = row.cr[x / 2 * row.chroma_step] - 128;
        rgb[3 * i] = level(luma + p.red_cr * cr);
        rgb[3 * i + 1] = level(luma - p.green_cr * cr - p.green_cb * cb);
        rgb[3 * i + 2] = level(luma + p.blue_cb * cb);
    }
}

Samples samples_of(const Picture &picture, size_t y)
{
    if (picture.format == EV_YUYV) {
        const uint8_t *row = picture.row(0, y);
        return {row, 2, row + 1, row + 3, 4};
    }
    if (picture.format == EV_NV12) {
        const uint8_t *pairs = picture.row(1, y / 2);
        return {picture.row(0, y), 1, pairs, pairs + 1, 2};
    }
    return {picture.row(0, y), 1, picture.row(1, y / 2), picture.row(2, y / 2), 1};
}

void from_rgb565(const uint8_t *row, size_t width, uint8_t *rgb)
{
    for (size_t i = 0; i < width; i++) {
        const unsigned word = row[2 * i] | static_cast<unsigned>(row[2 * i + 1]) << 8;
        const unsigned red = word >> 11, green = (word >> 5) & 63, blue = word & 31;
        rgb[3 * i] = static_cast<uint8_t>(red << 3 | red >> 2);
        rgb[3 * i + 1] = static_cast<uint8_t>(green << 2 | green >> 4);
        rgb[3 * i + 2] = static_cast<uint8_t>(blue << 3 | blue >> 2);
    }
}

}  // namespace

void read_rgb(const Picture &picture, size_t y, size_t left, size_t width, uint8_t *rgb)
{
    switch (picture.format) {
    case EV_GRAY8: {
        const uint8_t *row = picture.row(0, y) + left;
        for (size_t i = 0; i < width; i++) {
            rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = row[i];
        }
        break;
    }
    case EV_RGB565: from_rgb565(picture.row(0, y) + 2 * left, width, rgb); break;
    case EV_RGB24: std::memcpy(rgb, picture.row(0, y) + 3 * left, 3 * width); break;
    case EV_BGR24: {
        const uint8_t *row = picture.row(0, y) + 3 * left;
        for (size_t i = 0; i < width; i++) {
            rgb[3 * i] = row[3 * i + 2];
            rgb[3 * i + 1] = row[3 * i + 1];
            rgb[3 * i + 2] = row[3 * i];
        }
        break;
    }
    case EV_YUYV:
    case EV_NV12:
    case EV_I420: from_yuv(samples_of(picture, y), encodings[picture.encoding - 1], left, width, rgb); break;
    }
}

}  // namespace ev
