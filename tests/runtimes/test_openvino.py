"""The openvino runtime: numerics are explicit, devices are never replaced, two models stay apart."""

import subprocess
import sys

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.devices.cpu import VNNI, cpu_facts
from edgevision.errors import (
    ArtifactError,
    BackendUnavailableError,
    ConfigError,
    DeviceNotFoundError,
    IncompatibleModelError,
    InferenceError,
)
from edgevision.preprocessing import Preprocessing
from edgevision.runtimes import available_runtimes, load
from edgevision.runtimes.openvino import _target

ov = pytest.importorskip("openvino", reason="the extra openvino is not installed")


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """A matrix product whose answer shows the precision that it was computed in."""
    from openvino import opset13 as ops

    weights = np.random.default_rng(0).normal(size=(256, 64)).astype(np.float32)
    image = ops.parameter([1, 256], np.float32, name="image")
    path = tmp_path_factory.mktemp("product") / "model.xml"
    ov.save_model(ov.Model([ops.matmul(image, ops.constant(weights), False, False)], [image]), path, False)
    return path, weights


def test_float32_is_the_default_and_is_what_it_computes(product):
    path, weights = product
    values = np.random.default_rng(1).normal(size=(1, 256)).astype(np.float32)
    exact = values.astype(np.float64) @ weights.astype(np.float64)
    with load(Artifact.describe(path)) as model:
        assert (model.facts["precision"], model.facts["threads"], model.facts["pinning"]) == ("float32", 1, False)
        assert np.abs(model.infer([values])[0] - exact).max() < 1e-4


def test_an_onnx_file_runs_as_it_is_with_the_batch_that_is_asked_for(make_onnx, tmp_path):
    (tmp_path / "colors.onnx").write_bytes(make_onnx())
    values = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    with load(Artifact.describe(tmp_path / "colors.onnx"), runtime="openvino", options={"batch": 2}) as model:
        assert [(s.name, s.shape) for s in (*model.inputs, *model.outputs)] == [
            ("image", (2, 3, 8, 8)), ("scores", (2, 3)),
        ]  # fmt: skip
        (answer,) = model.infer([values])
    expected = np.exp(4 * (values.mean((2, 3)) + 0.1))
    np.testing.assert_allclose(answer, expected / expected.sum(1, keepdims=True), rtol=1e-4)
    (tmp_path / "cut.onnx").write_bytes(make_onnx()[:150])
    with pytest.raises(ArtifactError, match=r"cut\.onnx: a damaged ONNX model"):
        load(Artifact.describe(tmp_path / "cut.onnx"), runtime="openvino")


def test_another_precision_is_taken_when_asked_for_and_reported(product):
    path, _ = product
    if not {"avx512_bf16", "amx_bf16", "bf16"} & set(cpu_facts().features):
        with pytest.raises(IncompatibleModelError, match=r"cpu does not compute in bfloat16: got float32"):
            load(Artifact.describe(path), options={"precision": "bfloat16"})
        return
    with load(Artifact.describe(path), options={"precision": "bfloat16"}) as model:
        assert model.facts["precision"] == "bfloat16"
        assert model.infer([np.ones((1, 256), np.float32)])[0].dtype == np.float32


