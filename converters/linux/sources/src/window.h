// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. How long a stage took, the last times that it ran.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ev.h"

namespace ev {

class Window {
public:
    void add(int64_t nanoseconds)
    {
        if (last_.size() < size) {
            last_.push_back(nanoseconds);
        } else {
            last_[count_ % size] = nanoseconds;
        }
        count_++;
    }

    uint64_t count() const { return count_; }

    // The smallest that so many of 100 do not exceed; 0 while there are none.
    int64_t percentile(size_t hundredths) const
    {
        if (last_.empty()) {
            return 0;
        }
        std::vector<int64_t> sorted = last_;
        const size_t place = (hundredths * sorted.size() + 99) / 100 - 1;
        std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(place), sorted.end());
        return sorted[place];
    }

    ev_stage stage() const
    {
        return {count_, static_cast<double>(percentile(50)) / 1e6, static_cast<double>(percentile(95)) / 1e6};
    }

private:
    static constexpr size_t size = 256;
    std::vector<int64_t> last_;
    uint64_t count_ = 0;
};

}  // namespace ev
