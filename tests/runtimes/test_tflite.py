"""The tflite runtime: which package runs, its options, and files that would otherwise crash the process."""

import struct
import subprocess
import sys

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.errors import (
    ArtifactError,
    BackendUnavailableError,
    ConfigError,
    IncompatibleModelError,
)
from edgevision.optional import available
from edgevision.runtimes import load
from edgevision.runtimes.tflite_file import check_tflite

tf = pytest.importorskip("tensorflow", reason="the extra train is not installed: it makes the models of these tests")

# These run in a process without TensorFlow, beside which tflite-runtime does not work.
IN_A_PROCESS = """
import sys
import numpy as np
from edgevision.artifact import Artifact
from edgevision.errors import InferenceError
from edgevision.runtimes import load

package, quantized, lookup = sys.argv[1:]
with load(Artifact.describe(quantized), options={"package": package, "threads": 2}) as model:
    assert (model.facts["package"], model.facts["threads"]) == (package, 2)
    (source,), (result,) = model.inputs, model.outputs
    assert (source.dtype, source.quant.axis, len(source.quant.scale)) == ("int8", None, 1)
    assert result.quant is not None
    (answer,) = model.infer([np.full(source.shape, 5, np.int8)])
    assert (answer.shape, answer.dtype) == (result.shape, np.int8)
with load(Artifact.describe(lookup), options={"package": package}) as model:
    try:
        model.infer([np.array([99], np.int32)])
    except InferenceError as exc:
        assert package in str(exc) and exc.__cause__ is not None
    else:
        raise AssertionError("a row that is not there was answered")
    assert model.infer([np.array([2], np.int32)])[0].tolist() == [[6, 7, 8]]
"""

PACKAGES = [
    pytest.param(package, marks=pytest.mark.skipif(not available(module), reason=f"{package} is not installed"))
    for package, module in (("ai-edge-litert", "ai_edge_litert"), ("tflite-runtime", "tflite_runtime"))
]


def convert(function, *specs, quantized=False):
    converter = tf.lite.TFLiteConverter.from_concrete_functions([tf.function(function).get_concrete_function(*specs)])
    if quantized:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        generator = np.random.default_rng(0)
        samples = [[generator.uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32)] for _ in range(8)]
        converter.representative_dataset = lambda: iter(samples)
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """An int8 convolution over 8×8 images."""
    kernel = tf.constant(np.random.default_rng(1).normal(size=(3, 3, 3, 4)).astype(np.float32))
    image = tf.TensorSpec((1, 8, 8, 3), tf.float32, "image")
    content = convert(lambda image: tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "SAME")), image, quantized=True)
    path = tmp_path_factory.mktemp("quantized") / "model.tflite"
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def lookup(tmp_path_factory):
    """A table that is asked for a row: an index beyond it makes the runtime itself fail."""
    table = tf.constant(np.arange(12, dtype=np.float32).reshape(4, 3))
    path = tmp_path_factory.mktemp("lookup") / "model.tflite"
    path.write_bytes(convert(lambda row: tf.gather(table, row), tf.TensorSpec((1,), tf.int32, "row")))
    return path


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_runs_says_so_and_survives_a_failing_operator(quantized, lookup, package):
    command = [sys.executable, "-c", IN_A_PROCESS, package, quantized, lookup]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not available("tflite_runtime"), reason="tflite-runtime is not installed")
def test_beside_tensorflow_the_older_package_says_that_it_does_not_work(quantized):
    with pytest.raises(BackendUnavailableError, match="has loaded TensorFlow"):
        load(Artifact.describe(quantized), options={"package": "tflite-runtime"})


def test_litert_is_preferred(quantized):
    if not available("ai_edge_litert"):
        pytest.skip("ai-edge-litert is not installed")
    with load(Artifact.describe(quantized)) as model:
        assert model.facts["package"] == "ai-edge-litert"
        assert model.facts["threads"] == 1


