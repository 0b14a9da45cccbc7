"""What a process of its own costs a model: inferences there and here in turns, and how soon it is back when killed.

    python benchmarks/isolation.py ARTIFACT [ARTIFACT ...] [--calls 100] [--json]

Each round has an inference in the model's process, one in this process, and a second one here, as a control, in random
order. A third of the time nothing is done before it, as when frames come at their own pace: a process that sleeps has
to be woken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.errors import WorkerDiedError
from edgevision.pipeline.isolation import IsolatedModel
from edgevision.runtimes import CompiledModel, load

PAUSE_S = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", nargs="+", type=Path)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [measured(Artifact.open(path), options.calls) for path in options.artifacts]
    print(json.dumps(rows, indent=None if options.json else 2))


def measured(artifact: Artifact, calls: int) -> dict[str, Any]:
    """Medians of each side, and the seconds of a start and of a start after a death."""
    began = time.perf_counter()
    with IsolatedModel(artifact) as apart, load(artifact) as here, load(artifact) as again:
        start_s = time.perf_counter() - began
        inputs = _inputs(here)
        for one, other in zip(apart.infer(inputs), here.infer(inputs), strict=True):
            np.testing.assert_array_equal(one, other)
        sides = {"apart": apart, "here": here, "again": again}
        times: dict[str, list[float]] = {name: [] for name in sides}
        chance = random.Random(0)
        for number in range(calls):
            for name in chance.sample(sorted(sides), 3):
                if number % 3 == 0:
                    time.sleep(PAUSE_S)
                began = time.perf_counter()
                sides[name].infer(inputs)
                times[name].append((time.perf_counter() - began) * 1e3)
        back_s = _killed(apart, inputs)
    median = {name: statistics.median(values) for name, values in times.items()}
    return {
        "model": artifact.manifest.name,
        "runtime": str(here.facts["runtime"]),
        "input_bytes": sum(array.nbytes for array in inputs),
        "here_ms": median["here"],
        "apart_ms": median["apart"],
        "added_ms": median["apart"] - median["here"],
        "ratio": median["apart"] / median["here"],
        "control": median["again"] / median["here"],
        "start_s": start_s,
        "back_s": back_s,
    }


def _inputs(model: CompiledModel) -> list[Any]:
    random_ = np.random.default_rng(0)
    return [
        (random_.random(spec.shape) * (1 if "float" in spec.dtype else 100)).astype(spec.dtype)  # type: ignore[arg-type]
        for spec in model.inputs
    ]


def _killed(model: IsolatedModel, inputs: list[Any]) -> float:
    """Kill its process, and return the seconds until it has answered again."""
    os.kill(model.facts["pid"], signal.SIGKILL)
    began = time.monotonic()
    while True:
        if model.revive() == "":
            try:
                model.infer(inputs)
            except WorkerDiedError:
                continue
            return time.monotonic() - began
        time.sleep(0.01)


if __name__ == "__main__":
    main()
