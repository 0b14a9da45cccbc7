"""What ``edgevision demo`` does, step by step; every step is one call of the library."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgevision.artifact import Artifact
from edgevision.benchmark import BenchmarkReport, Candidate, benchmark
from edgevision.converters.golden_samples import make_golden
from edgevision.converters.keras_import import SourceModel, load_source
from edgevision.converters.pruning import prune
from edgevision.converters.quantization import quantize_aware
from edgevision.data.locate import sample
from edgevision.errors import BackendUnavailableError
from edgevision.evaluate import evaluate
from edgevision.export import export
from edgevision.files import check_place
from edgevision.optional import available
from edgevision.report import Measured, Report, build_report, write_report
from edgevision.runtimes.base import available_runtimes
from edgevision.shipped import shipped_model
from edgevision.verify import verify

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset
    from edgevision.golden import Golden

FORMATS = ("tflite", "openvino")
PACKAGES = ("tf_keras", "tensorflow_model_optimization", "openvino", "nncf", "jinja2", "matplotlib")
SPARSITY = 0.5
DATASET = "CIFAR-10 sample: 1,000 test images, 100 a class, shipped with edgevision"
NOTE = (
    "Pruned zeros make a file smaller only when it is compressed (the deflated bytes); no runtime here computes "
    "faster because of them."
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Demo:
    """What the demo made.

    Attributes:
        report: what was measured.
        files: report.json, report.html and benchmark.json.
        artifacts: one per variant and format, sealed.
        verified: whether every artifact keeps its parity contract on every runtime here.
    """

    report: Report
    files: tuple[Path, ...]
    artifacts: tuple[Artifact, ...]
    verified: bool


def _check_extras() -> None:
    """Name everything that is missing at once, before the work."""
    missing = [name for name in PACKAGES if not available(name)]
    if missing:
        raise BackendUnavailableError(
            f"the demo needs {', '.join(missing)}", next_step='install it: pip install "edgevision[compress,report]"'
        )


def run_demo(
    out: str | Path,
    *,
    calibration_count: int = 500,
    test_images: int = 1000,
    min_duration_s: float = 2.0,
    seed: int = 0,
    overwrite: bool = False,
    say: Say = lambda step: None,
) -> Demo:
    """Take the shipped ResNet-8 through pruning, PTQ and QAT to TFLite and OpenVINO, verify, benchmark and report.

    Args:
        out: the folder that gets ``artifacts/`` and ``report/``.
        calibration_count: how many of the 1,600 shipped training images calibrate.
        test_images: how many of the 1,000 shipped test images to evaluate on.
        min_duration_s: seconds of measured inference per artifact and runtime.
        seed: decides fine-tuning, calibration and the order of measurements.
        overwrite: whether the results of an earlier demo there may be replaced.
        say: called with each step before it begins.

    Raises:
        ConfigError: ``out`` has an earlier demo.
        BackendUnavailableError: an extra is not installed.
    """
    out = Path(out)
    _check_extras()
    check_place(out / "report", overwrite)
    train, test = sample("train"), sample("test").balanced(test_images, seed)
    shipped = shipped_model()
    reference = Artifact.open(shipped)
    source = load_source(shipped)
    golden = make_golden(source, test, seed=seed)
    variants = _variants(source, train, seed, say)
    calibration = {"calibration_data": train, "calibration_count": calibration_count}
    artifacts = _export(variants, calibration, golden, out / "artifacts", seed, overwrite, say)
    say("evaluating the float model")
    measured = [Measured(reference, [evaluate(reference, test, runtime="keras")], name="float model (Keras)")]
    measured += [_measure(artifact, test, say) for artifact in artifacts]
    timing = _benchmark(artifacts, min_duration_s, seed, say)
    history = json.loads((shipped / "history.json").read_text(encoding="utf-8"))["epochs"]
    say("writing the report")
    report = build_report(
        "ResNet-8 on CIFAR-10, the whole way",
        measured[0],
        measured[1:],
        benchmark=timing,
        histories={"training of the float model": history},
        dataset=DATASET if test_images == 1000 else f"{test_images} of the {DATASET}",
        notes=(NOTE,),
    )
    files = write_report(report, out / "report", benchmark=timing, overwrite=overwrite)
    verified = all(item.verification is None or item.verification.holds for item in measured)
    return Demo(report, files, artifacts, verified)


def _variants(source: SourceModel, train: ImageDataset, seed: int, say: Say) -> list[tuple[SourceModel, str]]:
    """Return the models with the scheme that each is exported in."""
    say(f"pruning to {SPARSITY:.0%} zeros, with a short fine-tuning")
    pruned, _ = prune(source, train, target_sparsity=SPARSITY, epochs=3, learning_rate=1e-3, seed=seed)
    say("quantization-aware training")
    trained, _ = quantize_aware(source, train, epochs=1, seed=seed)
    return [
        (source, "float32"),
        (source, "static_wi8_ai8"),
        (replace(pruned, name=f"{source.name}-pruned"), "static_wi8_ai8"),
        (replace(trained, name=f"{source.name}-qat"), "static_wi8_ai8"),
    ]


def _export(
    variants: Sequence[tuple[SourceModel, str]],
    calibration: Mapping[str, Any],
    golden: Golden | None,
    out: Path,
    seed: int,
    overwrite: bool,
    say: Say,
) -> tuple[Artifact, ...]:
    artifacts: list[Artifact] = []
    for model, scheme in variants:
        say(f"exporting {model.name} as {scheme} to {' and '.join(FORMATS)}")
        conversions = export(
            model,
            out,
            to=FORMATS,
            scheme=scheme,
            **calibration,
            golden=golden,
            seed=seed,
            overwrite=overwrite,
        )
        artifacts += [conversion.artifact for conversion in conversions]
    return tuple(artifacts)


def _measure(artifact: Artifact, test: ImageDataset, say: Say) -> Measured:
    say(f"evaluating and verifying {artifact.path.name}")
    evaluations = [evaluate(artifact, test, runtime=name) for name in available_runtimes(artifact)]
    return Measured(artifact, evaluations, verify(artifact))


def _benchmark(artifacts: Sequence[Artifact], min_duration_s: float, seed: int, say: Say) -> BenchmarkReport:
    say("benchmarking, all candidates in turns")
    candidates = [Candidate(artifact, name) for artifact in artifacts for name in available_runtimes(artifact)]
    return benchmark(candidates, min_duration_s=min_duration_s, seed=seed)
