// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. SHA-256 (FIPS 180-4): whether a file is the one that the manifest is about.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ev {

std::string sha256(const std::vector<uint8_t> &bytes);  // in hex

}  // namespace ev
