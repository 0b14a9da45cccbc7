"""Time the shipped ResNet-8 as float and as int8, taking turns, on one thread.

python examples/benchmark.py [FOLDER]
"""

import sys
from pathlib import Path

from edgevision import open_dataset
from edgevision.benchmark import Candidate, benchmark
from edgevision.converters.keras_import import load_source
from edgevision.export import export
from edgevision.shipped import shipped_model


def main(folder: Path) -> None:
    source = load_source(shipped_model())
    images = open_dataset("sample", "train")
    candidates = []
    for scheme in ("float32", "static_wi8_ai8"):
        (conversion,) = export(source, folder, scheme=scheme, calibration_data=images, overwrite=True)
        candidates.append(Candidate(conversion.artifact, "tflite", options={"threads": 1}))

    report = benchmark(candidates, warmup_s=0.2, min_duration_s=1.0)

    for entry in report.entries:
        latency = entry.latency
        tail = "too few for a p99" if latency.p99_ms is None else f"p99 {latency.p99_ms:.3f} ms"
        print(f"{entry.scheme}: p50 {latency.p50_ms:.3f} ms, {tail}, {latency.count} inferences")
        print(f"  loaded in {entry.load_ms:.1f} ms, first inference {entry.first_ms:.3f} ms, in a fresh process")
    print(report.protocol.text)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
