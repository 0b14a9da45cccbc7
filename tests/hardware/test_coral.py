"""On a real Edge TPU. Nobody has run these yet: here is none.

They need a Coral that `edgevision devices` says is available, libedgetpu, and the shared compiled models.
"""

import time

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.benchmark.child import run_fresh
from edgevision.devices import discover
from edgevision.runtimes import load
from edgevision.trying import try_devices

FOUND = [device for device in discover() if device.device.startswith("coral:")]
USABLE = [device for device in FOUND if device.state == "available"]
pytestmark = pytest.mark.skipif(
    not USABLE, reason="no Edge TPU that can be used: " + "; ".join(f"{d.device}: {d.reason}" for d in FOUND)
)
PAIRS = ("mobilenet_v1_0.25_128_quant", "mobilenet_v2_1.0_224_quant")


@pytest.fixture(params=USABLE, ids=lambda device: device.device)
def edge_tpu(request):
    return request.param


@pytest.fixture(params=PAIRS)
def pair(request, shared_data):
    """(the model as it was given to the compiler, the compiled one)."""
    folder = shared_data / "models/coral"
    return [Artifact.describe(folder / f"{request.param}{end}.tflite") for end in ("", "_edgetpu")]


def test_the_test_inference_passes(edge_tpu, pair):
    (tried,) = try_devices([edge_tpu], pair[1])
    assert tried.stages["inference"] == "passed", tried.trials


def test_it_answers_as_the_processor_does(edge_tpu, pair):
    """The chip rounds differently: scores within 8 of 256, and where the first is ahead by more, the same class."""
    run_fresh(pair[1], None, edge_tpu.device)  # a library that crashes does so there
    generator = np.random.default_rng(0)
    with load(pair[0], options={"package": "tflite-runtime"}) as processor, load(pair[1], edge_tpu.device) as chip:
        for _ in range(10):
            inputs = [generator.integers(0, 256, spec.shape).astype(spec.dtype) for spec in chip.inputs]
            (expected,), (answer,) = processor.infer(inputs), chip.infer(inputs)
            assert np.abs(expected.astype(int) - answer.astype(int)).max() <= 8


def test_it_is_faster_than_the_processor(edge_tpu, shared_data):
    folder = shared_data / "models/coral"
    seconds = []
    for name, device in (("", "cpu"), ("_edgetpu", edge_tpu.device)):
        artifact = Artifact.describe(folder / f"mobilenet_v2_1.0_224_quant{name}.tflite")
        with load(artifact, device, options={"package": "tflite-runtime"}) as model:
            inputs = [np.zeros(spec.shape, spec.dtype) for spec in model.inputs]
            model.infer(inputs)
            start = time.perf_counter()
            for _ in range(50):
                model.infer(inputs)
            seconds.append(time.perf_counter() - start)
    assert seconds[1] < seconds[0]


def test_two_models_on_one_chip(edge_tpu, shared_data):
    """Compiled apart, they push each other's parameters out of the cache, and answer all the same."""
    folder = shared_data / "models/coral"
    artifacts = [Artifact.describe(folder / f"{name}_edgetpu.tflite") for name in PAIRS]
    with load(artifacts[0], edge_tpu.device) as first, load(artifacts[1], edge_tpu.device) as second:
        inputs = [[np.full(spec.shape, 99, spec.dtype) for spec in model.inputs] for model in (first, second)]
        alone = [model.infer(values)[0] for model, values in zip((first, second), inputs, strict=True)]
        for _ in range(3):
            for model, values, expected in zip((first, second), inputs, alone, strict=True):
                np.testing.assert_array_equal(model.infer(values)[0], expected)
