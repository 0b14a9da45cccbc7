// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. What outputs mean: edgevision.tasks, in float32 as there.
#pragma once

#include <vector>

#include "artifact.h"
#include "resize.h"

namespace ev {

struct Answer {
    std::vector<Tensor> outputs;
    std::vector<ev_class> classes;
    std::vector<ev_box> boxes;
};

// Fill classes or boxes, as the artifact's task is. Error EV_ERROR_RUNTIME for outputs that are no numbers.
void decode(const Artifact &artifact, const Geometry &geometry, uint32_t width, uint32_t height, size_t top_k,
            Answer &answer);

void classify(const Artifact &artifact, size_t top_k, Answer &answer);

// Boxes in pixels of the model's input, in no order.
std::vector<ev_box> candidates(const Artifact &artifact, const std::vector<Tensor> &outputs);

// Greedy non-maximum suppression, best first.
std::vector<ev_box> suppressed(std::vector<ev_box> boxes, const Decoding &decoding);

}  // namespace ev
