import numpy as np
import pytest

from edgevision.calibration import CalibrationDataset
from edgevision.converters import convert
from edgevision.converters.keras_import import SourceModel
from edgevision.converters.tflite_metadata import read_metadata
from edgevision.errors import CalibrationError, ConfigError, ConversionError
from edgevision.flatbuffer import Table
from edgevision.runtimes import load
from edgevision.tensors import dequantize, quantize

SCHEMES = ("float32", "float16", "dynamic_wi8_afp32", "static_wi8_ai8", "static_wi8_ai16")


def answers(artifact, inputs):
    """Real-valued first outputs of an artifact for real-valued inputs (N, height, width, channels)."""
    with load(artifact, runtime="tflite") as model:
        spec, output = model.inputs[0], model.outputs[0]
        stored = [x[None] if spec.quant is None else quantize(x[None], spec) for x in inputs]
        found = np.concatenate([model.infer([x])[0] for x in stored])
    return found if output.quant is None else dequantize(found, output)


def operators(artifact):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kernels = OpResolverType.BUILTIN_REF
    interpreter = Interpreter(model_path=str(artifact.model_file), experimental_op_resolver_type=kernels)
    return {entry["op_name"] for entry in interpreter._get_ops_details()}


@pytest.fixture(scope="module")
def conversions(small, calibration, tmp_path_factory):
    out = tmp_path_factory.mktemp("tflite")
    return {scheme: convert(small, out, scheme=scheme, calibration=calibration) for scheme in SCHEMES}


@pytest.fixture(scope="module")
def converted(conversions):
    return {scheme: conversion.artifact for scheme, conversion in conversions.items()}


@pytest.mark.parametrize(
    ("scheme", "bound"),
    [
        ("float32", 1e-5),
        ("float16", 5e-3),
        ("dynamic_wi8_afp32", 0.02),
        ("static_wi8_ai8", 0.05),
        ("static_wi8_ai16", 0.02),
    ],
)
def test_each_scheme_answers_like_the_keras_model(converted, small, inputs, scheme, bound):
    expected = small.model.predict(inputs, verbose=0)
    found = answers(converted[scheme], inputs)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() <= bound
    assert np.mean(found.argmax(1) == expected.argmax(1)) >= 0.9


def test_finer_numbers_err_less(small, images, inputs, tmp_path):
    """Calibrated with what is then asked: what lies beyond a range is clipped alike, however fine the numbers are."""
    expected = small.model.predict(inputs, verbose=0)
    seen = CalibrationDataset.from_dataset(images, small.preprocessing, len(images))
    error = {}
    for scheme in ("float32", "float16", "static_wi8_ai8", "static_wi8_ai16"):
        artifact = convert(small, tmp_path, scheme=scheme, calibration=seen).artifact
        error[scheme] = np.abs(answers(artifact, inputs) - expected).mean()
    assert error["float32"] < error["float16"] < error["static_wi8_ai8"]
    assert error["static_wi8_ai16"] < error["static_wi8_ai8"], error


@pytest.mark.parametrize("scheme", SCHEMES)
def test_names_batch_and_facts_are_kept(converted, small, scheme):
    artifact = converted[scheme]
    manifest = artifact.manifest
    assert artifact.path.name == f"small-tflite-{scheme}"
    assert [(spec.name, spec.shape, spec.layout) for spec in manifest.inputs] == [("image", (1, 32, 32, 3), "NHWC")]
    assert [(spec.name, spec.shape, spec.layout) for spec in manifest.outputs] == [("probabilities", (1, 10), "NC")]
    assert manifest.preprocessing == small.preprocessing
    assert manifest.labels == small.labels
    parameters = manifest.lineage[-1].parameters
    assert manifest.scheme == parameters["scheme"] == scheme
    assert {spec.dtype for spec in (*manifest.inputs, *manifest.outputs)} == {parameters.get("io_dtype", "float32")}
    assert manifest.lineage[-1].tools["tensorflow"]
    with load(artifact) as model:
        assert (model.inputs[0].name, model.outputs[0].name) == ("image", "probabilities")


