// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. A plane in a dmabuf, mapped for reading.
#pragma once

#include "ev.h"

namespace ev {

// Mapped, and the cache told that the processor reads, as long as this lives.
class Mapping {
public:
    Mapping(const ev_plane &plane, size_t number);  // Error EV_ERROR_DMABUF or EV_ERROR_BYTES
    ~Mapping();
    Mapping(const Mapping &) = delete;
    Mapping &operator=(const Mapping &) = delete;
    const uint8_t *data() const { return data_; }

private:
    int fd_;
    void *start_ = nullptr;
    size_t length_ = 0;
    const uint8_t *data_ = nullptr;
};

}  // namespace ev
