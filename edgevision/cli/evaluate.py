"""``edgevision evaluate``: how good an artifact is on labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command
from edgevision.cli.evaluate_text import detection_text
from edgevision.cli.options import FloatRange, data_options, model_argument, runtime_options, runtime_settings
from edgevision.cli.output import check_failed, facts, show, table, working
from edgevision.cli.remote import machine_entry, ran_on, remote_options
from edgevision.errors import ConfigError

if TYPE_CHECKING:
    from edgevision.evaluate import Evaluation, EvaluationSummary
    from edgevision.evaluate_detection import DetectionEvaluation, DetectionSummary
    from edgevision.metrics.intervals import Proportion
    from edgevision.remote import Machine, Remote


@command(
    "evaluate",
    "edgevision evaluate runs/resnet8-tflite-static_wi8_ai8 --data sample",
    "edgevision evaluate runs/resnet8-openvino-float32 --data cifar10/ --split test --min-accuracy 0.872",
    "edgevision evaluate yolox --data coco128.zip --min-map50 0.49",
)
@model_argument()
@data_options(required=True)
@click.option("--count", type=click.IntRange(min=1), help="Images, drawn evenly from the classes.  [default: all]")
@click.option("--min-accuracy", type=FloatRange(0, 1), help="Exit with status 3 when the accuracy is lower, 0 to 1.")
@click.option("--min-map50", type=FloatRange(0, 1), help="Exit with status 3 when a detector's mAP50 is lower.")
@runtime_options()
@remote_options
def evaluate(
    model: Path,
    data: str,
    split: str | None,
    count: int | None,
    min_accuracy: float | None,
    min_map50: float | None,
    runtime: str | None,
    device: str,
    threads: int | None,
    precision: str | None,
    chosen: tuple[tuple[str, str], ...],
    isolate: bool | None,
    remote: Remote | None,
) -> None:
    """Measure how good MODEL is on labelled images: one image at a time, as on a device.

    A classifier is measured on images with classes, a detector on images with boxes: by mean average precision, from
    score 0.01 up, and precision, recall and F1 at the artifact's own threshold.
    """
    options = runtime_settings(threads, precision, chosen, [runtime] if runtime else [])
    if remote is not None:
        result, machine = _there(model, remote, data, split, count, runtime, options, isolate)
    else:
        result, machine = _here(model, data, split, count, runtime, device, options, isolate), None
    from edgevision.evaluate_detection import DetectionSummary

    detector = isinstance(result, DetectionSummary)
    text = detection_text(result) if isinstance(result, DetectionSummary) else _text(result)
    show({"model": str(model), "data": data, **result.to_dict(), **machine_entry(machine)}, text + ran_on(machine))
    if (min_accuracy is not None and detector) or (min_map50 is not None and not detector):
        raise ConfigError("--min-accuracy is for classifiers, --min-map50 for detectors")
    if isinstance(result, DetectionSummary):
        _check("mAP50", result.detection.map50, min_map50)
    else:
        _check("accuracy", result.classification.accuracy.value, min_accuracy)


def _check(name: str, value: float | None, least: float | None) -> None:
    if least is not None and (value or 0.0) < least:
        check_failed(f"{name} {value or 0.0:.4f} is lower than {least:g}")


def _here(
    model: Path,
    data: str,
    split: str | None,
    count: int | None,
    runtime: str | None,
    device: str,
    options: dict[str, Any],
    isolate: bool | None,
) -> Evaluation | DetectionEvaluation:
    from edgevision.cli.models import open_to_run
    from edgevision.data.locate import open_dataset
    from edgevision.data.locate_boxes import open_detection_dataset
    from edgevision.evaluate import evaluate as evaluate_artifact

    artifact = open_to_run(model, [runtime] if runtime else [], device, options, isolate)
    settings: dict[str, Any] = {"runtime": runtime, "device": device, "options": options}
    if artifact.manifest.task == "detection":
        boxes = open_detection_dataset(data, split)
        with working("evaluating") as progress:
            return evaluate_artifact(artifact, boxes.balanced(count) if count else boxes, progress=progress, **settings)
    dataset = open_dataset(data, split)
    with working("evaluating") as progress:
        return evaluate_artifact(artifact, dataset.balanced(count) if count else dataset, progress=progress, **settings)


def _there(
    model: Path,
    remote: Remote,
    data: str,
    split: str | None,
    count: int | None,
    runtime: str | None,
    options: dict[str, Any],
    isolate: bool | None,
) -> tuple[EvaluationSummary | DetectionSummary, Machine]:
    from edgevision.cli.models import open_model
    from edgevision.remote import evaluate_there

    with working("evaluating") as progress:
        ran = evaluate_there(
            open_model(model), remote, data=data, split=split, count=count, runtime=runtime, options=options,
            isolate=isolate, tell=progress.say,
        )  # fmt: skip
    return ran.result, ran.machine


def _text(result: EvaluationSummary) -> str:
    metrics = result.classification
    package = " ".join(str(result.facts[key]) for key in ("package", "version") if result.facts.get(key))
    summary = facts(
        {
            "images": f"{metrics.count:,}",
            "accuracy": _percent(metrics.accuracy),
            "macro F1": f"{metrics.macro_f1:.4f}",
            "calibration error": None if metrics.ece is None else f"{metrics.ece:.4f}",
            "log loss": None if metrics.log_loss is None else f"{metrics.log_loss:.4f}",
            "ran on": f"{package}, {result.device}, threads: {result.facts.get('threads')}",
        }
    )
    rows = [
        [entry.label, entry.support, _share(entry.precision), _share(entry.recall), f"{entry.f1 or 0:.4f}"]
        for entry in metrics.per_class
    ]
    return f"{summary}\n\n{table(['class', 'images', 'precision', 'recall', 'F1'], rows)}"


def _percent(proportion: Proportion) -> str:
    value = proportion.value or 0.0
    return f"{value:.2%} (95% interval {proportion.low:.2%} to {proportion.high:.2%})"


def _share(proportion: Proportion) -> str:
    return "–" if proportion.value is None else f"{proportion.value:.4f}"
