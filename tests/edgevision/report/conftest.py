"""A report like the demo's: a ResNet-8 on CIFAR-10, in eight forms on three runtimes, with plausible figures."""

import numpy as np
import pytest

from edgevision.metrics.intervals import proportion
from edgevision.report.model import Entry, History, Report, Step
from edgevision.report.run import Latency, Run

LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
IMAGES = 2000
# name, format, scheme, bytes, deflated, [(runtime, correct, agreeing, p50, verdict)]
FORMS = [
    ("resnet8-keras", "keras", "float32", 1_014_272, 931_104, [("keras", 1768, None, 1.91, None)]),
    (
        "resnet8-tflite-float32",
        "tflite",
        "float32",
        319_556,
        292_310,
        [("tflite", 1768, 2000, 0.402, "holds"), ("openvino", 1768, 2000, 0.688, "holds")],
    ),
    ("resnet8-tflite-float16", "tflite", "float16", 164_084, 147_201, [("tflite", 1768, 1999, 0.409, "holds")]),
    (
        "resnet8-tflite-static_wi8_ai8",
        "tflite",
        "static_wi8_ai8",
        98_480,
        82_055,
        [("tflite", 1765, 1969, 0.119, "holds"), ("openvino", 1763, 1951, 0.341, "unproven")],
    ),
    (
        "resnet8-qat-tflite-static_wi8_ai8",
        "tflite",
        "static_wi8_ai8",
        98_632,
        82_410,
        [("tflite", 1771, 1958, 0.121, "holds")],
    ),
    (
        "resnet8-pruned-tflite-static_wi8_ai8",
        "tflite",
        "static_wi8_ai8",
        98_480,
        52_610,
        [("tflite", 1741, 1902, 0.120, "holds")],
    ),
    ("resnet8-openvino-float32", "openvino", "float32", 372_120, 301_455, [("openvino", 1768, 2000, 0.512, "holds")]),
    (
        "resnet8-openvino-static_wi8_ai8",
        "openvino",
        "static_wi8_ai8",
        191_022,
        96_013,
        [("openvino", 1759, 1966, 0.187, "broken")],
    ),
]


def confusion(correct: int, rng: np.random.Generator) -> tuple[tuple[int, ...], ...]:
    """A matrix of IMAGES images in balanced classes, with so many on the diagonal; cats are taken for dogs."""
    size = len(LABELS)
    weights = np.full((size, size), 0.5)
    for a, b in ((3, 5), (5, 3), (0, 8), (8, 0), (1, 9), (9, 1), (2, 4), (4, 7)):
        weights[a, b] = 6
    np.fill_diagonal(weights, 0)
    wrong = rng.multinomial(IMAGES - correct, (weights / weights.sum()).ravel()).reshape(size, size)
    matrix = wrong + np.diag(IMAGES // size - wrong.sum(axis=1))
    return tuple(tuple(int(cell) for cell in row) for row in matrix)


def latency(p50: float, rng: np.random.Generator) -> Latency:
    """Percentiles of a right-skewed sample around a median."""
    samples = p50 * (0.97 + rng.gamma(1.2, 0.035, 4000) + (rng.random(4000) > 0.985) * rng.random(4000) * 0.9)
    p50, p90, p95, p99 = (float(value) for value in np.percentile(samples, (50, 90, 95, 99)))
    return Latency(4000, p50, p90, p95, p99, load_ms=p50 * 9, first_ms=p50 * 4, peak_rss_bytes=61_000_000)


def history(name: str, epochs: int, rng: np.random.Generator) -> History:
    """Learning curves that flatten out, with the jumps of the validation set."""
    t = np.arange(1, epochs + 1)
    accuracy = 0.93 - 0.55 * np.exp(-t / (epochs / 6)) + rng.normal(0, 0.002, epochs)
    validation = 0.883 - 0.45 * np.exp(-t / (epochs / 7)) + rng.normal(0, 0.008, epochs) * np.exp(-t / epochs)
    curves = {
        "accuracy": accuracy,
        "val_accuracy": validation,
        "loss": 1.9 * np.exp(-t / (epochs / 5)) + 0.22,
        "val_loss": 1.6 * np.exp(-t / (epochs / 5)) + 0.38 + np.abs(rng.normal(0, 0.03, epochs)),
        "learning_rate": 0.1 * (1 + np.cos(np.pi * t / epochs)) / 2,
    }
    return History(name, {metric: tuple(map(float, values)) for metric, values in curves.items()})


def entry(name, form, scheme, size, deflated, runs, rng) -> Entry:
    lineage = (
        Step("train", {"architecture": "resnet8", "epochs": 120, "seed": 1}, {"tensorflow": "2.21.0"}),
        Step("convert", {"to": form, "scheme": scheme, "calibration_samples": 256}, {"tensorflow": "2.21.0"}),
    )
    built = tuple(
        Run(
            runtime,
            facts={"package": {"tflite": "ai-edge-litert 2.3.0"}.get(runtime, runtime), "threads": 1},
            accuracy=proportion(correct, IMAGES),
            agreement=None if agreeing is None else proportion(agreeing, IMAGES),
            confusion=confusion(correct, rng),
            verdict=verdict,
            max_abs_error=None if verdict is None else 0.0431,
            latency=latency(p50, rng),
        )
        for runtime, correct, agreeing, p50, verdict in runs
    )
    return Entry(name, form, scheme, size, deflated, built, lineage, sha256="ab" * 32)


def example_report(**changes) -> Report:
    rng = np.random.default_rng(7)
    fields = {
        "title": "ResNet-8 on CIFAR-10: float model against its artifacts",
        "reference": "resnet8-keras",
        "entries": tuple(entry(*form, rng) for form in FORMS),
        "labels": LABELS,
        "dataset": "CIFAR-10 test, shipped subset of 2,000 images",
        "created": "2026-11-23T04:00:00Z",
        "environment": {"cpu": "Some CPU @ 2.40 GHz", "cores": 2, "python": "3.11.2", "load average": 1.84},
        "protocol": {"warm-up": "0.5 s", "minimum duration": "2 s", "minimum count": 100, "threads": 1, "batch": 1},
        "histories": (history("train", 120, rng), history("prune: fine-tune", 2, rng)),
        "notes": ("A training ran beside the measurement.",),
    }
    return Report(**{**fields, **changes})


@pytest.fixture(scope="session")
def report() -> Report:
    return example_report()


@pytest.fixture(scope="session")
def make_report():
    """The same with some fields changed."""
    return example_report
