// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. Tensors as the artifact's manifest states them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ev.h"

namespace ev {

struct Spec {
    std::string name;
    ev_dtype dtype = EV_FLOAT32;
    std::vector<int64_t> shape;  // -1 where an axis is open
    bool quantized = false;
    double scale = 1.0;
    int64_t zero_point = 0;
};

struct Tensor {
    std::vector<int64_t> shape;
    std::vector<uint8_t> data;
};

size_t item_bytes(ev_dtype dtype);
const char *dtype_name(ev_dtype dtype);
ev_dtype dtype_of(const std::string &name);  // Error for an unknown one
bool is_integer(ev_dtype dtype);
size_t elements(const std::vector<int64_t> &shape);
std::string shown(const std::vector<int64_t> &shape);
bool fits(const std::vector<int64_t> &stated, const std::vector<int64_t> &found);

// Stored values of one output, and the way to real ones.
class Values {
public:
    Values(const Spec &spec, const Tensor &tensor) : spec_(&spec), tensor_(&tensor) {}
    size_t count() const;
    // What orders values as their real ones are ordered: NaN stays NaN.
    double stored(size_t index) const;
    // scale · (stored - zero point) in float64, then float32, as edgevision.tensors.dequantize computes it.
    float real(size_t index) const;
    const std::vector<int64_t> &shape() const { return tensor_->shape; }
    const Spec &spec() const { return *spec_; }

private:
    const Spec *spec_;
    const Tensor *tensor_;
};

}  // namespace ev
