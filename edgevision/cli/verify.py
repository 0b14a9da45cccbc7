"""``edgevision verify``: whether an artifact still answers as it did when it was made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command
from edgevision.cli.options import (
    data_options,
    model_argument,
    refuse_options,
    runtime_options,
    runtime_settings,
    seed_option,
)
from edgevision.cli.output import check_failed, note, show, table, working
from edgevision.cli.remote import machine_entry, ran_on, remote_options

if TYPE_CHECKING:
    from edgevision.artifact import Artifact
    from edgevision.data.dataset import Images
    from edgevision.remote import Machine, Remote
    from edgevision.verify import RuntimeCheck, Verification


HEADERS = [
    "runtime", "verdict", "samples", "off sealed", "tolerance", "off float model", "SQNR dB", "cosine", "same result",
]  # fmt: skip


@command(
    "verify",
    "edgevision verify runs/resnet8-tflite-static_wi8_ai8",
    "edgevision verify runs/resnet8-openvino-float32 --precision bfloat16",
    "edgevision verify runs/resnet8-tflite-static_wi8_ai8 --layers",
    "edgevision verify adopted --seal --data sample",
    "edgevision verify runs/resnet8-tflite-static_wi8_ai8 --data sample --reference runs/resnet8-tflite-float32",
    "edgevision verify runs/resnet8-tflite-static_wi8_ai8 --device ssh://pi@camera-3/cpu",
)
@model_argument()
@data_options()
@click.option(
    "--reference",
    metavar="MODEL",
    type=click.Path(path_type=Path),
    help="The float model: agreement with it is counted on --data.",
)
@click.option(
    "--seal",
    "sealing",
    is_flag=True,
    help="First measure expected outputs and tolerances here, and write them into it.",
)
@click.option("--layers", is_flag=True, help="Name the first layer that reference kernels compute otherwise.")
@runtime_options(several=True)
@remote_options
@seed_option
def verify(
    model: Path,
    data: str | None,
    split: str | None,
    reference: Path | None,
    sealing: bool,
    layers: bool,
    runtimes: tuple[str, ...],
    device: str,
    threads: int | None,
    precision: str | None,
    chosen: tuple[tuple[str, str], ...],
    isolate: bool | None,
    seed: int,
    remote: Remote | None,
) -> None:
    """Run MODEL's golden samples on each runtime here and compare with what it answered when it was sealed.

    A runtime holds when every output is within the tolerance that was measured there. Where nothing was ever
    measured it is unproven. Where outputs are too far off, the runtime is tried again with one condition changed at a
    time, and the one that explains it is named. The exit status is 3 unless every runtime holds.
    """
    from edgevision.cli.models import open_model, open_to_run
    from edgevision.runtimes import available_runtimes
    from edgevision.verify import verify as verify_artifact

    if reference and data is None:
        raise click.UsageError("--reference needs --data: images to count agreement on")
    options = runtime_settings(threads, precision, chosen, runtimes)
    floats = open_model(reference) if reference else None
    if remote is not None:
        refuse_options(["sealing"], "writes into MODEL here", got=device, allowed="a device of this machine")
        _verify_there(open_model(model), remote, runtimes, data, split, floats, options, layers, isolate)
        return
    artifact = open_model(model)
    names = runtimes or available_runtimes(artifact, device)
    artifact = open_to_run(model, names, device, options, isolate)
    dataset = _dataset(data, split)
    with working("verifying"):
        if sealing:
            artifact = _seal(artifact, dataset, floats, runtimes, device, seed, options)
        result = verify_artifact(
            artifact,
            runtimes=runtimes or None,
            device=device,
            dataset=None if sealing and floats is None else dataset,
            reference=floats,
            options=options,
            layers=layers,
        )
    _show(result, None, layers)


def _verify_there(
    artifact: Artifact,
    remote: Remote,
    runtimes: tuple[str, ...],
    data: str | None,
    split: str | None,
    reference: Artifact | None,
    options: dict[str, Any],
    layers: bool,
    isolate: bool | None,
) -> None:
    from edgevision.remote import verify_there

    with working("verifying") as progress:
        ran = verify_there(
            artifact, remote, runtimes=runtimes, data=data, split=split, reference=reference, options=options,
            layers=layers, isolate=isolate, tell=progress.say,
        )  # fmt: skip
    _show(ran.result, ran.machine, layers)


def _show(result: Verification, machine: Machine | None, layers: bool) -> None:
    text = "\n\n".join([_text(result), *(_layers(check) for check in result.checks if layers)])
    show({**result.to_dict(), **machine_entry(machine)}, text + ran_on(machine))
    if not result.holds:
        reasons = _reasons(result)
        for check in result.checks:
            if check.findings is not None:
                note(f"edgevision: {check.runtime}: {check.findings}")
        check_failed(f"{result.artifact} is {result.verdict}" + (f" ({'; '.join(reasons[:2])})" if reasons else ""))


def _reasons(result: Verification) -> list[str]:
    """Why it does not hold; what is so of every runtime is said once."""
    told = {check.reasons for check in result.checks}
    if len(told) == 1 and len(result.checks) > 1:
        return list(told.pop())
    return [f"{check.runtime}: {reason}" for check in result.checks for reason in check.reasons]


def _dataset(data: str | None, split: str | None) -> Images | None:
    from edgevision.data.locate import open_images

    return open_images(data, split) if data else None


def _seal(
    artifact: Artifact,
    dataset: Images | None,
    reference: Artifact | None,
    runtimes: tuple[str, ...],
    device: str,
    seed: int,
    options: dict[str, Any],
) -> Artifact:
    from edgevision.verify import seal

    return seal(
        artifact, dataset, reference=reference, runtimes=runtimes or None, device=device, seed=seed, options=options
    )


def _text(result: Verification) -> str:
    rows = [
        [check.runtime, check.verdict, check.samples, *_distances(check), *_closeness(check), _agreement(check)]
        for check in result.checks
    ]
    rows += [[name, "not here", *(len(HEADERS) - 2) * "–"] for name in result.not_here]
    files = f"{result.files} files have their hashes" if result.files else "a bare file: no hashes to check"
    parts = [f"{result.artifact}: {result.verdict}; {files}", table(HEADERS, rows)]
    parts += [line for check in result.checks for line in _steps(check)]
    if any(check.outputs for check in result.checks):
        parts.append(
            "Distances: largest, and mean, of real values. Same result: top-1, or objects; 95% interval of the share."
        )
    return "\n\n".join(parts)


def _layers(check: RuntimeCheck) -> str:
    """Each layer's distance to the runtime's plainest way, and the first that is too far off."""
    if check.layers is None:
        return f"{check.runtime}: its layers cannot be compared: it computes in one way, or was not run"
    first, plain = check.layers.first, ", ".join(f"{name}: {value}" for name, value in check.layers.exact.items())
    rows = [
        [
            layer.name.split(";")[0],
            layer.dtype,
            f"{layer.off.max_abs_error:.3g}",
            f"{layer.tolerance.max_abs_error:.3g}",
            "–" if layer.sqnr_db is None else f"{layer.sqnr_db:.1f}",
            "diverges" if layer.diverges else "",
        ]
        for layer in check.layers.checks
    ]
    said = "no layer diverges" if first is None else f"the first layer that diverges is {first.name.split(';')[0]}"
    shown = table(["layer", "type", "off", "tolerance", "SQNR dB", ""], rows)
    return f"{check.runtime}, against {plain}: {said}\n\n{shown}"


def _distances(check: RuntimeCheck) -> list[str]:
    """Largest distances over the outputs: to what was sealed, what that may be, and to the float model."""
    columns = []
    for name in ("sealed", "tolerance", "float_model"):
        known = [distance for output in check.outputs if (distance := getattr(output, name)) is not None]
        largest, mean = (
            max((getattr(distance, figure) for distance in known), default=0.0)
            for figure in ("max_abs_error", "mean_abs_error")
        )
        columns.append(f"{largest:.3g}, {mean:.2g}" if known else "–")
    return columns


def _closeness(check: RuntimeCheck) -> list[str]:
    """The lowest signal to noise, and the lowest cosine, of an output against the float model's."""
    known = [output.closeness for output in check.outputs if output.closeness is not None]
    noisy = [closeness.sqnr_db for closeness in known if closeness.sqnr_db is not None]
    turned = [closeness.cosine for closeness in known if closeness.cosine is not None]
    return [f"{min(noisy):.1f}" if noisy else "–", f"{min(turned):.4f}" if turned else "–"]


def _agreement(check: RuntimeCheck) -> str:
    same = check.dataset_agreement or check.agreement
    if same is None or same.value is None:
        return "–"
    return f"{same.successes}/{same.count} ({same.low:.0%} to {same.high:.0%})"


def _steps(check: RuntimeCheck) -> Iterator[str]:
    """A line for each output of integers: how many of them are how many steps off what was sealed."""
    for output in check.outputs:
        if output.steps is not None:
            counts = ", ".join(f"{count:,} × {steps:+d}" for steps, count in sorted(output.steps.items()) if steps)
            total = sum(output.steps.values())
            told = f"{counts} steps off" if counts else "none off"
            yield f"{check.runtime}: of {total:,} stored integers of {output.name}, {told} what was sealed"