def test_reference_kernels_agree_with_the_default_ones(quantized):
    values = np.random.default_rng(2).integers(-128, 128, (1, 8, 8, 3)).astype(np.int8)
    answers = []
    for resolver in ("default", "reference"):
        with load(Artifact.describe(quantized), options={"resolver": resolver}) as model:
            assert model.facts["resolver"] == resolver
            answers.append(model.infer([values])[0].astype(int))
    assert np.abs(answers[0] - answers[1]).max() <= 2


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"package": "tensorflow"}, ConfigError, "ai-edge-litert, tflite-runtime"),
        ({"resolver": "fast"}, ConfigError, "default, reference"),
        ({"delegate": "/nowhere/libdelegate.so"}, BackendUnavailableError, "libdelegate"),
        ({"delegate": 3}, ConfigError, "path of a library"),
        ({"delegate_options": {"a": 1}}, ConfigError, "needs the option delegate"),
        ({"delegate": "x", "delegate_options": "a=1"}, ConfigError, "a mapping"),
    ],
)
def test_options_that_do_not_work(quantized, options, error, said):
    with pytest.raises(error, match=said):
        load(Artifact.describe(quantized), options=options)


def test_a_library_that_is_no_delegate(quantized):
    import ctypes
    import ctypes.util

    library = ctypes.util.find_library("m") or pytest.skip("no shared library to try")
    with pytest.raises(BackendUnavailableError, match="does not load"):
        load(Artifact.describe(quantized), options={"delegate": library})


def test_without_a_package_the_error_says_what_to_install(quantized, monkeypatch):
    monkeypatch.setattr("edgevision.runtimes.base.available", lambda module: False)
    with pytest.raises(BackendUnavailableError, match=r"needs ai-edge-litert.*pip install"):
        load(Artifact.describe(quantized))


def test_custom_operators_are_refused(shared_data):
    path = shared_data / "models/edge_cases/audio_preprocessor_int8_signal_ops.tflite"
    with pytest.raises(IncompatibleModelError, match="custom op"):
        load(Artifact.describe(path))


def test_models_of_others_are_sound(shared_data):
    paths = sorted((shared_data / "models").rglob("*.tflite"))
    assert paths
    for path in paths:
        check_tflite(path)


@pytest.mark.parametrize("keep", [0, 7, 31, 200, 0.5, 0.8])
def test_cut_files_are_refused(quantized, keep, tmp_path):
    content = quantized.read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    with pytest.raises(ArtifactError, match=r"cut\.tflite is not a sound TFLite model"):
        check_tflite(path)
    with pytest.raises(ArtifactError):
        Artifact.describe(path)  # before any runtime is asked for


@pytest.mark.parametrize("content", [b"\x1c\0\0\0ABCD" + bytes(100), b"\xff\xff\xff\x7fTFL3" + bytes(100), bytes(100)])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "other.tflite").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"not a sound TFLite model"):
        check_tflite(tmp_path / "other.tflite")


def test_a_missing_file(tmp_path):
    with pytest.raises(ArtifactError, match="cannot read"):
        check_tflite(tmp_path / "none.tflite")


def damaged_tables(content):
    """Yield copies of the model in which one number of its structure makes no sense."""
    from edgevision.flatbuffer import Table

    model = Table.root(content)
    graph = next(model.tables(2))
    tensor, operator = next(graph.tables(0)), next(graph.tables(3))
    activation = max(graph.tables(0), key=lambda table: len(table.places(0, 4)))
    places = {
        "version": (model.place(0), 9),
        "tensor in no buffer": (tensor.place(2), 9999),
        "negative length": (tensor.places(0, 4).start, 0xFFFFFFF0),
        "gigabytes in one tensor": (activation.places(0, 4).start + 4, 0x7FFFFFFF),
        "input that is no tensor": (graph.places(1, 4).start, 9999),
        "operator on no tensor": (operator.places(1, 4).start, 9999),
        "vector beyond the file": (tensor.places(0, 4).start - 4, 0x10000000),
    }
    for what, (place, value) in places.items():
        copy = bytearray(content)
        struct.pack_into("<I", copy, place, value)
        yield what, bytes(copy)


def test_numbers_that_make_no_sense_never_reach_the_vendor(quantized, tmp_path):
    cases = list(damaged_tables(quantized.read_bytes()))
    assert len(cases) == 7
    for what, content in cases:
        path = tmp_path / "damaged.tflite"
        path.write_bytes(content)
        with pytest.raises(ArtifactError, match="not a sound TFLite model"):
            pytest.fail(f"{what} was taken: {check_tflite(path)}")
