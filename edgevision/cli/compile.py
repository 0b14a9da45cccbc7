"""``edgevision compile``: a TFLite artifact for an accelerator, by its vendor's compiler."""

from __future__ import annotations

from pathlib import Path

import click

from edgevision.cli.command import command
from edgevision.cli.options import Choice, model_argument, out_option, overwrite_option, refuse_options
from edgevision.cli.output import facts, show, working

TARGETS = (
    "edgetpu", "ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u65-512",
    "ethos-u85-128", "ethos-u85-256", "ethos-u85-512", "ethos-u85-1024", "ethos-u85-2048",
    "tensorrt",
)  # fmt: skip


@command(
    "compile",
    "edgevision compile runs/resnet8-tflite-static_wi8_ai8 --target ethos-u55-128",
    "edgevision compile runs/resnet8-tensorrt-plan-float16 --target tensorrt",
)
@model_argument()
@click.option("--target", required=True, type=Choice(TARGETS), help="The accelerator.")
@click.option("--system-config", metavar="SECTION", help="Vela: the chip's clocks and memories.  [default: Arm's]")
@click.option("--memory-mode", metavar="SECTION", help="Vela: what lies in which memory.  [default: Arm's]")
@out_option("runs")
@overwrite_option
def compile_(
    model: Path, target: str, system_config: str | None, memory_mode: str | None, out: Path, overwrite: bool
) -> None:
    """Compile MODEL, a quantized TFLite model, and say which operators are left to the processor and what it costs.

    Needs edgetpu_compiler on the PATH for edgetpu, and the extra vela for Ethos-U. For tensorrt, MODEL is a plan
    (convert --to tensorrt-plan) or an engine of another machine, and the engine is built here, for this machine.
    """
    from edgevision.cli.models import open_model
    from edgevision.compiling import compile_for

    if target == "tensorrt":
        refuse_options(("system_config", "memory_mode"), "is for Ethos-U", got=f"--target {target}")
        _build(model, out, overwrite)
        return
    settings = {"system_config": system_config, "memory_mode": memory_mode, "overwrite": overwrite}
    with working(f"compiling for {target}"):
        made = compile_for(open_model(model), target, out, **settings)  # type: ignore[arg-type]
    report = made.report
    known: dict[str, object] = {
        "artifact": made.artifact.path, "by": report.by,
        "mapped": f"{report.mapped} of {len(report.placements)} operators",
        **{name.replace("_", " "): f"{value:,}" for name, value in report.facts.items()},
    }  # fmt: skip
    lines = [f"on the processor: {p.kind} {p.index} ({p.name}): {p.reason}" for p in report.on_cpu]
    lines += [f"differs from check: {line}" for line in made.differences]
    document = {"artifact": str(made.artifact.path), "mapping": report.to_dict(), "differences": list(made.differences)}
    show(document, "\n".join([facts(known), *lines]))


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
