// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. From a picture of any size to the model's: edgevision.resize, bit for bit.
#pragma once

#include <string>
#include <vector>

#include "frame.h"

namespace ev {

// Which part of the picture goes to which part of the model's image, in pixels.
struct Placement {
    size_t left = 0;
    size_t top = 0;
    size_t width = 0;
    size_t height = 0;
    size_t out_left = 0;
    size_t out_top = 0;
    size_t out_width = 0;
    size_t out_height = 0;
};

// Where the model's pixels lie in the picture: target = source · scale + offset, for x and for y.
struct Geometry {
    double scale_x = 1.0;
    double scale_y = 1.0;
    double offset_x = 0.0;
    double offset_y = 0.0;
};

Placement place(const std::string &resize, size_t width, size_t height, size_t out_width, size_t out_height);
Geometry geometry_of(const Placement &at);

// Rows of the placed part of a picture, as red, green and blue; the last two are kept.
class PictureRows {
public:
    PictureRows(const Picture &picture, const Placement &at);
    const uint8_t *at(size_t y);  // 3 · width bytes, valid until the second next call

private:
    const Picture &picture_;
    const Placement &placement_;
    std::vector<uint8_t> kept_[2];
    size_t which_[2];
    size_t last_ = 0;
};

// Fill the placed part of `image`, three bytes a pixel and out_stride bytes a row, with the resized picture.
void resample(const Picture &picture, const Placement &at, const std::string &filter, uint8_t *image, size_t out_stride);

// For `bilinear` and `area`: antialiased, in two passes with 8 bits between.
void resample_antialiased(PictureRows &rows, const Placement &at, bool triangle, uint8_t *image, size_t out_stride);

}  // namespace ev
