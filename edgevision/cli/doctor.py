"""``edgevision doctor``: which preprocessing a model wants, and whether the declared one is it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgevision.cli.command import command
from edgevision.cli.inspect import describe_preprocessing
from edgevision.cli.options import (
    Choice,
    confidence_option,
    data_options,
    model_argument,
    runtime_options,
    runtime_settings,
    seed_option,
)
from edgevision.cli.output import check_failed, facts, note, show, table, working

if TYPE_CHECKING:
    from edgevision.doctor import Diagnosis, Field
    from edgevision.metrics.paired import LossDifference


@command(
    "doctor",
    "edgevision doctor model.tflite --data photographs/ --labels labels.txt",
    "edgevision doctor runs/resnet8-tflite-static_wi8_ai8 --data sample",
)
@model_argument()
@data_options(required=True)
@click.option("--labels", metavar="FILE|A,B", help="Class names, where the model has none: one a line, or a list.")
@click.option("--count", type=click.IntRange(min=1), help="Images, drawn evenly from the classes.  [default: all]")
@click.option("--activation", type=Choice(["softmax", "sigmoid", "logits"]), help="What the scores are.")
@click.option("--layout", type=Choice(["NHWC", "NCHW"]), help="Axes of the input, where they are unknown.")
@confidence_option("Of all statements together.")
@runtime_options()
@seed_option
def doctor(
    model: Path,
    data: str,
    split: str | None,
    labels: str | None,
    count: int | None,
    activation: str | None,
    layout: str | None,
    confidence: float,
    runtime: str | None,
    device: str,
    threads: int | None,
    precision: str | None,
    chosen: tuple[tuple[str, str], ...],
    isolate: bool | None,
    seed: int,
) -> None:
    """Find the preprocessing that MODEL wants, from labelled images; or check the one that is declared.

    Of a bare model file it recovers scale, mean and standard deviation, channel order, resize policy and filter, says
    how sure each of them is and which the images cannot tell, and prints the command that adopts the model. The
    classes of the images are matched with the model's by name; without labels, by position.

    The exit status is 3 where another specification is better than the declared one by more than chance, or where
    with none the model does better than guessing.
    """
    from edgevision.adopt import read_labels
    from edgevision.cli.models import open_to_run
    from edgevision.data.locate import open_dataset
    from edgevision.doctor import diagnose

    options = runtime_settings(threads, precision, chosen, [runtime] if runtime else [])
    artifact = open_to_run(model, [runtime] if runtime else [], device, options, isolate)
    dataset = open_dataset(data, split)
    names = None if labels is None else read_labels(labels)
    with working("trying") as progress:
        found = diagnose(
            artifact,
            dataset.balanced(count, seed) if count else dataset,
            labels=names,
            activation=activation,
            layout=layout,
            confidence=confidence,
            seed=seed,
            runtime=runtime,
            device=device,
            options=options,
            progress=progress,
        )
    next_step = shlex.join(
        [
            *("edgevision", "adopt", str(artifact.model_file), "--out", artifact.manifest.name),
            *found.adopt_options(),
            *_labels_option(labels, artifact.manifest.labels),
        ]
    )
    show({"model": str(model), "data": data, "next_step": next_step, **found.to_dict()}, _text(found, next_step))
    if found.labels_by_position:
        note("edgevision: the model's labels are unknown: its classes were taken to be in the order of the folders")
    if not found.passed:
        check_failed(_why(found))


def _labels_option(given: str | None, own: Sequence[str] | None) -> list[str]:
    """Return what keeps the labels: as they were given, else the model's own, where a list with commas can say them."""
    if given is None and own and not any("," in label for label in own):
        given = ",".join(own)
    return ["--labels", given] if given else []


def _why(found: Diagnosis) -> str:
    if found.against_declared is not None and found.verdict != "unknown":
        return f"another specification is better than the declared one: {_difference(found.against_declared)}"
    return (
        "with no specification the model is right more often than by always naming the most frequent class; is the "
        "order of the labels right (--labels), and are these images of its kind?"
    )


def _text(found: Diagnosis, next_step: str) -> str:
    package = " ".join(str(found.facts[key]) for key in ("package", "version") if found.facts.get(key))
    accuracy = found.accuracy
    share = f"{accuracy.value or 0:.2%} ({accuracy.low:.2%} to {accuracy.high:.2%})"
    summary = facts(
        {
            "verdict": found.verdict,
            "wanted": describe_preprocessing(found.spec),
            "declared": found.declared and describe_preprocessing(found.declared),
            "as declared": found.against_declared and f"{_difference(found.against_declared)}, {_classes(found)}",
            "scores": found.activation,
            "accuracy": f"{share}, {found.images:,} images",
            "ran on": f"{package}, {found.inferences:,} inferences of {found.tried} specifications",
        }
    )
    rows = [_field_row(field) for field in found.fields]
    disturbed = [
        [
            each.disturbance,
            f"{each.loss.mean:+.4f}",
            f"{each.loss.low:+.4f} to {each.loss.high:+.4f}",
            f"{each.points:+.2f}",
        ]
        for each in found.sensitivities
    ]
    said = (
        f"Losses are log losses in nats at the best temperature of each, on the same images (paired t test); p values "
        f"and intervals hold for all {found.comparisons} different specifications that the search could come to, at "
        f"{found.confidence:.4g} confidence."
    )
    parts = [
        summary,
        table(["field", "value", "", "nearest other", "its loss", "p"], rows),
        table(["disturbance", "loss", "interval", "points"], disturbed),
        said,
    ]
    return "\n\n".join([*parts, next_step] if found.verdict != "unknown" else parts)


def _field_row(field: Field) -> list[str]:
    if not field.rivals:
        return [field.name, field.value, "there is no other", "", "", ""]
    if len(field.unseen) == len(field.rivals):
        return [field.name, field.value, "these images cannot tell", "", "", ""]
    said = "identified" if field.identified else f"not told apart from {', '.join(field.close)}"
    if field.unseen:
        said += f"; the same input with {', '.join(field.unseen)}"
    rival = next(rival for rival in field.rivals if not rival.same_input)
    return [field.name, field.value, said, rival.value, f"{rival.loss.mean:+.4f}", _p(rival.loss.p)]


def _difference(loss: LossDifference) -> str:
    return f"loss {loss.mean:+.4f} ({loss.low:+.4f} to {loss.high:+.4f}, p {_p(loss.p)})"


def _classes(found: Diagnosis) -> str:
    declared = found.declared_accuracy
    value = 0.0 if declared is None else declared.value or 0.0
    return f"accuracy {value:.2%} (McNemar p {_p(found.mcnemar_p or 0.0)})"


def _p(value: float) -> str:
    return "<1e-9" if value < 1e-9 else f"{value:.2g}"
