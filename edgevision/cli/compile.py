"""``edgevision compile``: a TFLite artifact for an accelerator, by its vendor's compiler."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgevision.cli.command import command
from edgevision.cli.options import Choice, out_option, overwrite_option, refuse_options
from edgevision.cli.output import facts, show, working
from edgevision.errors import ConfigError

if TYPE_CHECKING:
    from edgevision.compiling import Compilation

TARGETS = (
    "edgetpu", "ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u65-512",
    "ethos-u85-128", "ethos-u85-256", "ethos-u85-512", "ethos-u85-1024", "ethos-u85-2048",
    "tensorrt",
)  # fmt: skip


@command(
    "compile",
    "edgevision compile runs/resnet8-tflite-static_wi8_ai8 --target ethos-u55-128",
    "edgevision compile runs/detector runs/classifier --target edgetpu",
    "edgevision compile runs/resnet8-tensorrt-plan-float16 --target tensorrt",
)
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=click.Path(path_type=Path))
@click.option("--target", required=True, type=Choice(TARGETS), help="The accelerator.")
@click.option("--system-config", metavar="SECTION", help="Vela: the chip's clocks and memories.  [default: Arm's]")
@click.option("--memory-mode", metavar="SECTION", help="Vela: what lies in which memory.  [default: Arm's]")
@click.option(
    "--min-runtime-version", type=click.IntRange(10), metavar="N",
    help="Edge TPU: the oldest runtime that has to take the files.  [default: the compiler's]",
)  # fmt: skip
@out_option("runs")
@overwrite_option
def compile_(
    models: tuple[Path, ...],
    target: str,
    system_config: str | None,
    memory_mode: str | None,
    min_runtime_version: int | None,
    out: Path,
    overwrite: bool,
) -> None:
    """Compile each MODEL, a quantized TFLite model; say which operators are left to the processor and what it costs.

    Several models for an Edge TPU are compiled together: they share its memory for parameters, the first one first.
    Needs edgetpu_compiler on the PATH for edgetpu, and the extra vela for Ethos-U.
    For tensorrt, MODEL is a plan (convert --to tensorrt-plan) or an engine of another machine, and the engine is built
    here, for this machine.
    """
    from edgevision.cli.models import open_model
    from edgevision.compiling import compile_for

    if target == "tensorrt":
        refuse_options(("system_config", "memory_mode"), "is for Ethos-U", got=f"--target {target}")
        refuse_options(("min_runtime_version",), "is for the Edge TPU", got=f"--target {target}")
        if len(models) > 1:
            raise ConfigError("an engine is built of one model", got=len(models), allowed="one")
        _build(models[0], out, overwrite)
        return
    with working(f"compiling for {target}"):
        made = compile_for(
            [open_model(model) for model in models],
            target,
            out,
            system_config=system_config,
            memory_mode=memory_mode,
            min_runtime_version=min_runtime_version,
            overwrite=overwrite,
        )
    documents = [
        {"artifact": str(one.artifact.path), "mapping": one.report.to_dict(), "differences": list(one.differences)}
        for one in made
    ]
    show({"models": documents}, "\n\n".join(map(_text, made)))


def _text(made: Compilation) -> str:
    report = made.report
    known: dict[str, object] = {
        "artifact": made.artifact.path, "by": report.by,
        "mapped": f"{report.mapped} of {len(report.placements)} operators",
        **{name.replace("_", " "): f"{value:,.5g}" if isinstance(value, float) else f"{value:,}"
           for name, value in report.facts.items()},
    }  # fmt: skip
    lines = [f"on the processor: {p.kind} {p.index} ({p.name}): {p.reason}" for p in report.on_cpu]
    lines += [f"differs from check: {line}" for line in made.differences]
    return "\n".join([facts(known), *lines])


def _build(model: Path, out: Path, overwrite: bool) -> None:
    """Build a TensorRT engine and show where its layers run."""
    from edgevision.building import build_here
    from edgevision.cli.models import open_model

    with working("building for tensorrt"):
        made = build_here(open_model(model), out, overwrite=overwrite)
    report = made.report
    known: dict[str, object] = {"artifact": made.artifact.path, "by": report.by, **report.facts}
    if report.placements:
        known["layers"] = f"{report.mapped} of {len(report.placements)} on the {report.accelerator}"
    elsewhere = [f"on the {p.target}: {p.name}" for p in report.placements if p.target != report.accelerator]
    show({"artifact": str(made.artifact.path), "mapping": report.to_dict()}, "\n".join([facts(known), *elsewhere]))
