"""What does `CompiledModel.infer` cost on top of the fastest documented vendor calls, written by hand?

    python benchmarks/infer_overhead.py MODEL.tflite [IR.xml] [--calls 5000] [--json]

MODEL and IR are artifacts or bare files; without an IR, OpenVINO reads the TFLite file and an IR is written for the
run. Both sides run the same file (of LiteRT: on the same interpreter) on one thread and the same inputs, in random
order; the hand-written side is there twice, and the two must agree within 1% or the machine was too noisy to say
anything (then: again, up to --attempts times). Exit status 3 when infer takes more than 1.05 times the hand-written
calls, or no attempt was calm.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.errors import EdgeVisionError
from edgevision.optional import available
from edgevision.runtimes import CompiledModel, load
from edgevision.tensors import Array

BOUND = 1.05
CONTROL = 0.01


def main() -> int:
    options = _arguments()
    try:
        with tempfile.TemporaryDirectory() as folder:
            rows = [
                measure(name, artifact, options.calls, options.attempts, options.seed)
                for runtime, artifact in _artifacts(options, Path(folder))
                for name, (its, _) in BY_HAND.items()
                if its == runtime
            ]
    except EdgeVisionError as exc:
        print(exc, file=sys.stderr)
        return exc.exit_code
    held = all(row["held"] for row in rows)
    if options.json:
        document = {"schema": 1, "kind": "edgevision-infer-overhead", "bound": BOUND, "held": held, "rows": rows}
        print(json.dumps(document, indent=2))
    else:
        print(table(rows))
    return 0 if held else 3


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="TFLite artifact or file")
    parser.add_argument("ir", type=Path, nargs="?", help="OpenVINO artifact or .xml")
    parser.add_argument("--calls", type=int, default=5000, help="calls of each side (default 5000)")
    parser.add_argument("--attempts", type=int, default=5, help="tries to get a calm measurement (default 5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _artifacts(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Artifact]]:
    yield "tflite", _open(options.model)
    if not available("openvino"):
        print("openvino is not installed: only tflite is measured", file=sys.stderr)
        return
    if options.ir is not None:
        yield "openvino", _open(options.ir)
        return
    import openvino

    model = openvino.Core().read_model(_open(options.model).model_file)
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    yield "openvino", _open(folder / "model.xml")


def _open(path: Path) -> Artifact:
    return Artifact.open(path) if path.is_dir() else Artifact.describe(path)


def by_hand_tflite(model: Any, _: Artifact) -> Callable[[list[Array]], tuple[Array, ...]]:
    """The calls of LiteRT's Python guide, on the model's own interpreter."""
    interpreter = model.interpreter
    (first,), (last,) = interpreter.get_input_details(), interpreter.get_output_details()
    source, result = first["index"], last["index"]

    def run(inputs: list[Array]) -> tuple[Array, ...]:
        interpreter.set_tensor(source, inputs[0])
        interpreter.invoke()
        return (interpreter.get_tensor(result),)

    return run


def by_hand_openvino(model: Any, artifact: Artifact) -> Callable[[list[Array]], tuple[Array, ...]]:
    """Bound input and output tensors, `infer()`, and a copy of the result: OpenVINO's Python API, the same settings."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    settings["ENABLE_CPU_PINNING"] = False
    request = openvino.Core().compile_model(artifact.model_file, "CPU", settings).create_infer_request()
    source, result = (np.zeros(spec.shape, spec.dtype) for spec in (model.inputs[0], model.outputs[0]))
    request.set_input_tensor(0, openvino.Tensor(source, shared_memory=True))
    request.set_output_tensor(0, openvino.Tensor(result, shared_memory=True))

    def run(inputs: list[Array]) -> tuple[Array, ...]:
        np.copyto(source, inputs[0])
        request.infer(share_outputs=True)
        return (result.copy(),)

    return run


def by_hand_openvino_c(model: Any, _: Artifact) -> Callable[[list[Array]], tuple[Array, ...]]:
    """The same calls of OpenVINO's C interface, through ctypes, on the model's own request."""
    infer, (source,), (result,) = model.request.infer, model.input_arrays, model.output_arrays

    def run(inputs: list[Array]) -> tuple[Array, ...]:
        np.copyto(source, inputs[0])
        infer()
        return (result.copy(),)

    return run


