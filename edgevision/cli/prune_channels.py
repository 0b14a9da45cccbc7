"""``edgevision prune --method channels``: its options, its call, what it prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.fine_tuning import epochs_progress
from edgevision.cli.options import Body, Choice, FloatRange, refuse_options
from edgevision.cli.output import facts, note, show, table, working
from edgevision.errors import ConfigError

if TYPE_CHECKING:
    from edgevision.artifact import Artifact
    from edgevision.converters.channel_report import ChannelPruningReport, ChannelTarget
    from edgevision.converters.distillation import Distillation
    from edgevision.data.dataset import ImageDataset

TARGETS = ("macs", "parameters", "bytes", "latency_ms")
SETTINGS = ("importance", "scope", "multiple", "steps")
MEASURED = ("to", "scheme", "runtime", "device")
CHANNEL_OPTIONS = (*(f"target_{kind}" for kind in TARGETS), *SETTINGS, *MEASURED)
NEAR = 0.9
"""Share of the target below which the model has lost more than was asked for."""
_ABOVE_0 = FloatRange(min=0, min_open=True)

_OPTIONS = (
    click.option("--device", default="cpu", show_default=True, help="channels: where a latency is measured."),
    click.option("--runtime", metavar="NAME", help="channels: what a latency is measured with."),
    click.option(
        "--scheme",
        type=Choice(["float32", "float16", "dynamic_wi8_afp32", "static_wi8_ai8"]),
        default="static_wi8_ai8",
        show_default=True,
        help="channels: numbers of the file whose bytes or latency count.",
    ),
    click.option(
        "--to",
        type=Choice(["tflite", "openvino"]),
        default="tflite",
        show_default=True,
        help="channels: format of the file whose bytes or latency count.",
    ),
    click.option(
        "--steps", type=click.IntRange(min=1), default=1, show_default=True, help="channels: rounds of removal."
    ),
    click.option(
        "--multiple",
        type=click.IntRange(min=1),
        default=8,
        show_default=True,
        help="channels: those that stay are a multiple of this.",
    ),
    click.option(
        "--scope",
        type=Choice(["global", "per_layer"]),
        default="global",
        show_default=True,
        help="channels: where they cost the least, or the same share of every layer.",
    ),
    click.option(
        "--importance",
        type=Choice(["l1", "l2", "bn_scale", "taylor"]),
        default="l1",
        show_default=True,
        help="channels: what decides which of them go.",
    ),
    click.option("--target-latency-ms", type=_ABOVE_0, help="channels: most milliseconds of an inference, p50."),
    click.option("--target-bytes", type=_ABOVE_0, help="channels: most bytes of the file, or the share that may stay."),
    click.option("--target-parameters", type=_ABOVE_0, help="channels: most weights, or the share that may stay."),
    click.option("--target-macs", type=_ABOVE_0, help="channels: most operations, or the share that may stay (0.5)."),
)


def channel_options(function: Body) -> Body:
    """The options that only ``--method channels`` takes."""
    for option in _OPTIONS:
        function = option(function)
    return function


def check_channel_options(given: Mapping[str, Any]) -> None:
    """Raise ConfigError for none or several targets, and for options that would not be heeded."""
    from edgevision.converters.formats import SCHEMES

    kind = _target_kind(given)
    target = f"--target-{kind.replace('_', '-')}"
    measured = kind in ("bytes", "latency_ms")
    unused = {"bytes": ("runtime", "device"), "latency_ms": ()}.get(kind, MEASURED)
    refuse_options(unused, f"changes nothing with {target}")
    if given["epochs"] == 0 and given["importance"] != "taylor":
        refuse_options(("batch_size",), "changes nothing with --epochs 0")
        if not (measured and SCHEMES[given["scheme"]].calibration):
            refuse_options(("data", "split"), f"changes nothing with --epochs 0 and {target}")


def _target_kind(given: Mapping[str, Any]) -> str:
    """Return the kind of the one target that was given; raises ConfigError for none or several."""
    wanted = [kind for kind in TARGETS if given[f"target_{kind}"] is not None]
    if len(wanted) != 1:
        names = [f"--target-{kind.replace('_', '-')}" for kind in (wanted or TARGETS)]
        got = ", ".join(names) if wanted else "none"
        raise ConfigError("--method channels takes one target", got=got, allowed=names)
    return wanted[0]


def _target(given: Mapping[str, Any], images: ImageDataset | None) -> ChannelTarget:
    from edgevision.compress.channel_target import channel_target

    kind, measured = _target_kind(given), {name: given[name] for name in MEASURED}
    return channel_target(kind, given[f"target_{kind}"], calibration_data=images, **measured)


def run_channels(
    model: Path,
    images: ImageDataset | None,
    out: Path,
    *,
    given: Mapping[str, Any],
    training: Mapping[str, Any],
    distillation: Distillation | None,
    overwrite: bool,
) -> None:
    """Prune, write the artifact, print what was done."""
    from edgevision.cli.models import open_source
    from edgevision.converters.channel_pruning import prune_channels
    from edgevision.converters.keras_import import save_keras_artifact

    target = _target(given, images)
    with working("pruning") as line:
        pruned, report = prune_channels(
            open_source(model),
            images,
            target=target,
            distillation=distillation,
            progress=epochs_progress(line, training["epochs"]),
            **{name: given[name] for name in SETTINGS},
            **training,
        )
        artifact = save_keras_artifact(pruned, out, overwrite=overwrite)
    show({"artifact": str(artifact.path), "report": report.to_dict()}, _text(artifact, report))
    if not report.layers:
        note("edgevision: nothing was removed: the model meets the target as it is")
    elif report.reached < NEAR * report.wanted and given["multiple"] > 1:
        note(
            f"edgevision: well below the target, for {given['multiple']} channels go at once: "
            "try a smaller --multiple, or more --layers"
        )
    for layer, reason in report.skipped:
        note(f"edgevision: skipped {layer}: {reason}")


def _text(artifact: Artifact, report: ChannelPruningReport) -> str:
    from edgevision.converters.channel_plan import amount

    before, after = report.before, report.after
    rows = [[layer.layer, layer.before, layer.after] for layer in report.layers]
    told = facts(
        {
            "artifact": artifact.path,
            "operations": f"{after.macs:,} of {before.macs:,} ({after.macs / max(1, before.macs):.1%})",
            "parameters": f"{after.parameters:,} of {before.parameters:,} ({after.parameters / before.parameters:.1%})",
            report.target: f"{amount(report.target, report.reached)}, at most {amount(report.target, report.wanted)}",
            "masked identity": f"differs by {report.identity_error:.1g} of what the outputs range over",
            "bytes": f"{artifact.bytes:,} ({artifact.deflated_bytes:,} deflated)",
        }
    )
    return f"{told}\n\n{table(['layer', 'channels', 'left'], rows)}" if rows else told
