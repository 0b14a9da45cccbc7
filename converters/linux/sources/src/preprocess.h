// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. A picture to the model's input, as edgevision.preprocessing has it.
#pragma once

#include "artifact.h"
#include "resize.h"

namespace ev {

class Preprocessor {
public:
    explicit Preprocessor(const Artifact &artifact);
    // Write the input, every byte of it, and say where its pixels lie in the picture.
    Geometry operator()(const Picture &picture, std::vector<uint8_t> &input);

private:
    const Preprocessing &wanted_;
    size_t item_;
    size_t row_step_;
    size_t column_step_;
    size_t channel_step_;
    std::vector<uint8_t> image_;  // the resized picture, three bytes a pixel
};

}  // namespace ev
