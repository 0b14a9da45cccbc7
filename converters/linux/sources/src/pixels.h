// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. Pixels of a picture as red, green and blue: edgevision.frames, bit for bit.
#pragma once

#include "frame.h"

namespace ev {

// Write `width` pixels of row `y` from column `left` on to `rgb`, three bytes each.
void read_rgb(const Picture &picture, size_t y, size_t left, size_t width, uint8_t *rgb);

}  // namespace ev
