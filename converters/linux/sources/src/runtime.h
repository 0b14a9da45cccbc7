// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. What computes the model. One implementation is built: CMake chooses it.
#pragma once

#include <memory>
#include <vector>

#include "artifact.h"

namespace ev {

class Runtime {
public:
    virtual ~Runtime() = default;
    Runtime(const Runtime &) = delete;
    Runtime &operator=(const Runtime &) = delete;
    // The input's bytes: written by the caller before each infer.
    std::vector<uint8_t> &input() { return input_; }
    // Run once; outputs in the artifact's order, their shapes and bytes replaced. Error EV_ERROR_RUNTIME.
    virtual void infer(std::vector<Tensor> &outputs) = 0;

protected:
    explicit Runtime(const Artifact &artifact)
        : input_(elements(artifact.input.shape) * item_bytes(artifact.input.dtype))
    {
    }

private:
    std::vector<uint8_t> input_;
};

extern const char *const runtime_name;  // of this build, as ev.conf has it

std::unique_ptr<Runtime> make_runtime(const Artifact &artifact, const ev_options &options);

}  // namespace ev
