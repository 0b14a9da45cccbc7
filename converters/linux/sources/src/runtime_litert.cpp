// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. LiteRT's C library.
#include <cstring>
#include <string>
#include <utility>

#include "error.h"
#include "litert.h"
#include "runtime.h"

namespace ev {

const char *const runtime_name = "litert";

namespace {

void check(LiteRtStatus status, const std::string &what)
{
    if (status != kLiteRtStatusOk) {
        throw Error(EV_ERROR_RUNTIME, "litert: " + what + ": status " + std::to_string(status));
    }
}

template <typename T, void (*release)(T)>
struct Handle {
    T get = nullptr;
    Handle() = default;
    Handle(Handle &&other) noexcept : get(std::exchange(other.get, nullptr)) {}
    ~Handle()
    {
        if (get != nullptr) {
            release(get);
        }
    }
};

using Buffer = Handle<LiteRtTensorBuffer, LiteRtDestroyTensorBuffer>;

// A buffer's memory, as long as this lives.
class Locked {
public:
    Locked(const Buffer &buffer, int mode) : buffer_(buffer.get)
    {
        check(LiteRtLockTensorBuffer(buffer_, &data, mode), "a tensor's memory");
    }
    ~Locked() { LiteRtUnlockTensorBuffer(buffer_); }
    Locked(const Locked &) = delete;
    Locked &operator=(const Locked &) = delete;
    void *data = nullptr;

private:
    LiteRtTensorBuffer buffer_;
};

int element_of(ev_dtype dtype)
{
    switch (dtype) {
    case EV_FLOAT32: return 1;
    case EV_INT32: return 2;
    case EV_UINT8: return 3;
    case EV_INT64: return 4;
    case EV_INT16: return 7;
    case EV_INT8: return 9;
    case EV_FLOAT16: return 10;
    case EV_FLOAT64: return 11;
    case EV_UINT32: return 16;
    case EV_UINT16: return 17;
    }
    return 0;
}

std::vector<int64_t> lengths(const LiteRtRankedTensorType &type)
{
    return {type.layout.dimensions, type.layout.dimensions + type.layout.rank};
}

class LiteRT : public Runtime {
public:
    LiteRT(const Artifact &artifact, const ev_options &options) : Runtime(artifact), specs_(artifact.outputs)
    {
        if (options.device != nullptr || options.threads != 0) {
            throw Error(EV_ERROR_ARGUMENT, "litert: device and threads: allowed: NULL and 0, its own choice");
        }
        check(LiteRtCreateEnvironment(0, nullptr, &environment_.get), "it does not start");
        check(LiteRtCreateModelFromFile(environment_.get, artifact.path(artifact.model).c_str(), &model_.get),
              artifact.model + " is refused");
        Handle<LiteRtOptions, LiteRtDestroyOptions> settings;
        check(LiteRtCreateOptions(&settings.get), "its options");
        check(LiteRtSetOptionsHardwareAccelerators(settings.get, kLiteRtHwAcceleratorCpu), "its options");
        check(LiteRtCreateCompiledModel(environment_.get, model_.get, settings.get, &compiled_.get),
              artifact.model + " is refused");
        check(LiteRtGetModelSignature(model_.get, 0, &signature_), "the model's signature");
        make_input(artifact.input);
        make_outputs();
    }

    void infer(std::vector<Tensor> &outputs) override
    {
        {
            const Locked memory(in_, kLiteRtTensorBufferLockModeWrite);
            std::memcpy(memory.data, input().data(), input().size());
        }
        std::vector<LiteRtTensorBuffer> buffers;
        for (const Buffer &buffer : out_) {
            buffers.push_back(buffer.get);
        }
        check(LiteRtRunCompiledModel(compiled_.get, 0, 1, &in_.get, buffers.size(), buffers.data()), "it failed on a frame");
        outputs.resize(specs_.size());
        for (size_t i = 0; i < specs_.size(); i++) {
            const Locked memory(out_[places_[i]], kLiteRtTensorBufferLockModeRead);
            outputs[i].shape = shapes_[places_[i]];
            outputs[i].data.resize(elements(outputs[i].shape) * item_bytes(specs_[i].dtype));
            std::memcpy(outputs[i].data.data(), memory.data, outputs[i].data.size());
        }
    }

private:
    void make_input(const Spec &spec)
    {
        size_t count = 0;
        LiteRtTensor tensor = nullptr;
        LiteRtRankedTensorType type{};
        check(LiteRtGetNumSignatureInputs(signature_, &count), "the inputs");
        check(LiteRtGetSignatureInputTensorByIndex(signature_, 0, &tensor), "the input");
        check(LiteRtGetRankedTensorType(tensor, &type), "the input");
        if (count != 1 || type.element_type != element_of(spec.dtype) || lengths(type) != spec.shape) {
            throw Error(EV_ERROR_MODEL, "the model file and ev.conf disagree on the input: got " + shown(lengths(type))
                                            + "; allowed: " + dtype_name(spec.dtype) + " " + shown(spec.shape));
        }
        LiteRtTensorBufferRequirements wanted = nullptr;
        check(LiteRtGetCompiledModelInputBufferRequirements(compiled_.get, 0, 0, &wanted), "the input");
        check(LiteRtCreateManagedTensorBufferFromRequirements(environment_.get, &type, wanted, &in_.get), "the input");
        size_t bytes = 0;
        check(LiteRtGetTensorBufferPackedSize(in_.get, &bytes), "the input");
        if (bytes != input().size()) {
            throw Error(EV_ERROR_RUNTIME, "litert: the input has " + std::to_string(bytes) + " bytes");
        }
    }

