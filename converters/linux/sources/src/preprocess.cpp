// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit.
#include "preprocess.h"

#include <algorithm>
#include <cstring>

namespace ev {

namespace {

size_t step_of(const Artifact &artifact, char axis)
{
    size_t step = 1;
    for (size_t i = artifact.layout.find(axis) + 1; i < artifact.input.shape.size(); i++) {
        step *= static_cast<size_t>(artifact.input.shape[i]);
    }
    return step;
}

// The value of a channel of the model in a pixel.
template <int channel, bool gray>
uint8_t value(const uint8_t *rgb)
{
    if constexpr (gray) {
        return static_cast<uint8_t>((19595U * rgb[0] + 38470U * rgb[1] + 7471U * rgb[2] + 32768U) >> 16);
    } else {
        return rgb[channel];
    }
}

template <size_t item, int channel, bool gray>
void look_up(const uint8_t *image, size_t count, const uint8_t *table, uint8_t *to, size_t step)
{
    for (size_t i = 0; i < count; i++) {
        std::memcpy(to + i * step * item, table + value<channel, gray>(image + 3 * i) * item, item);
    }
}

template <size_t item>
void look_up(int channel, bool gray, const uint8_t *image, size_t count, const uint8_t *table, uint8_t *to, size_t step)
{
    if (gray) {
        look_up<item, 0, true>(image, count, table, to, step);
    } else if (channel == 0) {
        look_up<item, 0, false>(image, count, table, to, step);
    } else if (channel == 1) {
        look_up<item, 1, false>(image, count, table, to, step);
    } else {
        look_up<item, 2, false>(image, count, table, to, step);
    }
}

using LookUp = void (*)(int, bool, const uint8_t *, size_t, const uint8_t *, uint8_t *, size_t);

LookUp look_up_of(size_t item)
{
    return item == 1 ? look_up<1> : (item == 2 ? look_up<2> : (item == 4 ? look_up<4> : look_up<8>));
}

}  // namespace

Preprocessor::Preprocessor(const Artifact &artifact)
    : wanted_(artifact.preprocessing),
      item_(item_bytes(artifact.input.dtype)),
      row_step_(step_of(artifact, 'H')),
      column_step_(step_of(artifact, 'W')),
      channel_step_(step_of(artifact, 'C')),
      image_(3 * static_cast<size_t>(wanted_.width) * wanted_.height)
{
}

Geometry Preprocessor::operator()(const Picture &picture, std::vector<uint8_t> &input)
{
    const Placement at = place(wanted_.resize, picture.width, picture.height, wanted_.width, wanted_.height);
    const size_t row_bytes = 3 * static_cast<size_t>(wanted_.width);
    if (at.out_width != wanted_.width || at.out_height != wanted_.height) {
        std::fill(image_.begin(), image_.end(), wanted_.pad_value);
    }
    resample(picture, at, wanted_.filter, image_.data(), row_bytes);
    const bool gray = wanted_.color == "GRAY", reversed = wanted_.color == "BGR";
    const LookUp look_up = look_up_of(item_);
    for (size_t c = 0; c < wanted_.channels(); c++) {
        const int channel = static_cast<int>(reversed ? 2 - c : c);
        const uint8_t *table = wanted_.table.data() + c * 256 * item_;
        for (size_t y = 0; y < wanted_.height; y++) {
            uint8_t *to = input.data() + (y * row_step_ + c * channel_step_) * item_;
            look_up(channel, gray, &image_[y * row_bytes], wanted_.width, table, to, column_step_);
        }
    }
    return geometry_of(at);
}

}  // namespace ev
