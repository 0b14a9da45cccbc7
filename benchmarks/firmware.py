"""Generated firmware against TFLite Micro, byte for byte, and what it takes. Prints JSON.

    python benchmarks/firmware.py MODEL.tflite [MODEL.tflite ...] [--random 1000] [--images DATA --real 200]

Random inputs are uniform over a range that is drawn for each of them. ``--images`` (as for evaluate --data) gives real
ones to models whose input is an image of three channels: stretched to its size, pixel - 128.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from tflite_micro.python.tflite_micro import runtime as tflm

from edgevision.converters.firmware import firmware
from edgevision.data.locate import open_dataset
from edgevision.resize import resample
from edgevision.runtimes import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--random", type=int, default=1000)
    parser.add_argument("--images")
    parser.add_argument("--real", type=int, default=200)
    options = parser.parse_args()
    print(json.dumps([compare(model, options) for model in options.models], indent=2))


def compare(path: Path, options: argparse.Namespace) -> dict[str, object]:
    oracle = tflm.Interpreter.from_bytes(path.read_bytes(), arena_size=16 << 20)
    with tempfile.TemporaryDirectory() as folder:
        made = firmware(path, folder)
        with load(made.artifact) as model:
            shape = model.inputs[0].shape
            vectors = [*random_inputs(shape, options.random), *real_inputs(shape, options)]
            different = 0
            for vector in vectors:
                oracle.set_input(vector, 0)
                oracle.invoke()
                different += not np.array_equal(model.infer([vector])[0], oracle.get_output(0))
    report = made.report
    return {
        "model": path.name, "inputs": len(vectors), "real": len(vectors) - options.random, "different": different,
        "arena_bytes": report["ram"]["arena_bytes"], "bound_bytes": report["ram"]["bound_bytes"],
        "measured": report["measured"],
    }  # fmt: skip


def random_inputs(shape: tuple[int, ...], count: int) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    found = []
    for _ in range(count):
        low, high = sorted(draw.integers(-128, 129, 2).tolist())
        found.append(draw.integers(low, max(high, low + 1), shape).astype(np.int8))
    return found


def real_inputs(shape: tuple[int, ...], options: argparse.Namespace) -> list[np.ndarray]:
    if options.images is None or len(shape) != 4 or shape[3] != 3:
        return []
    images = open_dataset(options.images)
    count = min(options.real, len(images))
    fitted = (resample(images.image(index), shape[1], shape[2], "linear_fixed") for index in range(count))
    return [(image.astype(int) - 128).astype(np.int8)[None] for image in fitted]


if __name__ == "__main__":
    main()
