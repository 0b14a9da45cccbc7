// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "error.h"
#include "results.h"

namespace ev {

namespace {

// exp(x) / Σ exp(x), in float64, without overflow.
void softmax(std::vector<double> &values)
{
    const double largest = *std::max_element(values.begin(), values.end());
    double sum = 0.0;
    for (double &value : values) {
        value = std::exp(value - largest);
        sum += value;
    }
    for (double &value : values) {
        value /= sum;
    }
}

}  // namespace

void classify(const Artifact &artifact, size_t top_k, Answer &answer)
{
    const Values scores(artifact.outputs[0], answer.outputs[0]);
    std::vector<double> stored, real;
    for (size_t i = 0; i < scores.count(); i++) {
        stored.push_back(scores.stored(i));
        real.push_back(scores.real(i));
        if (std::isnan(stored.back())) {
            throw Error(EV_ERROR_RUNTIME, "output " + scores.spec().name + ": scores are NaN");
        }
    }
    if (artifact.activation == "logits" && !real.empty()) {
        softmax(real);
    }
    std::vector<size_t> order(stored.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return stored[a] > stored[b]; });
    order.resize(std::min(order.size(), top_k));
    answer.classes.clear();
    for (const size_t index : order) {
        answer.classes.push_back({static_cast<int32_t>(index), static_cast<float>(real[index]),
                                  artifact.label(static_cast<int64_t>(index))});
    }
}

}  // namespace ev
