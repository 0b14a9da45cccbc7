// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. A frame of the caller, checked, and copied to memory of ours.
#pragma once

#include <vector>

#include "ev.h"

namespace ev {

struct Plane {
    size_t offset = 0;  // in Picture::bytes
    size_t stride = 0;
};

// Pixels of one frame. Rows lie as densely as they can; buffers are used again.
struct Picture {
    ev_format format = EV_GRAY8;
    ev_encoding encoding = EV_ENCODING_NONE;
    uint32_t width = 0;
    uint32_t height = 0;
    Plane planes[3];
    std::vector<uint8_t> bytes;

    const uint8_t *row(size_t plane, size_t y) const { return bytes.data() + planes[plane].offset + y * planes[plane].stride; }
};

// Error where the frame is not what its format wants; `picture` is unchanged then, or half filled and not to be used.
void copy_frame(const ev_frame &frame, Picture &picture);

}  // namespace ev