def test_layers_whose_weights_stay_float_are_named(conversions):
    """TensorFlow's dynamic scheme leaves kernels of fewer than 1,024 weights as they are."""
    skipped = {scheme: conversion.report.skipped for scheme, conversion in conversions.items()}
    dynamic = skipped.pop("dynamic_wi8_afp32")
    assert set(skipped.values()) == {()}
    assert any("logits" in layer for layer, _ in dynamic) and {reason for _, reason in dynamic} == {
        "its weights stay float32"
    }


def test_a_fixed_batch_leaves_no_shape_arithmetic(converted):
    found = operators(converted["static_wi8_ai8"])
    assert found.isdisjoint({"SHAPE", "STRIDED_SLICE", "PACK", "QUANTIZE", "DEQUANTIZE"}), found


def test_pixels_become_the_int8_input_exactly(converted):
    (spec,) = converted["static_wi8_ai8"].manifest.inputs
    assert (spec.dtype, spec.quant.scale, spec.quant.zero_point) == ("int8", (1 / 64,), (0,))


def test_the_same_model_gives_the_same_bytes(small, calibration, converted, tmp_path):
    again = convert(small, tmp_path, scheme="static_wi8_ai8", calibration=calibration).artifact
    assert again.sha256 == converted["static_wi8_ai8"].sha256
    assert again.manifest.lineage[-1].parameters["calibration_sha256"] == calibration.sha256


def test_per_tensor_scales_are_one_a_tensor(small, calibration, converted, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    def scales(artifact):
        details = Interpreter(model_path=str(artifact.model_file)).get_tensor_details()
        kernels = [entry for entry in details if entry["dtype"] == np.int8 and len(entry["shape"]) == 4]
        return max(len(entry["quantization_parameters"]["scales"]) for entry in kernels)

    single = convert(small, tmp_path, scheme="static_wi8_ai8", granularity="per_tensor", calibration=calibration)
    assert scales(single.artifact) == 1
    assert scales(converted["static_wi8_ai8"]) == 8


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_inputs_and_outputs_take_the_type_that_is_asked_for(small, calibration, inputs, tmp_path, dtype):
    artifact = convert(small, tmp_path, scheme="static_wi8_ai8", io_dtype=dtype, calibration=calibration).artifact
    assert {spec.dtype for spec in (*artifact.manifest.inputs, *artifact.manifest.outputs)} == {dtype}
    expected = small.model.predict(inputs, verbose=0)
    assert np.mean(answers(artifact, inputs).argmax(1) == expected.argmax(1)) >= 0.9


def test_several_inputs_and_outputs_keep_their_order(tmp_path, calibration):
    import tf_keras as keras

    first, second = keras.Input((4,), name="zebra"), keras.Input((3,), name="ape")
    joined = keras.layers.Concatenate()([first, second])
    outputs = [keras.layers.Dense(2, name="wide")(joined), keras.layers.Dense(5, name="big")(joined)]
    source = SourceModel(model=keras.Model([first, second], outputs, name="two"), name="two")
    artifact = convert(source, tmp_path).artifact
    assert [spec.name for spec in artifact.manifest.inputs] == ["zebra", "ape"]
    assert [spec.name for spec in artifact.manifest.outputs] == ["wide", "big"]
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(1, 4)).astype(np.float32), rng.normal(size=(1, 3)).astype(np.float32)
    with load(artifact) as model:
        found = model.infer([a, b])
    expected = source.model([a, b])
    for output, other in zip(found, expected, strict=True):
        assert np.allclose(output, other, atol=1e-5)


