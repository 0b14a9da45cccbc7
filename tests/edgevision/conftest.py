"""The smallest files that are models by their structure, and an artifact around one."""

import struct

import numpy as np
import pytest

from edgevision.artifact import write_artifact
from edgevision.golden import Golden, synthetic_images
from edgevision.manifest import LineageStep
from edgevision.preprocessing import Preprocessing
from edgevision.tensors import QuantParams, TensorSpec

# root offset, identifier, vtable (its size, the table's size, offset of field 0), padding, table (vtable, version 3)
TFLITE = struct.pack("<I4sHHHxxiI", 16, b"TFL3", 6, 8, 4, 8, 3)


@pytest.fixture
def tflite_bytes() -> bytes:
    return TFLITE


@pytest.fixture
def golden() -> Golden:
    generator = np.random.default_rng(1)
    return Golden(
        samples=synthetic_images(3, 8, 8, seed=7),
        targets=(1, None, 0),
        provenance=("synthetic seed 7",) * 3,
        float_outputs=(generator.random((3, 2), dtype=np.float32),),
        expected={"tflite": (generator.integers(-128, 128, (3, 2), dtype=np.int8),)},
    )


@pytest.fixture
def facts() -> dict:
    return {
        "format": "tflite",
        "name": "tiny",
        "task": "classification",
        "labels": ("cat", "dog"),
        "inputs": (TensorSpec("image", (1, 8, 8, 3), "int8", "NHWC", QuantParams((1 / 64,), (0,))),),
        "outputs": (TensorSpec("scores", (1, 2), "int8", "NC", QuantParams((1 / 256,), (-128,))),),
        "preprocessing": Preprocessing(8, 8, mean=(128,), std=(64,)),
        "decoding": {"activation": "softmax"},
        "scheme": "static_wi8_ai8",
        "source_sha256": "0" * 64,
        "lineage": (LineageStep("convert", {"scheme": "static_wi8_ai8"}, {"tensorflow": "2.21.0"}),),
        "metrics": {"top1": {"value": 0.5, "interval": [0.4, 0.6]}},
    }


@pytest.fixture
def artifact(tmp_path, facts, golden):
    return write_artifact(tmp_path / "tiny-tflite", facts, {"model.tflite": TFLITE, "history.json": b"{}"}, golden)
