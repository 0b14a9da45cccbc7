// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit.
#include "resize.h"

#include <algorithm>
#include <cstring>

#include "error.h"
#include "pixels.h"

namespace ev {

namespace {

// length · to / of, to the nearest, of two equally near ones the even one.
size_t scaled(size_t length, size_t to, size_t of)
{
    const size_t whole = length * to / of, rest = length * to % of;
    return whole + ((2 * rest > of || (2 * rest == of && whole % 2 == 1)) ? 1 : 0);
}

void letterbox(Placement &at, bool centred)
{
    const size_t room_width = at.out_width, room_height = at.out_height;
    if (room_height * at.width <= room_width * at.height) {
        at.out_width = std::max<size_t>(1, scaled(at.width, room_height, at.height));
    } else {
        at.out_height = std::max<size_t>(1, scaled(at.height, room_width, at.width));
    }
    if (centred) {
        at.out_left = (room_width - at.out_width) / 2;
        at.out_top = (room_height - at.out_height) / 2;
    }
}

void center_crop(Placement &at)
{
    const size_t width = at.width, height = at.height;
    if (at.out_height * width >= at.out_width * height) {
        at.width = std::max<size_t>(1, scaled(at.out_width, height, at.out_height));
    } else {
        at.height = std::max<size_t>(1, scaled(at.out_height, width, at.out_width));
    }
    at.left = (width - at.width) / 2;
    at.top = (height - at.height) / 2;
}

struct Taps {
    size_t first;
    size_t second;
    uint32_t weight;  // of the second, of 256
};

std::vector<Taps> linear_taps(int64_t in, int64_t out)
{
    std::vector<Taps> found;
    for (int64_t i = 0; i < out; i++) {
        const int64_t up = 256 * ((2 * i + 1) * in - out) + out, by = 2 * out;
        const int64_t floor = up / by - (up % by < 0 ? 1 : 0);
        const int64_t position = std::clamp<int64_t>(floor, 0, 256 * (in - 1));
        const int64_t first = position >> 8;
        found.push_back({static_cast<size_t>(first), static_cast<size_t>(std::min(first + 1, in - 1)),
                         static_cast<uint32_t>(position & 255)});
    }
    return found;
}

void linear_fixed(PictureRows &rows, const Placement &at, uint8_t *image, size_t out_stride)
{
    const std::vector<Taps> down = linear_taps(static_cast<int64_t>(at.height), static_cast<int64_t>(at.out_height));
    const std::vector<Taps> across = linear_taps(static_cast<int64_t>(at.width), static_cast<int64_t>(at.out_width));
    std::vector<uint16_t> mixed(3 * at.width);
    for (size_t y = 0; y < at.out_height; y++) {
        const Taps &tap = down[y];
        const uint8_t *upper = rows.at(tap.first), *lower = rows.at(tap.second);
        for (size_t i = 0; i < mixed.size(); i++) {
            mixed[i] = static_cast<uint16_t>(upper[i] * (256 - tap.weight) + lower[i] * tap.weight);
        }
        uint8_t *to = image + y * out_stride;
        for (size_t x = 0; x < at.out_width; x++) {
            const Taps &column = across[x];
            const uint16_t *first = &mixed[3 * column.first], *second = &mixed[3 * column.second];
            for (size_t c = 0; c < 3; c++) {
                const uint32_t sum = first[c] * (256 - column.weight) + second[c] * column.weight;
                to[3 * x + c] = static_cast<uint8_t>((sum + 32768) >> 16);
            }
        }
    }
}

void nearest(PictureRows &rows, const Placement &at, uint8_t *image, size_t out_stride)
{
    for (size_t y = 0; y < at.out_height; y++) {
        const uint8_t *row = rows.at((2 * y + 1) * at.height / (2 * at.out_height));
        uint8_t *to = image + y * out_stride;
        for (size_t x = 0; x < at.out_width; x++) {
            std::memcpy(to + 3 * x, row + 3 * ((2 * x + 1) * at.width / (2 * at.out_width)), 3);
        }
    }
}

}  // namespace

Placement place(const std::string &resize, size_t width, size_t height, size_t out_width, size_t out_height)
{
    Placement at;
    at.width = width;
    at.height = height;
    at.out_width = out_width;
    at.out_height = out_height;
    if (width == out_width && height == out_height) {
        return at;
    }
    if (resize == "letterbox" || resize == "letterbox_top_left") {
        letterbox(at, resize == "letterbox");
    } else if (resize == "center_crop") {
        center_crop(at);
    } else if (resize != "stretch") {
        throw Error(EV_ERROR_MODEL, "ev.conf: an unknown resize: got " + resize);
    }
    return at;
}

Geometry geometry_of(const Placement &at)
{
    Geometry made;
    made.scale_x = static_cast<double>(at.out_width) / static_cast<double>(at.width);
    made.scale_y = static_cast<double>(at.out_height) / static_cast<double>(at.height);
    made.offset_x = static_cast<double>(at.out_left) - static_cast<double>(at.left) * made.scale_x;
    made.offset_y = static_cast<double>(at.out_top) - static_cast<double>(at.top) * made.scale_y;
    return made;
}

PictureRows::PictureRows(const Picture &picture, const Placement &at) : picture_(picture), placement_(at), which_{at.height, at.height}
{
    kept_[0].resize(3 * at.width);
    kept_[1].resize(3 * at.width);
}

const uint8_t *PictureRows::at(size_t y)
{
    for (size_t i = 0; i < 2; i++) {
        if (which_[i] == y) {
            last_ = i;
            return kept_[i].data();
        }
    }
    last_ = 1 - last_;
    which_[last_] = y;
    read_rgb(picture_, placement_.top + y, placement_.left, placement_.width, kept_[last_].data());
    return kept_[last_].data();
}

void resample(const Picture &picture, const Placement &at, const std::string &filter, uint8_t *image, size_t out_stride)
{
    PictureRows rows(picture, at);
    uint8_t *corner = image + at.out_top * out_stride + 3 * at.out_left;
    if (at.width == at.out_width && at.height == at.out_height) {
        for (size_t y = 0; y < at.height; y++) {
            std::memcpy(corner + y * out_stride, rows.at(y), 3 * at.width);
        }
    } else if (filter == "linear_fixed") {
        linear_fixed(rows, at, corner, out_stride);
    } else if (filter == "nearest") {
        nearest(rows, at, corner, out_stride);
    } else if (filter == "bilinear" || filter == "area") {
        resample_antialiased(rows, at, filter == "bilinear", corner, out_stride);
    } else {
        throw Error(EV_ERROR_MODEL, "ev.conf: an unknown filter: got " + filter);
    }
}

}  // namespace ev
