"""Quantization of float TFLite files, of Keras models by way of them, and what the made files really hold."""

from dataclasses import replace

import numpy as np
import pytest

from edgevision.calibration import CalibrationDataset
from edgevision.converters import convert
from edgevision.converters.formats import FORMATS, Request
from edgevision.converters.ranges import METHODS
from edgevision.converters.tflite_file import TFLiteFile
from edgevision.converters.tflite_quantizer import layer_names, quantize_file, quantize_tflite
from edgevision.errors import BackendUnavailableError, CalibrationError, ConfigError, ConversionError
from edgevision.runtimes import load
from edgevision.tensors import dequantize, quantize

pytest.importorskip("ai_edge_quantizer", reason="the extra compress is not installed")


def answers(artifact, inputs):
    with load(artifact, runtime="tflite") as model:
        spec, output = model.inputs[0], model.outputs[0]
        stored = [x[None] if spec.quant is None else quantize(x[None], spec) for x in inputs]
        found = np.concatenate([model.infer([x])[0] for x in stored])
    return found if output.quant is None else dequantize(found, output)


def interpreter_of(content, **options):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kernels, **options)
    interpreter.allocate_tensors()
    return interpreter


def tensors(content):
    """Name -> dtype and number of scales."""
    details = interpreter_of(content).get_tensor_details()
    return {d["name"]: (np.dtype(d["dtype"]).name, len(d["quantization_parameters"]["scales"])) for d in details}


def run(content, inputs):
    interpreter = interpreter_of(content)
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    results = []
    for x in inputs:
        scale, zero = taken["quantization"]
        stored = np.clip(np.rint(x[None] / scale) + zero, -32768 if zero == 0 else -128, 32767) if scale else x[None]
        interpreter.set_tensor(taken["index"], stored.astype(taken["dtype"]))
        interpreter.invoke()
        scale, zero = given["quantization"]
        found = interpreter.get_tensor(given["index"])[0].astype(np.float32)
        results.append((found - zero) * scale if scale else found)
    return np.stack(results)


@pytest.fixture(scope="module")
def floating(small, tmp_path_factory):
    """The small network as a float file."""
    return convert(small, tmp_path_factory.mktemp("float")).artifact.model_file.read_bytes()


@pytest.fixture(scope="module")
def request_for(calibration):
    def make(scheme="static_wi8_ai8", granularity="per_channel", io_dtype=None, **options):
        first = FORMATS["tflite"].io_dtypes.get(scheme, ("float32",))[0]
        options = {"calibration": calibration, **options}
        return Request(scheme, granularity, io_dtype or first, batch=1, **options)

    return make


COMBINATIONS = [
    (scheme, granularity, dtype)
    for scheme in FORMATS["tflite"].schemes
    if scheme != "float32"
    for granularity in (FORMATS["tflite"].granularities if "8" in scheme else ("per_channel",))
    for dtype in FORMATS["tflite"].io_dtypes.get(scheme, ("float32",))
]


@pytest.mark.parametrize(("scheme", "granularity", "dtype"), COMBINATIONS)
def test_a_file_gets_the_numbers_that_were_asked_for(scheme, granularity, dtype, floating, request_for, small, inputs):
    content = quantize_tflite(floating, request_for(scheme, granularity, dtype))
    file = TFLiteFile(content)
    (image,), (output,) = file.inputs, file.outputs
    assert (image.name, image.dtype, output.name, output.dtype) == ("image", dtype, "probabilities", dtype)
    weighted = [operator for operator in file.operators if operator.weights]
    found = tensors(content)
    if scheme == "float16":
        assert sum(dtype == "float16" for dtype, _ in found.values()) >= 4
    else:
        assert {found[operator.weights][0] for operator in weighted} == {"int8"}
        widened = scheme.startswith("dynamic") and granularity == "per_tensor"  # the depthwise weights
        assert len(weighted) == (3 if widened else 4)
        scales = {found[operator.weights][1] for operator in weighted}
        assert scales == ({1} if granularity == "per_tensor" else {8, 10})
    computed = {"int16" if "ai16" in scheme else "int8"} if scheme.startswith("static") else {"float32"}
    assert {name for operator in weighted for name in operator.dtypes} <= computed
    expected = small.model.predict(inputs, verbose=0)
    assert np.mean(run(content, inputs).argmax(1) == expected.argmax(1)) >= 0.85


