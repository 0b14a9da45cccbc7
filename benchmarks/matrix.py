"""One model on every runtime: accuracy, agreement with the float model, signal to noise, latency. Prints JSON.

    python benchmarks/matrix.py --data LOCATION --split test --float MODEL-tflite-float32 MODEL-*

Every artifact runs on each runtime and package here that has its format; OpenVINO once in float32 and once in bfloat16,
where the processor has that. The float model is the float TFLite one on LiteRT. Latencies are taken in turns, one
thread, on images of the data set.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.benchmark import Candidate, benchmark
from edgevision.data.dataset import ImageDataset
from edgevision.data.locate import open_dataset
from edgevision.errors import IncompatibleModelError
from edgevision.evaluate import evaluate
from edgevision.metrics.closeness import Closeness
from edgevision.runtimes import load
from edgevision.verify.agreement import agreement
from edgevision.verify.distance import real_stored
from edgevision.verify.running import Answers, run_images

WAYS: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
    "tflite": [
        ("ai-edge-litert", "tflite", {"package": "ai-edge-litert"}),
        ("tflite-runtime", "tflite", {"package": "tflite-runtime"}),
    ],
    "openvino": [
        ("OpenVINO f32", "openvino", {"precision": "float32"}),
        ("OpenVINO bf16", "openvino", {"precision": "bfloat16"}),
    ],
    "onnx": [("ONNX Runtime", "onnxruntime", {})],
}
"""Format -> what is shown of it, the runtime, and its options."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", nargs="+", type=Path)
    parser.add_argument("--float", dest="floats", type=Path, required=True, help="the float TFLite artifact")
    parser.add_argument("--data", required=True)
    parser.add_argument("--split")
    parser.add_argument("--min-duration", type=float, default=8.0, help="seconds of measurement each")
    options = parser.parse_args()
    data = open_dataset(options.data, options.split)
    reference = _answers(Artifact.open(options.floats), data, "tflite", {"package": "ai-edge-litert"})
    cells, absent = [], []
    for artifact in map(Artifact.open, options.artifacts):
        for label, runtime, chosen in WAYS[artifact.manifest.format]:
            try:
                load(artifact, runtime=runtime, options=chosen).close()
                cells.append((label, artifact, runtime, chosen))
            except IncompatibleModelError as exc:
                absent.append({"scheme": artifact.manifest.scheme, "way": label, "why": str(exc)})
    candidates = [Candidate(artifact, runtime, options=chosen) for _, artifact, runtime, chosen in cells]
    timing = benchmark(candidates, min_duration_s=options.min_duration, seed=0)
    rows = []
    for (label, artifact, runtime, chosen), entry in zip(cells, timing.entries, strict=True):
        found = _answers(artifact, data, runtime, chosen)
        real = np.asarray(real_stored(found.outputs[0], found.specs[0]))
        score = evaluate(artifact, data, runtime=runtime, options=chosen).classification
        rows.append(
            {
                "scheme": artifact.manifest.scheme,
                "way": label,
                "images": len(data),
                "accuracy": None if score is None else score.accuracy.value,
                "agreement": agreement(found.best(), reference.best()).to_dict(),
                "sqnr_db": Closeness.of(reference.outputs[0], real).sqnr_db,
                "p50_ms": entry.latency.p50_ms,
                "p99_ms": entry.latency.p99_ms,
            }
        )
    noise = timing.noise
    print(json.dumps({"rows": rows, "absent": absent, "noise": None if noise is None else noise.to_dict()}))


def _answers(artifact: Artifact, data: ImageDataset, runtime: str, options: dict[str, Any]) -> Answers:
    images = (data.image(index) for index in range(len(data)))
    return run_images(artifact, images, runtime=runtime, options=options)


if __name__ == "__main__":
    main()
