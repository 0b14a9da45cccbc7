// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. OpenVINO's C runtime.
#include <openvino/c/openvino.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string>
#include <utility>

#include "error.h"
#include "runtime.h"

namespace ev {

const char *const runtime_name = "openvino";

namespace {

void check(ov_status_e status, const std::string &what)
{
    if (status == OK) {
        return;
    }
    // Of a failure in its C layer itself the library has no message of its own, but an old one.
    const bool own = status <= INVALID_C_PARAM && status != UNKNOW_EXCEPTION;
    const char *said = own ? nullptr : ov_get_last_err_msg();
    std::string text = said != nullptr && *said != '\0' ? said : ov_get_error_info(status);
    if (said != nullptr) {
        ov_free(said);
    }
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
        text.pop_back();
    }
    std::replace(text.begin(), text.end(), '\n', ' ');
    throw Error(EV_ERROR_RUNTIME, "openvino: " + what + ": " + text);
}

template <typename T, void (*release)(T *)>
struct Handle {
    T *get = nullptr;
    Handle() = default;
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle() { reset(); }
    T **fresh()
    {
        reset();
        return &get;
    }
    void reset()
    {
        if (get != nullptr) {
            release(std::exchange(get, nullptr));
        }
    }
};

using Core = Handle<ov_core_t, ov_core_free>;
using Model = Handle<ov_model_t, ov_model_free>;
using Compiled = Handle<ov_compiled_model_t, ov_compiled_model_free>;
using Request = Handle<ov_infer_request_t, ov_infer_request_free>;
using TensorHandle = Handle<ov_tensor_t, ov_tensor_free>;
using Port = Handle<ov_output_const_port_t, ov_output_const_port_free>;

ov_element_type_e element_of(ev_dtype dtype)
{
    switch (dtype) {
    case EV_FLOAT32: return F32;
    case EV_FLOAT16: return F16;
    case EV_FLOAT64: return F64;
    case EV_INT8: return I8;
    case EV_UINT8: return U8;
    case EV_INT16: return I16;
    case EV_UINT16: return U16;
    case EV_INT32: return I32;
    case EV_UINT32: return U32;
    case EV_INT64: return I64;
    }
    return DYNAMIC;
}

std::vector<int64_t> shape_of(const ov_tensor_t *tensor)
{
    ov_shape_t shape{};
    check(ov_tensor_get_shape(tensor, &shape), "the shape of an output");
    std::vector<int64_t> found(shape.dims, shape.dims + shape.rank);
    ov_shape_free(&shape);
    return found;
}

void check_kind(const ov_output_const_port_t *port, const Spec &spec)
{
    ov_element_type_e found = DYNAMIC;
    check(ov_port_get_element_type(port, &found), "the type of a tensor");
    if (found != element_of(spec.dtype)) {
        throw Error(EV_ERROR_MODEL, "the model file and ev.conf disagree on the type of " + spec.name);
    }
}

class OpenVINO : public Runtime {
public:
    OpenVINO(const Artifact &artifact, const ev_options &options) : Runtime(artifact), outputs_(artifact.outputs)
    {
        check(ov_core_create(core_.fresh()), "it does not start");
        Model model;
        check(ov_core_read_model(core_.get, artifact.path(artifact.model).c_str(), nullptr, model.fresh()),
              artifact.model + " is refused");
        fix_input(model, artifact.input);
        find_outputs(model);
        compile(model, artifact, options);
        check(ov_compiled_model_create_infer_request(compiled_.get, request_.fresh()), "no request");
        bind_input(artifact.input);
    }

    void infer(std::vector<Tensor> &outputs) override
    {
        check(ov_infer_request_infer(request_.get), "it failed on a frame");
        outputs.resize(outputs_.size());
        for (size_t i = 0; i < outputs_.size(); i++) {
            TensorHandle tensor;
            check(ov_infer_request_get_output_tensor_by_index(request_.get, places_[i], tensor.fresh()), "an output");
            outputs[i].shape = shape_of(tensor.get);
            if (!fits(outputs_[i].shape, outputs[i].shape)) {
                throw Error(EV_ERROR_RUNTIME, "openvino: output " + outputs_[i].name + ": got "
                                                  + shown(outputs[i].shape) + "; allowed: " + shown(outputs_[i].shape));
            }
            outputs[i].data.resize(elements(outputs[i].shape) * item_bytes(outputs_[i].dtype));
            void *data = nullptr;
            if (!outputs[i].data.empty()) {
                check(ov_tensor_data(tensor.get, &data), "the values of an output");
                std::memcpy(outputs[i].data.data(), data, outputs[i].data.size());
            }
        }
    }

private:
    static void fix_input(const Model &model, const Spec &spec)
    {
        size_t count = 0;
        check(ov_model_inputs_size(model.get, &count), "the inputs");
        if (count != 1) {
            throw Error(EV_ERROR_MODEL, "the model has " + std::to_string(count) + " inputs; allowed: 1");
        }
        Port port;
        check(ov_model_const_input_by_index(model.get, 0, port.fresh()), "the input");
        check_kind(port.get, spec);
        if (ov_model_is_dynamic(model.get)) {
            ov_partial_shape_t wanted{};
            check(ov_partial_shape_create_static(static_cast<int64_t>(spec.shape.size()), spec.shape.data(), &wanted),
                  "the input's shape");
            const ov_status_e status = ov_model_reshape_single_input(model.get, wanted);
            ov_partial_shape_free(&wanted);
            check(status, "an input of " + shown(spec.shape) + " is refused");
        }
    }

