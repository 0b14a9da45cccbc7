"""A model's process: outputs of any size come back, and errors of the runtime as they are."""

import threading
import time

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.errors import InferenceError, WorkerDiedError
from edgevision.runtimes import load
from edgevision.runtimes.isolated import ModelProcess, start_isolated


@pytest.fixture
def growing(tmp_path):
    """An ONNX model that returns the places of what is not zero: two rows, as many columns as there are."""
    onnx = pytest.importorskip("onnx", reason="onnx, of the extra onnx, is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime, of the extra onnx, is not installed")
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("NonZero", ["image"], ["places"])], "growing",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [64, 64])],
        [helper.make_tensor_value_info("places", TensorProto.INT64, [2, "count"])],
    )  # fmt: skip
    path = tmp_path / "growing.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return Artifact.describe(path)


def test_outputs_grow_and_shrink(growing):
    """Nothing at first, so that there is no room for more; then more and more, less again, and all."""
    process = start_isolated(growing, runtime="onnxruntime", timeout_s=60)
    try:
        for count in (0, 1, 100, 3, 4096, 10):
            image = np.zeros((64, 64), np.float32)
            image.reshape(-1)[:count] = 1
            (places,) = process.infer([image], 10)
            assert places.shape == (2, count) and places.dtype == np.int64
            np.testing.assert_array_equal(places, np.argwhere(image).T)
    finally:
        process.close()
    process.close()
    assert process.ended
    with pytest.raises(WorkerDiedError):
        process.infer([np.zeros((64, 64), np.float32)], 1)


def test_answers_are_the_caller_s(growing):
    process = start_isolated(growing, runtime="onnxruntime", timeout_s=60)
    try:
        (first,) = process.infer([np.ones((64, 64), np.float32)], 10)
        kept = first.copy()
        process.infer([np.zeros((64, 64), np.float32)], 10)
        process.close()
        np.testing.assert_array_equal(first, kept)
    finally:
        process.close()


def test_it_outlives_the_thread_that_started_it(growing):
    made = []
    thread = threading.Thread(target=lambda: made.append(start_isolated(growing, runtime="onnxruntime", timeout_s=60)))
    thread.start()
    thread.join()
    (process,) = made
    try:
        time.sleep(0.3)
        assert process.infer([np.ones((64, 64), np.float32)], 10)[0].shape == (2, 4096) and not process.ended
    finally:
        process.close()


def test_it_is_not_waited_for(growing):
    process = ModelProcess(growing, runtime="onnxruntime")
    try:
        assert not process.ready()
        with pytest.raises(WorkerDiedError, match="not loaded it yet"):
            process.infer([np.zeros((64, 64), np.float32)], 1)
        assert process.ready(60) and process.ready()
    finally:
        process.close()


def test_errors_of_the_runtime_are_those_that_it_has_here(growing):
    with load(growing, runtime="onnxruntime") as here:
        assert here.outputs[0].shape[0] == 2
    with pytest.raises(Exception) as caught, load(growing, runtime="onnxruntime", options={"threads": -3}):
        pass
    with pytest.raises(type(caught.value), match="threads"):
        start_isolated(growing, runtime="onnxruntime", options={"threads": -3}, timeout_s=60)
    assert not issubclass(type(caught.value), InferenceError)