def test_the_same_request_gives_the_same_bytes(floating, request_for):
    made = [quantize_tflite(floating, request_for(float_layers=("add",), calibration_method="mse")) for _ in "ab"]
    assert made[0] == made[1]


@pytest.mark.parametrize("method", METHODS)
def test_ranges_are_those_of_the_method(method, floating, request_for, calibration):
    quantized = quantize_tflite(floating, request_for(calibration_method=method))
    (image,) = TFLiteFile(quantized).inputs
    low, high = calibration.range
    assert image.quant.scale[0] == pytest.approx((high - low) / 255, rel=1e-3)  # whatever the method, exact
    highest = measured_stem(floating, calibration).max()
    details = interpreter_of(quantized).get_tensor_details()
    (scale,) = {
        d["quantization"][0] for d in details if d["name"].startswith("small/stem_relu") and d["dtype"] == np.int8
    }
    assert (
        scale == pytest.approx(highest / 255, rel=1e-3) if method == "min_max" else 0 < scale <= 1.001 * highest / 255
    )


def measured_stem(floating, calibration):
    interpreter = interpreter_of(floating, experimental_preserve_all_tensors=True)
    (index,) = {d["index"] for d in interpreter.get_tensor_details() if d["name"].startswith("small/stem_relu")}
    values = []
    for sample in calibration:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample)
        interpreter.invoke()
        values.append(interpreter.get_tensor(index))
    return np.stack(values)


def test_layers_in_float_repair_a_planted_outlier(planted, calibration, inputs, tmp_path):
    expected = planted.model.predict(inputs, verbose=0)

    def error(name, **options):
        done = convert(planted, tmp_path / name, scheme="static_wi8_ai8", calibration=calibration, **options)
        return np.abs(answers(done.artifact, inputs) - expected).mean(), done

    bad, _ = error("bad")
    good, done = error("good", float_layers=["loud", "quiet"])
    assert good < 0.3 * bad
    asked = ("loud", "stays in float, as asked"), ("quiet", "stays in float, as asked")
    assert done.report.skipped == asked and done.report.statistics == "measured"
    assert {spec.dtype for spec in (*done.artifact.manifest.inputs, *done.artifact.manifest.outputs)} == {"int8"}
    operators = TFLiteFile(done.artifact.model_file.read_bytes()).operators
    weighted = [(operator.weights_dtype, operator.dtypes) for operator in operators if operator.weights]
    assert weighted == [("float32", {"float32"})] * 2 + [("int8", {"int8"})] * 2
    wide, _ = error("wide", int16_layers=["loud", "quiet"])
    assert wide < 0.3 * bad


def test_batch_norm_and_activation_go_with_their_convolution(planted, calibration, tmp_path):
    files = [
        convert(
            planted, tmp_path / layer, scheme="static_wi8_ai8", calibration=calibration, float_layers=[layer]
        ).artifact.model_file.read_bytes()
        for layer in ("loud", "loud_bn", "loud_relu")
    ]
    assert files[0] == files[1] == files[2]


def test_weights_alone_can_leave_layers_out(small, tmp_path):
    done = convert(small, tmp_path, scheme="dynamic_wi8_afp32", float_layers=["point*", "depthwise"])
    asked = ("depthwise", "stays in float, as asked"), ("pointwise", "stays in float, as asked")
    assert done.report.skipped == asked
    operators = TFLiteFile(done.artifact.model_file.read_bytes()).operators
    kinds = [operator.weights_dtype for operator in operators if operator.weights]
    assert kinds == ["int8", "float32", "float32", "int8"]
    assert done.artifact.manifest.lineage[-1].tools["ai-edge-quantizer"]