    // The signature has outputs in an order of its own: they are found by name where it knows all, else by position.
    void make_outputs()
    {
        size_t count = 0;
        check(LiteRtGetNumSignatureOutputs(signature_, &count), "the outputs");
        if (count != specs_.size()) {
            throw Error(EV_ERROR_MODEL, "the model has " + std::to_string(count) + " outputs; ev.conf has "
                                            + std::to_string(specs_.size()));
        }
        std::vector<std::string> names;
        std::vector<LiteRtLayout> layouts(count);  // what operators made of them: files leave some open
        check(LiteRtGetCompiledModelOutputTensorLayouts(compiled_.get, 0, count, layouts.data(), true), "the outputs");
        for (size_t i = 0; i < count; i++) {
            LiteRtTensor tensor = nullptr;
            LiteRtRankedTensorType type{};
            LiteRtTensorBufferRequirements wanted = nullptr;
            const char *name = nullptr;
            check(LiteRtGetSignatureOutputTensorByIndex(signature_, i, &tensor), "an output");
            check(LiteRtGetRankedTensorType(tensor, &type), "an output");
            type.layout = layouts[i];
            check(LiteRtGetCompiledModelOutputBufferRequirements(compiled_.get, 0, i, &wanted), "an output");
            Buffer buffer;
            check(LiteRtCreateManagedTensorBufferFromRequirements(environment_.get, &type, wanted, &buffer.get),
                  "an output");
            out_.push_back(std::move(buffer));
            shapes_.push_back(lengths(type));
            kinds_.push_back(type.element_type);
            names.emplace_back(LiteRtGetTensorName(tensor, &name) == kLiteRtStatusOk && name != nullptr ? name : "");
        }
        pair(names);
    }

    void pair(const std::vector<std::string> &names)
    {
        bool all = true;
        for (const Spec &spec : specs_) {
            size_t place = 0;
            while (place < names.size() && names[place] != spec.name) {
                place++;
            }
            all = all && place < names.size();
            places_.push_back(place);
        }
        for (size_t i = 0; i < specs_.size(); i++) {
            places_[i] = all ? places_[i] : i;
            const std::vector<int64_t> &found = shapes_[places_[i]];
            if (!fits(specs_[i].shape, found) || kinds_[places_[i]] != element_of(specs_[i].dtype)) {
                throw Error(EV_ERROR_MODEL, "the model file and ev.conf disagree on output " + specs_[i].name + ": got "
                                                + shown(found) + "; allowed: " + dtype_name(specs_[i].dtype) + " "
                                                + shown(specs_[i].shape));
            }
        }
    }

    const std::vector<Spec> &specs_;
    Handle<LiteRtEnvironment, LiteRtDestroyEnvironment> environment_;
    Handle<LiteRtModel, LiteRtDestroyModel> model_;
    Handle<LiteRtCompiledModel, LiteRtDestroyCompiledModel> compiled_;
    LiteRtSignature signature_ = nullptr;  // the model's
    Buffer in_;
    std::vector<Buffer> out_;
    std::vector<std::vector<int64_t>> shapes_;
    std::vector<int> kinds_;
    std::vector<size_t> places_;
};

}  // namespace

std::unique_ptr<Runtime> make_runtime(const Artifact &artifact, const ev_options &options)
{
    return std::make_unique<LiteRT>(artifact, options);
}

}  // namespace ev
