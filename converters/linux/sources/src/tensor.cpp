// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit.
#include "tensor.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "error.h"

namespace ev {

namespace {

struct Kind {
    ev_dtype dtype;
    const char *name;
    size_t bytes;
};

constexpr Kind kinds[] = {
    {EV_FLOAT32, "float32", 4}, {EV_FLOAT16, "float16", 2}, {EV_FLOAT64, "float64", 8}, {EV_INT8, "int8", 1},
    {EV_UINT8, "uint8", 1},     {EV_INT16, "int16", 2},     {EV_UINT16, "uint16", 2},   {EV_INT32, "int32", 4},
    {EV_UINT32, "uint32", 4},   {EV_INT64, "int64", 8},
};

const Kind &kind(ev_dtype dtype)
{
    for (const Kind &entry : kinds) {
        if (entry.dtype == dtype) {
            return entry;
        }
    }
    throw Error(EV_ERROR_INTERNAL, "a dtype that does not exist");
}

template <typename T>
double at(const uint8_t *data, size_t index)
{
    T value;
    std::memcpy(&value, data + index * sizeof(T), sizeof(T));
    return static_cast<double>(value);
}

double half(const uint8_t *data, size_t index)
{
    uint16_t bits;
    std::memcpy(&bits, data + index * 2, 2);
    const int exponent = (bits >> 10) & 31;
    const double fraction = (bits & 1023) / 1024.0;
    double size = exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1.0 + fraction, exponent - 15);
    if (exponent == 31) {
        size = (bits & 1023) != 0 ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
    }
    return (bits & 0x8000) != 0 ? -size : size;
}

}  // namespace

size_t item_bytes(ev_dtype dtype) { return kind(dtype).bytes; }

const char *dtype_name(ev_dtype dtype) { return kind(dtype).name; }

ev_dtype dtype_of(const std::string &name)
{
    for (const Kind &entry : kinds) {
        if (name == entry.name) {
            return entry.dtype;
        }
    }
    throw Error(EV_ERROR_MODEL, "ev.conf: an unknown dtype: got " + name);
}

bool is_integer(ev_dtype dtype) { return dtype != EV_FLOAT32 && dtype != EV_FLOAT16 && dtype != EV_FLOAT64; }

size_t elements(const std::vector<int64_t> &shape)
{
    size_t count = 1;
    for (const int64_t length : shape) {
        count *= static_cast<size_t>(length < 0 ? 0 : length);
    }
    return count;
}

std::string shown(const std::vector<int64_t> &shape)
{
    std::string text = "[";
    for (size_t i = 0; i < shape.size(); i++) {
        text += (i != 0 ? ", " : "") + (shape[i] < 0 ? std::string("any") : std::to_string(shape[i]));
    }
    return text + "]";
}

bool fits(const std::vector<int64_t> &stated, const std::vector<int64_t> &found)
{
    bool same = stated.size() == found.size();
    for (size_t i = 0; same && i < stated.size(); i++) {
        same = stated[i] < 0 || found[i] < 0 || stated[i] == found[i];
    }
    return same;
}

size_t Values::count() const { return tensor_->data.size() / item_bytes(spec_->dtype); }

double Values::stored(size_t index) const
{
    const uint8_t *data = tensor_->data.data();
    switch (spec_->dtype) {
    case EV_FLOAT32: return at<float>(data, index);
    case EV_FLOAT16: return half(data, index);
    case EV_FLOAT64: return at<double>(data, index);
    case EV_INT8: return at<int8_t>(data, index);
    case EV_UINT8: return at<uint8_t>(data, index);
    case EV_INT16: return at<int16_t>(data, index);
    case EV_UINT16: return at<uint16_t>(data, index);
    case EV_INT32: return at<int32_t>(data, index);
    case EV_UINT32: return at<uint32_t>(data, index);
    case EV_INT64: return at<int64_t>(data, index);
    }
    throw Error(EV_ERROR_INTERNAL, "a dtype that does not exist");
}

float Values::real(size_t index) const
{
    const double value = stored(index);
    return static_cast<float>(spec_->quantized ? (value - static_cast<double>(spec_->zero_point)) * spec_->scale : value);
}

}  // namespace ev
