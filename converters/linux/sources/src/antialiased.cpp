// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. The mean of the covered pixels, or a triangle as wide as the reduction: weights of
// 22 bits that sum up to one, first across, then down, each pass rounded to 8 bits, as Pillow rounds.
#include <algorithm>
#include <cmath>

#include "resize.h"

namespace ev {

namespace {

constexpr int weight_bits = 22;
constexpr int32_t half = 1 << (weight_bits - 1);

struct Window {
    size_t first;
    std::vector<int32_t> weights;
};

double weight_at(double distance, bool triangle)
{
    if (triangle) {
        return std::max(0.0, 1.0 - std::fabs(distance));
    }
    return distance > -0.5 && distance <= 0.5 ? 1.0 : 0.0;
}

std::vector<Window> windows(size_t in, size_t out, bool triangle)
{
    const double scale = static_cast<double>(in) / static_cast<double>(out);
    const double wide = std::max(scale, 1.0), reach = (triangle ? 1.0 : 0.5) * wide, narrowing = 1.0 / wide;
    std::vector<Window> found(out);
    for (size_t i = 0; i < out; i++) {
        const double centre = (static_cast<double>(i) + 0.5) * scale;
        const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(centre - reach + 0.5));
        const int64_t end = std::min(static_cast<int64_t>(in), static_cast<int64_t>(centre + reach + 0.5));
        std::vector<double> real;
        double sum = 0.0;
        for (int64_t x = 0; x < end - first; x++) {
            real.push_back(weight_at((static_cast<double>(x + first) - centre + 0.5) * narrowing, triangle));
            sum += real.back();
        }
        found[i].first = static_cast<size_t>(first);
        for (const double weight : real) {
            const double share = sum != 0.0 ? weight / sum : weight;
            found[i].weights.push_back(static_cast<int32_t>(0.5 + share * (1 << weight_bits)));
        }
    }
    return found;
}

uint8_t level(int32_t sum)
{
    return static_cast<uint8_t>(std::clamp(sum >> weight_bits, 0, 255));
}

void across(const uint8_t *row, const std::vector<Window> &columns, uint8_t *to)
{
    for (const Window &window : columns) {
        int32_t sums[3] = {half, half, half};
        const uint8_t *from = row + 3 * window.first;
        for (const int32_t weight : window.weights) {
            sums[0] += from[0] * weight;
            sums[1] += from[1] * weight;
            sums[2] += from[2] * weight;
            from += 3;
        }
        for (const int32_t sum : sums) {
            *to++ = level(sum);
        }
    }
}

}  // namespace

void resample_antialiased(PictureRows &rows, const Placement &at, bool triangle, uint8_t *image, size_t out_stride)
{
    const std::vector<Window> columns = windows(at.width, at.out_width, triangle);
    const std::vector<Window> lines = windows(at.height, at.out_height, triangle);
    const size_t row_bytes = 3 * at.out_width;
    std::vector<uint8_t> narrow(at.height * row_bytes);
    for (size_t y = 0; y < at.height; y++) {
        const uint8_t *row = rows.at(y);
        if (at.width == at.out_width) {
            std::copy(row, row + row_bytes, &narrow[y * row_bytes]);
        } else {
            across(row, columns, &narrow[y * row_bytes]);
        }
    }
    std::vector<int32_t> sums(row_bytes);
    for (size_t y = 0; y < at.out_height; y++) {
        uint8_t *to = image + y * out_stride;
        if (at.height == at.out_height) {
            std::copy(&narrow[y * row_bytes], &narrow[y * row_bytes] + row_bytes, to);
            continue;
        }
        std::fill(sums.begin(), sums.end(), half);
        for (size_t k = 0; k < lines[y].weights.size(); k++) {
            const uint8_t *from = &narrow[(lines[y].first + k) * row_bytes];
            const int32_t weight = lines[y].weights[k];
            for (size_t i = 0; i < row_bytes; i++) {
                sums[i] += from[i] * weight;
            }
        }
        std::transform(sums.begin(), sums.end(), to, level);
    }
}

}  // namespace ev
