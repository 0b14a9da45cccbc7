"""Generated firmware against TFLite Micro, byte for byte, and what both take. Prints JSON.

    python benchmarks/firmware.py MODEL.tflite [MODEL.tflite ...] [--random 1000] [--images DATA --real 200]

Random inputs are uniform over a range that is drawn for each of them. ``--images`` (as for evaluate --data) gives real
ones to models whose input is an image of three channels: stretched to its size, pixel - 128.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from firmware_inputs import dataset_images, random_inputs
from tflite_micro.python.tflite_micro import runtime as tflm

from edgevision.converters.firmware import firmware
from edgevision.graphs import read_graph
from edgevision.runtimes import load

ARENA = 16 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--random", type=int, default=1000)
    parser.add_argument("--images")
    parser.add_argument("--real", type=int, default=200)
    options = parser.parse_args()
    found = []
    for model in options.models:
        shape = input_shape(model)
        image = options.images is not None and len(shape) == 4 and shape[3] == 3
        real = dataset_images(options.images, shape, options.real) if image else ()
        found.append(compare(model, options.random, real))
    print(json.dumps(found, indent=2))


def input_shape(path: Path) -> tuple[int, ...]:
    graph = read_graph(path)
    return graph.values[graph.inputs[0]].sizes


def compare(path: Path, random: int, real: Iterable[np.ndarray]) -> dict[str, Any]:
    """Return how many inputs the two answer differently, and what each takes; of models with one input and output."""
    oracle = tflm.Interpreter.from_bytes(path.read_bytes(), arena_size=ARENA)
    counts, answers = {"random": 0, "real": 0}, set()
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        made = firmware(path, folder)
        with load(made.artifact) as model:
            shape = model.inputs[0].shape
            drawn = random_inputs(tuple(size or 1 for size in shape), random)
            for kind, vectors in (("random", drawn), ("real", real)):
                for vector in vectors:
                    oracle.set_input(vector, 0)
                    oracle.invoke()
                    wanted = oracle.get_output(0)
                    different += not np.array_equal(model.infer([vector])[0], wanted)
                    counts[kind] += 1
                    answers.add(wanted.tobytes())
    report = made.report
    return {
        "model": path.name, "inputs": counts, "answers": len(answers), "different": different,
        "arena_bytes": report["ram"]["arena_bytes"], "bound_bytes": report["ram"]["bound_bytes"],
        "measured": report["measured"], "macs": report["macs"], "tflite_micro": interpreter_memory(path),
    }  # fmt: skip


def interpreter_memory(path: Path) -> dict[str, int]:
    """Return what the wheel's interpreter allocates in its arena on this machine, whose pointers have 64 bits.

    "head" is what tensors and kernels share, "total" is with what it keeps of the graph. It says so on stderr alone.
    """
    script = (
        "import sys; from tflite_micro.python.tflite_micro import runtime as r; "
        f"r.Interpreter.from_bytes(open(sys.argv[1], 'rb').read(), arena_size={ARENA}).print_allocations()"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    found = re.findall(r"Arena allocation (total|head) (\d+) bytes", done.stderr)
    return {name: int(size) for name, size in found}


if __name__ == "__main__":
    main()