BY_HAND = {
    "LiteRT's Python API": ("tflite", by_hand_tflite),
    "OpenVINO's Python API": ("openvino", by_hand_openvino),
    "OpenVINO's C API": ("openvino", by_hand_openvino_c),
}
"""What is called by hand -> the runtime, and what makes the call."""


def measure(name: str, artifact: Artifact, calls: int, attempts: int, seed: int) -> dict[str, Any]:
    """Compare on one runtime; the calmest attempt counts, chosen by the control alone."""
    runtime, by_hand = BY_HAND[name]
    with load(artifact, runtime=runtime, options={"threads": 1}) as model:
        hand = by_hand(model, artifact)
        inputs = _inputs(model, seed)
        for tensors in inputs:
            if not np.array_equal(hand(tensors)[0], model.infer(tensors)[0]):
                raise EdgeVisionError(
                    f"{name}: the hand-written calls give other results: the comparison means nothing"
                )
        rows = []
        for attempt in range(attempts):
            rows.append(_attempt(name, model, hand, inputs, calls, seed + attempt))
            if rows[-1]["calm"]:
                break
    best = min(rows, key=lambda row: abs(row["control"] - 1))
    return {**best, "attempts": len(rows), "held": best["calm"] and best["ratio"] <= BOUND, "facts": dict(model.facts)}


def _inputs(model: CompiledModel, seed: int) -> list[list[Array]]:
    (spec,) = model.inputs
    generator = np.random.default_rng(seed)
    shape = tuple(size or 1 for size in spec.shape)
    return [[generator.integers(-128, 128, shape).astype(spec.dtype)] for _ in range(8)]


def _attempt(
    name: str, model: CompiledModel, hand: Callable[..., Any], inputs: list[list[Array]], calls: int, seed: int
) -> dict[str, Any]:
    sides = {"infer": model.infer, "hand": hand, "hand_again": hand}
    for tensors in inputs * 50:
        for call in sides.values():
            call(tensors)
    order, samples = random.Random(seed), {side: np.zeros(calls) for side in sides}
    schedule = [order.sample(list(sides), len(sides)) for _ in range(calls)]
    clock = time.perf_counter_ns
    with _calm():
        for index, turn in enumerate(schedule):
            tensors = inputs[index % len(inputs)]
            for side in turn:
                call = sides[side]
                start = clock()
                call(tensors)
                samples[side][index] = clock() - start
    p50 = {side: float(np.median(times)) / 1e6 for side, times in samples.items()}
    control = p50["hand_again"] / p50["hand"]
    both = float(np.median(np.concatenate([samples["hand"], samples["hand_again"]]))) / 1e6
    return {
        "by_hand": name,
        "calls": calls,
        "infer_p50_ms": p50["infer"],
        "hand_p50_ms": both,
        "ratio": p50["infer"] / both,
        "control": control,
        "calm": abs(control - 1) <= CONTROL,
    }


@contextmanager
def _calm() -> Iterator[None]:
    """No garbage collection, and one core, which the scheduler then need not choose again."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    gc.collect()
    gc.disable()
    try:
        if cores:
            os.sched_setaffinity(0, {max(cores)})
        yield
    finally:
        gc.enable()
        if cores:
            os.sched_setaffinity(0, cores)


def table(rows: list[dict[str, Any]]) -> str:
    lines = [f"{'by hand':<22} {'calls':>6} {'infer':>10} {'it':>10} {'ratio':>7} {'control':>8}  verdict"]
    for row in rows:
        verdict = "held" if row["held"] else ("too noisy to say" if not row["calm"] else f"over {BOUND}")
        lines.append(
            f"{row['by_hand']:<22} {row['calls']:>6} {row['infer_p50_ms']:>7.4f} ms {row['hand_p50_ms']:>7.4f} ms "
            f"{row['ratio']:>7.3f} {row['control']:>8.4f}  {verdict}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
