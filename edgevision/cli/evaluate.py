"""``edgevision evaluate``: how good an artifact is on labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command
from edgevision.cli.options import FloatRange, data_options, model_argument, runtime_options, runtime_settings
from edgevision.cli.output import check_failed, facts, show, table, working
from edgevision.cli.remote import machine_entry, ran_on, remote_options

if TYPE_CHECKING:
    from edgevision.evaluate import Evaluation, EvaluationSummary
    from edgevision.metrics.intervals import Proportion
    from edgevision.remote import Machine, Remote


@command(
    "evaluate",
    "edgevision evaluate runs/resnet8-tflite-static_wi8_ai8 --data sample",
    "edgevision evaluate runs/resnet8-openvino-float32 --data cifar10/ --split test --min-accuracy 0.872",
)
@model_argument()
@data_options(required=True)
@click.option("--count", type=click.IntRange(min=1), help="Images, drawn evenly from the classes.  [default: all]")
@click.option("--min-accuracy", type=FloatRange(0, 1), help="Exit with status 3 when the accuracy is lower, 0 to 1.")
@runtime_options()
@remote_options
def evaluate(
    model: Path,
    data: str,
    split: str | None,
    count: int | None,
    min_accuracy: float | None,
    runtime: str | None,
    device: str,
    threads: int | None,
    precision: str | None,
    chosen: tuple[tuple[str, str], ...],
    isolate: bool | None,
    remote: Remote | None,
) -> None:
    """Measure the accuracy of MODEL on labelled images: one image at a time, as on a device."""
    options = runtime_settings(threads, precision, chosen, [runtime] if runtime else [])
    if remote is not None:
        result, machine = _there(model, remote, data, split, count, runtime, options, isolate)
    else:
        result, machine = _here(model, data, split, count, runtime, device, options, isolate), None
    show(
        {"model": str(model), "data": data, **result.to_dict(), **machine_entry(machine)},
        _text(result) + ran_on(machine),
    )
    accuracy = result.classification.accuracy
    if min_accuracy is not None and (accuracy.value or 0.0) < min_accuracy:
        check_failed(f"accuracy {accuracy.value:.4f} is lower than {min_accuracy:g}")


def _here(
    model: Path,
    data: str,
    split: str | None,
    count: int | None,
    runtime: str | None,
    device: str,
    options: dict[str, Any],
    isolate: bool | None,
) -> Evaluation:
    from edgevision.cli.models import open_to_run
    from edgevision.data.locate import open_dataset
    from edgevision.evaluate import evaluate as evaluate_artifact

    artifact = open_to_run(model, [runtime] if runtime else [], device, options, isolate)
    dataset = open_dataset(data, split)
    with working("evaluating") as progress:
        return evaluate_artifact(
            artifact,
            dataset.balanced(count) if count else dataset,
            runtime=runtime,
            device=device,
            options=options,
            progress=progress,
        )


def _there(
    model: Path,
    remote: Remote,
    data: str,
    split: str | None,
    count: int | None,
    runtime: str | None,
    options: dict[str, Any],
    isolate: bool | None,
) -> tuple[EvaluationSummary, Machine]:
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