def test_a_larger_batch_can_be_asked_for(small, inputs, tmp_path):
    artifact = convert(small, tmp_path, batch=4).artifact
    with load(artifact) as model:
        (found,) = model.infer([inputs[:4]])
    assert np.allclose(found, small.model.predict(inputs[:4], verbose=0), atol=1e-5)


def test_no_calibration_data_is_an_error_that_says_so(small, tmp_path):
    with pytest.raises(CalibrationError, match="static_wi8_ai8 needs calibration data"):
        convert(small, tmp_path, scheme="static_wi8_ai8")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "tflight"}, "did you mean tflite"),
        ({"scheme": "int8"}, "static_wi8_ai8"),
        ({"granularity": "per_row"}, "per_channel, per_tensor"),
        ({"scheme": "static_wi8_ai8", "io_dtype": "int4"}, "int8, uint8, float32"),
        ({"batch": 0}, "1 or more"),
    ],
)
def test_unknown_options_list_the_known(small, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        convert(small, tmp_path, **options)


def test_an_operator_that_the_format_lacks_is_named(tmp_path):
    import tensorflow as tf
    import tf_keras as keras

    class Unsupported(keras.layers.Layer):
        def call(self, x):
            return tf.linalg.expm(x)

    image = keras.Input((4, 4), name="x")
    source = SourceModel(model=keras.Model(image, Unsupported()(image), name="odd"), name="odd")
    with pytest.raises(ConversionError, match="TFLite conversion of odd failed"):
        convert(source, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_existing_artifact_is_kept_unless_told(small, tmp_path):
    convert(small, tmp_path)
    with pytest.raises(ConfigError, match="exists"):
        convert(small, tmp_path)
    convert(small, tmp_path, overwrite=True)


def test_metadata_travels_in_the_file(converted, small):
    found = read_metadata(converted["static_wi8_ai8"].model_file.read_bytes())
    assert tuple(found["labels"]) == small.labels
    assert set(found["inputs"][0]["mean"]) == {128.0}
    assert set(found["inputs"][0]["std"]) == {64.0}


def test_kernels_are_stored_without_their_zeros_and_compute_the_same(tmp_path, calibration):
    import tf_keras as keras

    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 64), name="image")
    model = keras.Model(image, keras.layers.Conv2D(64, 1, name="wide")(image), name="sparse")
    kernel = model.get_layer("wide").kernel
    kernel.assign(kernel * (np.random.default_rng(0).random(kernel.shape) > 0.9))
    source = SourceModel(model, "sparse")
    plain = convert(source, tmp_path / "plain").artifact
    encoded = convert(source, tmp_path / "encoded", sparse_encoding=True).artifact
    assert encoded.bytes < 0.5 * plain.bytes and "DENSIFY" in operators(encoded)
    inputs = np.random.default_rng(1).normal(size=(4, 4, 4, 64)).astype(np.float32)
    assert np.allclose(answers(encoded, inputs), answers(plain, inputs), atol=1e-6)
    assert encoded.manifest.lineage[-1].parameters["sparse_encoding"]
    with pytest.raises(ConfigError, match="scheme with sparse_encoding for tflite: got float16; allowed: float32"):
        convert(source, tmp_path / "half", scheme="float16", sparse_encoding=True)


def test_equal_vectors_are_written_once_and_weights_stay_aligned(converted):
    """A scale for each channel brings as many zero points, all 0: one vector of them for every length."""
    file = converted["static_wi8_ai8"].model_file
    content = file.read_bytes()
    model = Table.root(content)
    tensors = [tensor for graph in model.tables(2) for tensor in graph.tables(0)]
    points = [tensor.table(4).places(3, 8) for tensor in tensors if tensor.table(4)]
    zeros = [place for place in points if len(place) > 1]
    assert len(zeros) > len(set(zeros)) == len({len(place) for place in zeros})
    kept = [buffer.places(0, 1) for buffer in model.tables(4)]
    assert all(place.start % 16 == 0 for place in kept if len(place))
