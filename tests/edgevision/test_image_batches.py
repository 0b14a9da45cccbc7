"""Several images through a model of one: the same answers, however many go at a time."""

import numpy as np
import pytest

from edgevision.adopt import adopt
from edgevision.classifier import Classifier
from edgevision.errors import ConfigError
from edgevision.image_batches import ImageBatches
from edgevision.runtimes.base import available_runtimes

LABELS = ("red", "green", "blue")
IMAGES = [np.random.default_rng(seed).integers(0, 256, (9 + seed, 12, 3), np.uint8) for seed in range(11)]


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def runtime(request):
    if request.param not in available_runtimes("onnx"):
        pytest.skip(f"{request.param} is not installed")
    return request.param


@pytest.fixture
def model(make_onnx, tmp_path, runtime):
    """model(batch) -> a classifier whose file has this batch, and an artifact of it."""

    def model(batch):
        file = tmp_path / f"{batch}.onnx"
        file.write_bytes(make_onnx(batch))
        made = adopt(
            file, tmp_path / f"model{batch}", overwrite=True, task="classification", labels=LABELS, layout="NCHW",
            preprocessing={"std": [255]}, activation="softmax",
        )  # fmt: skip
        return Classifier(made, runtime=runtime)

    return model


@pytest.mark.parametrize(("batch", "size"), [("N", 4), (1, 1)])
def test_the_answers_are_those_of_one_by_one(model, runtime, batch, size):
    with model(batch) as single:
        wanted = [single(image) for image in IMAGES]
    batches = ImageBatches(model(batch), 4, runtime=runtime)
    assert batches.size == size and 1 <= batches.pays_from <= size
    for count in (0, 1, 2, 3, 4, 11):
        got = batches(IMAGES[:count])
        assert [one.shape for one in got] == [(1, 3)] * count
        for one, other in zip(got, wanted[:count], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    batches.close()
    with pytest.raises(Exception, match="closed"):
        batches(IMAGES[:1])


def test_what_does_not_fill_a_batch_goes_as_is_faster(model, runtime):
    batches, ran = ImageBatches(model("N"), 4, runtime=runtime), []
    wide = batches._wide
    infer = wide.infer
    wide.infer = lambda tensors: (ran.append(len(tensors[0])), infer(tensors))[1]
    for pays_from, together in ((2, 3), (3, 3), (4, 2)):
        batches.pays_from = pays_from
        ran.clear()
        assert len(batches(IMAGES[:11])) == 11 and ran == [4] * together
    batches.close()


def test_none_at_a_time_is_refused(model):
    with model(1) as single, pytest.raises(ConfigError, match="at a time"):
        ImageBatches(single, 0)


def test_a_tflite_file_with_an_open_batch(shared_data, tmp_path):
    file = shared_data / "models/mlperf_tiny/resnet8_cifar10/pretrainedResnet.tflite"
    made = adopt(file, tmp_path / "model", task="classification", labels="abcdefghij", preprocessing={})
    with Classifier(made) as single:
        wanted = [single(image) for image in IMAGES]
    batches = ImageBatches(Classifier(made), 8)
    assert batches.size == 8
    for one, other in zip(batches(IMAGES), wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    batches.close()


def test_a_batch_that_loads_and_does_not_run_is_none(tmp_path):
    """Its third row of a table of one is asked for only when more than one image comes."""
    onnx = pytest.importorskip("onnx", reason="onnx, of the extra onnx, is not installed")
    if "onnxruntime" not in available_runtimes("onnx"):
        pytest.skip("onnxruntime is not installed")
    from onnx import TensorProto, helper, numpy_helper

    steps = [
        ("GlobalAveragePool", ["image"], "pooled", {}), ("Flatten", ["pooled"], "flat", {}),
        ("Softmax", ["flat"], "shares", {}), ("ReduceSum", ["shares"], "images", {"keepdims": 0}),
        ("Sub", ["images", "one"], "more", {}), ("Round", ["more"], "whole", {}),
        ("Cast", ["whole"], "row", {"to": TensorProto.INT64}), ("Gather", ["table", "row"], "nothing", {}),
        ("Add", ["shares", "nothing"], "scores", {}),
    ]  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node(kind, taken, [given], **more) for kind, taken, given, more in steps], "one",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.zeros((1, 3), np.float32), "table"),
         numpy_helper.from_array(np.array(1, np.float32), "one")],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "one.onnx")
    made = adopt(
        tmp_path / "one.onnx", tmp_path / "one", task="classification", labels=LABELS, layout="NCHW",
        preprocessing={"std": [255]}, activation="softmax",
    )  # fmt: skip
    batches = ImageBatches(Classifier(made, runtime="onnxruntime"), 4, runtime="onnxruntime")
    assert batches.size == 1 and len(batches(IMAGES[:3])) == 3
    batches.close()
