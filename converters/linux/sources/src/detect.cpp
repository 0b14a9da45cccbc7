// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. Decoders of detectors: YOLOX's grids, final rows of YOLOv5 and YOLOv8, and the
// outputs of TFLite_Detection_PostProcess.
#include <algorithm>
#include <cmath>
#include <limits>

#include "error.h"
#include "results.h"

namespace ev {

namespace {

constexpr float longest = 20.0F;  // logarithm of the longest side, in cells

float activated(float value, bool sigmoid) { return sigmoid ? 0.5F * (1.0F + std::tanh(0.5F * value)) : value; }

float number(float value, const std::string &decoder)
{
    if (std::isnan(value)) {
        throw Error(EV_ERROR_RUNTIME, "decoder " + decoder + ": scores are NaN");
    }
    return value;
}

ev_box box_of(float centre_x, float centre_y, float width, float height)
{
    return {centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2, 0.0F, 0, nullptr};
}

// Rows of one level; columns x, y, width, height, objectness where there is one, and class scores.
class Rows {
public:
    Rows(const Artifact &artifact, const Level &level, const Tensor &tensor)
        : artifact_(artifact), level_(level), values_(artifact.outputs[level.output], tensor),
          objectness_(artifact.decoding.decoder != "yolov8")
    {
    }

    void candidates(std::vector<ev_box> &found) const
    {
        const Decoding &decoding = artifact_.decoding;
        for (size_t row = 0; row < level_.rows; row++) {
            float score = 1.0F;
            if (objectness_) {
                score = number(activated(values_.real(at(row, 4)), decoding.sigmoid), decoding.decoder);
                if (score < decoding.score_threshold) {
                    continue;
                }
            }
            const size_t best = best_class(row);
            const size_t first = objectness_ ? 5 : 4;
            score *= number(activated(values_.real(at(row, first + best)), decoding.sigmoid), decoding.decoder);
            if (score >= decoding.score_threshold) {
                found.push_back(box(row));
                found.back().score = score;
                found.back().index = static_cast<int32_t>(best);
            }
        }
    }

private:
    size_t at(size_t row, size_t column) const { return level_.first + row * level_.row_step + column * level_.column_step; }

    size_t best_class(size_t row) const
    {
        const size_t first = objectness_ ? 5 : 4;
        size_t best = 0;
        double highest = -std::numeric_limits<double>::infinity();
        for (size_t i = 0; first + i < level_.columns; i++) {
            const double value = values_.stored(at(row, first + i));
            if (std::isnan(value)) {
                return i;
            }
            if (value > highest) {
                highest = value;
                best = i;
            }
        }
        return best;
    }

    ev_box box(size_t row) const
    {
        const float x = values_.real(at(row, 0)), y = values_.real(at(row, 1));
        const float width = values_.real(at(row, 2)), height = values_.real(at(row, 3));
        if (level_.grid_width != 0) {
            const float column = static_cast<float>(row % level_.grid_width), line = static_cast<float>(row / level_.grid_width);
            return box_of((column + x) * level_.stride, (line + y) * level_.stride,
                          std::exp(std::min(width, longest)) * level_.stride,
                          std::exp(std::min(height, longest)) * level_.stride);
        }
        const bool normalized = artifact_.decoding.normalized;
        const float across = normalized ? static_cast<float>(artifact_.preprocessing.width) : 1.0F;
        const float down = normalized ? static_cast<float>(artifact_.preprocessing.height) : 1.0F;
        return box_of(x * across, y * down, width * across, height * down);
    }

    const Artifact &artifact_;
    const Level &level_;
    Values values_;
    bool objectness_;
};

void post_processed(const Artifact &artifact, const std::vector<Tensor> &outputs, std::vector<ev_box> &found)
{
    const Decoding &decoding = artifact.decoding;
    const auto values = [&](size_t i) { return Values(artifact.outputs[decoding.places[i]], outputs[decoding.places[i]]); };
    const Values boxes = values(0), classes = values(1), scores = values(2), count = values(3);
    if (count.count() != 1 || classes.count() != scores.count() || boxes.count() != 4 * scores.count()) {
        throw Error(EV_ERROR_RUNTIME, "decoder tflite_detection_postprocess: outputs of another kind of model: got boxes "
                                          + shown(boxes.shape()) + ", scores " + shown(scores.shape()));
    }
    const float width = static_cast<float>(artifact.preprocessing.width);
    const float height = static_cast<float>(artifact.preprocessing.height);
    const float given = count.real(0);
    if (!(given >= 0.0F && given <= static_cast<float>(scores.count()))) {
        throw Error(EV_ERROR_RUNTIME, "decoder tflite_detection_postprocess: count: got " + std::to_string(given)
                                          + "; allowed: 0 to " + std::to_string(scores.count()));
    }
    const size_t rows = static_cast<size_t>(given);
    for (size_t i = 0; i < rows; i++) {
        const float score = number(scores.real(i), decoding.decoder);
        if (score >= decoding.score_threshold) {
            const double index = std::rint(static_cast<double>(classes.real(i))) - static_cast<double>(decoding.first_class);
            if (!(index >= 0.0 && index <= std::numeric_limits<int32_t>::max())) {  // NaN is not
                throw Error(EV_ERROR_RUNTIME, "decoder tflite_detection_postprocess: class: got "
                                                  + std::to_string(classes.real(i)) + "; allowed: the first class, "
                                                  + std::to_string(decoding.first_class) + ", or higher");
            }
            found.push_back({boxes.real(4 * i + 1) * width, boxes.real(4 * i) * height, boxes.real(4 * i + 3) * width,
                             boxes.real(4 * i + 2) * height, score, static_cast<int32_t>(index), nullptr});
        }
    }
}

}  // namespace

std::vector<ev_box> candidates(const Artifact &artifact, const std::vector<Tensor> &outputs)
{
    std::vector<ev_box> found;
    if (artifact.decoding.decoder == "tflite_detection_postprocess") {
        post_processed(artifact, outputs, found);
        return found;
    }
    for (const Level &level : artifact.decoding.levels) {
        const Tensor &output = outputs[level.output];
        if (elements(output.shape) != elements(artifact.outputs[level.output].shape)) {
            throw Error(EV_ERROR_RUNTIME, "decoder " + artifact.decoding.decoder + ": an output of "
                                              + shown(output.shape));
        }
        Rows(artifact, level, output).candidates(found);
    }
    return found;
}

}  // namespace ev