def test_a_process_may_end_while_a_thread_infers(product):
    path, _ = product
    program = f"""
import threading, time
import numpy as np
from edgevision.artifact import Artifact
from edgevision.runtimes import available_runtimes, load
model = load(Artifact.describe({str(path)!r}))
def forever():
    while True:
        model.infer([np.ones((1, 256), np.float32)])
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.2)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_the_c_library_the_runtime_is_not_here(product, monkeypatch):
    monkeypatch.setattr("edgevision.runtimes.openvino.library_file", lambda: None)
    assert "openvino" not in available_runtimes(Artifact.describe(product[0]))
    with pytest.raises(BackendUnavailableError, match="--force-reinstall openvino"):
        load(Artifact.describe(product[0]), runtime="openvino")


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """The largest integers there are, in a convolution: its file, its weights (16, 32, 3, 3), and an image."""
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)
    weights = rng.choice([-127, 127], (16, 32, 3, 3)).astype(np.int8)
    image = ops.parameter([1, 32, 8, 8], np.float32, name="image")
    limits = [ops.constant(np.float32(end)) for end in (0, 255)]
    rounded = ops.fake_quantize(image, *limits, *limits, 256)
    scale = ops.constant(np.full((16, 1, 1, 1), 1e-3, np.float32))
    kernel = ops.multiply(ops.convert(ops.constant(weights), "f32"), scale)
    product = ops.convolution(rounded, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    path = tmp_path_factory.mktemp("quantized") / "model.xml"
    ov.save_model(ov.Model([product], [image]), path, False)
    return path, weights, rng.integers(200, 256, (1, 32, 8, 8)).astype(np.float32)


def test_low_precision_off_computes_what_float_does(quantized):
    path, weights, image = quantized
    windows = np.lib.stride_tricks.sliding_window_view(image[0].astype(np.float64), (3, 3), axis=(1, 2))
    exact = np.einsum("chwij,ocij->ohw", windows, weights.astype(np.float64) * 1e-3)
    answers = {}
    for low_precision in (True, False):
        with load(Artifact.describe(path), options={"low_precision": low_precision}) as model:
            assert model.facts["low_precision"] is low_precision
            (answers[low_precision],) = model.infer([image])
    np.testing.assert_allclose(answers[False][0], exact, rtol=1e-5, atol=1e-2)
    if not set(VNNI) & set(cpu_facts().features):  # there, sums of products saturate in integers
        assert np.abs(answers[True][0] - exact).max() > 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision": "int8"}, "float32, bfloat16, float16"),
        ({"pinning": "yes"}, "True, False"),
        ({"low_precision": 0}, "True, False"),
    ],
)
def test_option_values(product, options, said):
    with pytest.raises(ConfigError, match=said):
        load(Artifact.describe(product[0]), options=options)


@pytest.mark.parametrize(
    ("device", "listed", "target"),
    [
        ("cpu", ["CPU"], "CPU"),
        ("gpu", ["CPU", "GPU"], "GPU"),
        ("gpu:0", ["CPU", "GPU"], "GPU.0"),
        ("gpu", ["CPU", "GPU.0", "GPU.1"], "GPU"),
        ("gpu:1", ["CPU", "GPU.0", "GPU.1"], "GPU.1"),
        ("npu", ["CPU", "NPU"], "NPU"),
        ("gpu:1", ["CPU", "GPU"], None),
        ("gpu", ["CPU"], None),
        ("npu:0", ["CPU", "GPU.0"], None),
    ],
)
def test_device_names_pass_through_when_the_device_is_there(device, listed, target):
    class Here:
        available_devices = listed

    if target is not None:
        assert _target(Here, device) == target
        return
    with pytest.raises(DeviceNotFoundError, match="allowed: cpu"):
        _target(Here, device)


def test_an_ir_without_its_weights(product, tmp_path):
    path, _ = product
    artifact = Artifact.describe(path)
    (tmp_path / "model.xml").write_bytes(path.read_bytes())
    with pytest.raises(ArtifactError, match=r"no weights beside it; put model\.bin there"):
        load(Artifact(tmp_path, artifact.manifest))


def test_two_models_do_not_share_their_tensors(product):
    path, weights = product
    first, second = np.ones((1, 256), np.float32), np.full((1, 256), 2, np.float32)
    with load(Artifact.describe(path)) as one, load(Artifact.describe(path)) as two:
        (a,), (b,) = one.infer([first]), two.infer([second])
        np.testing.assert_allclose(a, weights.sum(0)[None], rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(b, 2 * weights.sum(0)[None], rtol=1e-4, atol=1e-3)


def test_a_vendor_error_while_running_is_an_error_of_ours(product):
    with load(Artifact.describe(product[0])) as model:
        model.request.close()
        with pytest.raises(InferenceError, match="openvino failed: invalid c input parameters"):
            model.infer([np.zeros((1, 256), np.float32)])


def test_int8_dense_layers_in_a_row_answer_alike_on_any_number_of_threads(tmp_path):
    import tf_keras as keras

    from edgevision.calibration import CalibrationDataset
    from edgevision.converters import SourceModel, convert

    keras.utils.set_random_seed(5)
    preprocessing = Preprocessing(8, 8, mean=(128,), std=(64,))
    pictures = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Dense(64, name="first")(keras.layers.Flatten(name="flat")(image))
    source = SourceModel(keras.Model(image, keras.layers.Dense(10, name="second")(x), name="mlp"), "mlp", preprocessing)
    calibration = CalibrationDataset(list(pictures), preprocessing.apply)
    artifact = convert(source, tmp_path, to="openvino", scheme="static_wi8_ai8", calibration=calibration).artifact
    batch = np.stack([preprocessing.apply(picture) for picture in pictures])
    expected = source.model(batch).numpy()
    for threads in (1, 2, None):
        with load(artifact, options={"threads": threads}) as model:
            answers = np.concatenate([model.infer([picture[None]])[0] for picture in batch])
        assert np.abs(answers - expected).max() < 0.1 * np.ptp(expected), f"{threads} threads"


def test_without_openvino_the_error_names_the_extra(product, monkeypatch):
    monkeypatch.setattr("edgevision.runtimes.base.available", lambda module: False)
    with pytest.raises(BackendUnavailableError, match=r'pip install "edgevision\[openvino\]"'):
        load(Artifact.describe(product[0]))