def test_names_of_a_file_are_what_its_tensors_are_named_after(floating, request_for):
    assert {"stem", "small/stem", "stem_relu", "add", "pointwise", "probabilities"} <= set(layer_names(floating))
    made = quantize_file(floating, request_for(float_layers=("small/stem", "probabilities")))
    assert [reason for _, reason in made.skipped] == ["stays in float, as asked"] * 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"float_layers": ("stemm",)}, ConfigError, r"float_layers: no layer has this name: got stemm; allowed: stem"),
        ({"int16_layers": ("x*",)}, ConfigError, r"int16_layers: no layer has this name: got x\*"),
        ({"float_layers": ("*",)}, ConfigError, "every layer with weights stays in float; ask for scheme float32"),
        ({"calibration": None}, CalibrationError, "static_wi8_ai8 needs calibration data"),
        (
            {"calibration": CalibrationDataset([np.arange(27.0).reshape(3, 3, 3)], lambda image: image)},
            CalibrationError,
            r"another shape than the input: got \(3, 3, 3\); allowed: \(32, 32, 3\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(options, error, message, floating, request_for):
    with pytest.raises(error, match=message):
        quantize_tflite(floating, request_for(**options))


def test_what_is_quantized_already_is_refused(floating, request_for):
    quantized = quantize_tflite(floating, request_for())
    with pytest.raises(ConfigError, match=r"the model is quantized already: got .* int8; start from the float model"):
        quantize_tflite(quantized, request_for())


def test_a_layer_of_which_nothing_is_left_is_refused(calibration, tmp_path, small):
    import tf_keras as keras

    layers = [keras.Input((32, 32, 3), name="image"), keras.layers.Dropout(0.5, name="drop")]
    layers += [keras.layers.Conv2D(2, 3, name="conv"), keras.layers.GlobalAveragePooling2D(name="pool")]
    source = replace(small, model=keras.Sequential(layers, name="net"), name="net", labels=None)
    options = {"scheme": "static_wi8_ai8", "calibration": calibration}
    with pytest.raises(ConfigError, match="float_layers: no operator is left of these layers: got drop"):
        convert(source, tmp_path, float_layers=["drop"], **options)
    convert(source, tmp_path, float_layers=["drop", "pool"], **options)


def test_an_activation_that_is_nan_is_named(small, calibration, tmp_path):
    import tensorflow as tf
    import tf_keras as keras

    image = keras.Input((32, 32, 3), name="image")
    logs = keras.layers.Conv2D(2, 3, name="conv")(tf.math.log(image - 100.0))
    source = replace(small, model=keras.Model(image, keras.layers.GlobalAveragePooling2D()(logs), name="net"))
    with pytest.raises(CalibrationError, match=r"the activation .*log.* is NaN on a calibration image"):
        convert(source, tmp_path, scheme="static_wi8_ai8", calibration=calibration, calibration_method="mse")
    assert not list(tmp_path.iterdir())


def test_what_was_measured_serves_other_methods_and_layers(small, calibration, tmp_path):
    cache, origins, files = tmp_path / "cache", [], []
    for number, options in enumerate(
        [{"calibration_method": "mse"}, {"float_layers": ["add"]}, {"calibration_method": "mse"}]
    ):
        done = convert(
            small, tmp_path / str(number), scheme="static_wi8_ai8", calibration=calibration,
            calibration_cache=cache, **options,
        )  # fmt: skip
        origins.append(done.report.statistics)
        files.append(done.artifact.model_file.read_bytes())
    assert origins == ["measured", "reused", "reused"] and files[0] == files[2]
    (kept,) = cache.iterdir()
    others = CalibrationDataset(calibration.samples, lambda image: calibration.transform(image) / 2)
    options = {"scheme": "static_wi8_ai8", "calibration_method": "mse", "calibration_cache": cache}
    assert convert(small, tmp_path / "half", calibration=others, **options).report.statistics == "measured"
    kept.write_bytes(b"damaged")
    with pytest.raises(CalibrationError, match="delete it to measure again"):
        convert(small, tmp_path / "again", calibration=calibration, **options)


def test_a_missing_package_is_named(floating, request_for, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    with pytest.raises(BackendUnavailableError, match=r"edgevision\[compress\]"):
        quantize_tflite(floating, request_for())


def test_an_operator_that_cannot_be_had_in_16_bits_is_an_error(calibration, tmp_path, small):
    import tf_keras as keras

    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    x = keras.layers.LeakyReLU(name="leaky")(x)
    source = replace(small, model=keras.Model(image, keras.layers.GlobalAveragePooling2D(name="pool")(x), name="net"))
    source = replace(source, labels=None)
    options = {"scheme": "static_wi8_ai8", "calibration": calibration}
    with pytest.raises(ConversionError, match=r"leaky.* was to compute in int16: got float32"):
        convert(source, tmp_path, int16_layers=["leaky"], **options)
    done = convert(source, tmp_path, calibration_method="percentile", **options)
    assert len(done.report.skipped) == 1 and "has no LEAKY_RELU of static_wi8_ai8" in done.report.skipped[0][1]
