"""edgevision beside what vendors ship to measure and to run their models with. Prints JSON.

    python benchmarks/against_vendors.py --ir IR --mobilenet-ir IR --mobilenet TFLITE [--rounds 5] [--seconds 5]

Each pair takes turns (A B B A …) on the same file; figures are medians over the rounds. `litert-benchmark` rounds a
median to 0.01 ms, so it is compared on a large model. Model API and edgevision take the same image, in one process,
call after call.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.benchmark.inputs import inputs_for
from edgevision.classifier import Classifier
from edgevision.runtimes import load
from edgevision.runtimes.throughput import Throughput
from edgevision.tasks.classification import classify

BIN = Path(sys.executable).parent
CALLS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ir", type=Path, required=True, help="int8 ResNet-8 as OpenVINO IR")
    parser.add_argument("--mobilenet-ir", type=Path, required=True, help="MobileNetV2 as OpenVINO IR")
    parser.add_argument("--mobilenet", type=Path, required=True, help="MobileNetV2 as TFLite")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    small, large, tflite = (Artifact.open(path) for path in (options.ir, options.mobilenet_ir, options.mobilenet))
    rounds, seconds = options.rounds, options.seconds
    print(
        json.dumps(
            {
                "offline": _turns(rounds, lambda: _many(small, seconds), lambda: _app(small, seconds, "throughput")),
                "single_small": _turns(rounds, lambda: _p50(small, seconds), lambda: _app(small, seconds, "latency")),
                "caller_small": _turns(rounds, lambda: _p50(small, seconds), lambda: _app(small, seconds, "caller")),
                "single_large": _turns(rounds, lambda: _p50(large, seconds), lambda: _app(large, seconds, "latency")),
                "single_litert": _turns(rounds, lambda: _p50(tflite, seconds), lambda: _litert(tflite, seconds)),
                "image_to_class": _image_to_class(small),
            }
        )
    )


def _turns(rounds: int, ours: Callable[[], float], theirs: Callable[[], float]) -> dict[str, Any]:
    """Measure both, forwards and backwards by turns."""
    found: dict[str, list[float]] = {"ours": [], "theirs": []}
    sides = [("ours", ours), ("theirs", theirs)]
    for turn in range(rounds):
        for name, side in sides if turn % 2 == 0 else reversed(sides):
            found[name].append(side())
    medians = {name: statistics.median(values) for name, values in found.items()}
    return {**medians, "ratio": medians["ours"] / medians["theirs"], "turns": found}


def _many(artifact: Artifact, seconds: float) -> float:
    """Inferences per second of `infer_many`, all cores."""
    with load(artifact, options={"threads": None}) as model:
        assert isinstance(model, Throughput)
        inputs, _ = inputs_for(artifact, model.inputs, 0)
        many = [inputs[place % len(inputs)] for place in range(1000)]
        model.infer_many(many)  # finds the best way
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            model.infer_many(many)
            done += len(many)
        return done / (time.perf_counter() - start)


def _p50(artifact: Artifact, seconds: float) -> float:
    """Median milliseconds that `edgevision benchmark` measures on one thread, in a process of its own as the others."""
    runtime = "openvino" if artifact.manifest.format == "openvino" else "tflite"
    said = _run(BIN / "edgevision", "benchmark", artifact.path, "--runtime", runtime, "--min-duration", str(seconds),
                "--json")  # fmt: skip
    return float(json.loads(said)["entries"][0]["latency"]["p50_ms"])


def _app(artifact: Artifact, seconds: float, hint: str) -> float:
    """What OpenVINO's benchmark_app measures, by hint.

    "throughput": inferences per second. "latency": median milliseconds on one thread, by a clock within the call.
    "caller": mean milliseconds of the same from one call to the next. It would turn a float32 input into a uint8 one:
    -ip keeps the model as it is.
    """
    command = [BIN / "benchmark_app", "-m", artifact.model_file, "-d", "CPU", "-t", str(round(seconds)), "-ip", "f32"]
    if hint == "throughput":
        command += ["-hint", "throughput"]
    else:
        command += ["-hint", "none", "-api", "sync", "-nireq", "1", "-nstreams", "1", "-nthreads", "1"]
    said = _run(*command, "-infer_precision", "f32")
    found = re.search(r"Median: +([0-9.]+) (ms|us)" if hint == "latency" else r"Throughput: +([0-9.]+) (FPS)", said)
    if found is None:
        raise SystemExit(f"benchmark_app said nothing of it:\n{said[-2000:]}")
    if hint == "caller":
        return 1000 / float(found[1])
    return float(found[1]) / (1000 if found[2] == "us" else 1)


def _litert(artifact: Artifact, seconds: float) -> float:
    """Median milliseconds that LiteRT's own tool measures on one thread."""
    count = max(50, round(seconds / (_p50(artifact, 0.5) / 1e3)))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "result.json")
        _run(BIN / "litert-benchmark", "--model", artifact.model_file, "--num_threads", "1", "--warmup_runs", "20",
             "--num_runs", str(count), "--result_json", file)  # fmt: skip
        found = re.search(r'"median_ms": ([0-9.]+)', file.read_text(encoding="utf-8"))
    assert found is not None
    return float(found[1])


def _run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def _image_to_class(artifact: Artifact) -> dict[str, Any]:
    """Microseconds from an image to its class, of Model API's classifier and of ours, one thread each."""
    import openvino
    from model_api.adapters import OpenvinoAdapter
    from model_api.models import Model

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    adapter = OpenvinoAdapter(openvino.Core(), str(artifact.model_file), device="CPU", plugin_config=settings)
    theirs = Model.create_model(adapter)
    golden = artifact.golden()
    assert golden is not None
    labels = artifact.manifest.labels
    images = [(sample, np.ascontiguousarray(sample[..., ::-1])) for sample in golden.samples]  # it takes BGR
    times: dict[str, list[int]] = {"ours": [], "theirs": []}
    activation, alike = artifact.manifest.decoding.get("activation"), 0
    with Classifier(artifact, runtime="openvino") as ours:
        for call in range(CALLS):
            image, turned = images[call % len(images)]
            start = time.perf_counter_ns()
            (mine,) = classify(ours(image), ours.output, labels, 1, activation)
            middle = time.perf_counter_ns()
            found = theirs(turned)
            end = time.perf_counter_ns()
            alike += found.top_labels[0].name == mine.label
            if call >= CALLS // 10:
                times["ours"].append(middle - start)
                times["theirs"].append(end - middle)
    medians = {name: statistics.median(values) / 1e3 for name, values in times.items()}
    return {**medians, "ratio": medians["ours"] / medians["theirs"], "same_class": alike / CALLS}


if __name__ == "__main__":
    main()