    // By name where the model knows all of them, else by position: as edgevision's runtimes pair them.
    void find_outputs(const Model &model)
    {
        size_t count = 0;
        check(ov_model_outputs_size(model.get, &count), "the outputs");
        if (count != outputs_.size()) {
            throw Error(EV_ERROR_MODEL, "the model has " + std::to_string(count) + " outputs; ev.conf has "
                                            + std::to_string(outputs_.size()));
        }
        for (const Spec &spec : outputs_) {
            places_.push_back(position(model, spec.name, count));
        }
        std::vector<size_t> sorted = places_;
        std::sort(sorted.begin(), sorted.end());
        const bool named = sorted.back() < count && std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
        for (size_t i = 0; i < count; i++) {
            places_[i] = named ? places_[i] : i;
            Port port;
            check(ov_model_const_output_by_index(model.get, places_[i], port.fresh()), "an output");
            check_kind(port.get, outputs_[i]);
        }
    }

    static size_t position(const Model &model, const std::string &name, size_t count)
    {
        Port named;
        if (ov_model_const_output_by_name(model.get, name.c_str(), named.fresh()) != OK) {
            return count;
        }
        char *wanted = nullptr;
        check(ov_port_get_any_name(named.get, &wanted), "the name of an output");
        const std::string any = wanted;
        ov_free(wanted);
        for (size_t i = 0; i < count; i++) {
            Port port;
            char *found = nullptr;
            check(ov_model_const_output_by_index(model.get, i, port.fresh()), "an output");
            if (ov_port_get_any_name(port.get, &found) == OK) {
                const bool same = any == found;
                ov_free(found);
                if (same) {
                    return i;
                }
            }
        }
        return count;
    }

    void compile(const Model &model, const Artifact &artifact, const ev_options &options)
    {
        const std::string device = options.device != nullptr ? options.device : "CPU";
        std::vector<std::pair<std::string, std::string>> settings;
        if (device == "CPU") {
            // The numerics that the artifact was verified with; one stream, because frames come one after another.
            settings = {{"INFERENCE_PRECISION_HINT", "f32"}, {"INFERENCE_NUM_THREADS", std::to_string(std::max(1, options.threads))},
                        {"ENABLE_CPU_PINNING", "NO"}, {"NUM_STREAMS", "1"}};
            settings.insert(settings.end(), artifact.properties.begin(), artifact.properties.end());
        }
        // The library takes so many names and values as it is told, one after another.
        const char *words[16] = {};
        size_t count = 0;
        for (const auto &setting : settings) {
            if (count + 2 > sizeof words / sizeof words[0]) {
                throw Error(EV_ERROR_MODEL, "ev.conf: more properties than there is room for");
            }
            words[count++] = setting.first.c_str();
            words[count++] = setting.second.c_str();
        }
        check(ov_core_compile_model(core_.get, model.get, device.c_str(), count, compiled_.fresh(), words[0], words[1],
                                    words[2], words[3], words[4], words[5], words[6], words[7], words[8], words[9],
                                    words[10], words[11], words[12], words[13], words[14], words[15]),
              artifact.model + " is refused on " + device);
    }

    void bind_input(const Spec &spec)
    {
        std::vector<int64_t> lengths = spec.shape;
        const ov_shape_t shape{static_cast<int64_t>(lengths.size()), lengths.data()};
        check(ov_tensor_create_from_host_ptr(element_of(spec.dtype), shape, input().data(), tensor_.fresh()), "the input");
        check(ov_infer_request_set_input_tensor_by_index(request_.get, 0, tensor_.get), "the input");
    }

    const std::vector<Spec> &outputs_;
    std::vector<size_t> places_;  // of the outputs, in the model file
    Core core_;
    Compiled compiled_;
    TensorHandle tensor_;
    Request request_;  // freed first
};

}  // namespace

std::unique_ptr<Runtime> make_runtime(const Artifact &artifact, const ev_options &options)
{
    return std::make_unique<OpenVINO>(artifact, options);
}

}  // namespace ev
