// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. Boxes: suppression, and back to the frame.
#include <algorithm>

#include "error.h"
#include "results.h"

namespace ev {

namespace {

float area(const ev_box &box) { return std::max(box.x2 - box.x1, 0.0F) * std::max(box.y2 - box.y1, 0.0F); }

float overlap(const ev_box &a, const ev_box &b)
{
    const float width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
    const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
    const float shared = std::max(width, 0.0F) * std::max(height, 0.0F);
    const float together = area(a) + area(b) - shared;
    return together > 0.0F ? shared / together : 0.0F;
}

float to_frame(float value, double scale, double offset, double limit)
{
    return static_cast<float>(std::clamp((static_cast<double>(value) - offset) / scale, 0.0, limit));
}

}  // namespace

std::vector<ev_box> suppressed(std::vector<ev_box> boxes, const Decoding &decoding)
{
    std::stable_sort(boxes.begin(), boxes.end(), [](const ev_box &a, const ev_box &b) { return a.score > b.score; });
    std::vector<ev_box> kept;
    for (const ev_box &box : boxes) {
        if (kept.size() >= decoding.max_detections) {
            break;
        }
        const bool stays = decoding.iou_threshold >= 1.0F
                           || std::none_of(kept.begin(), kept.end(), [&](const ev_box &better) {
                                  return (decoding.class_agnostic || better.index == box.index)
                                         && overlap(box, better) > decoding.iou_threshold;
                              });
        if (stays) {
            kept.push_back(box);
        }
    }
    return kept;
}

void decode(const Artifact &artifact, const Geometry &geometry, uint32_t width, uint32_t height, size_t top_k,
            Answer &answer)
{
    if (artifact.task == "classification") {
        classify(artifact, top_k, answer);
        return;
    }
    answer.boxes.clear();
    for (ev_box box : suppressed(candidates(artifact, answer.outputs), artifact.decoding)) {
        box.x1 = to_frame(box.x1, geometry.scale_x, geometry.offset_x, width);
        box.x2 = to_frame(box.x2, geometry.scale_x, geometry.offset_x, width);
        box.y1 = to_frame(box.y1, geometry.scale_y, geometry.offset_y, height);
        box.y2 = to_frame(box.y2, geometry.scale_y, geometry.offset_y, height);
        box.label = artifact.label(box.index);
        if (area(box) > 0.0F) {
            answer.boxes.push_back(box);
        }
    }
}

}  // namespace ev
