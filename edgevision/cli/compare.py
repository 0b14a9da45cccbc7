"""``edgevision compare``: whether artifacts are faster than another one, here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgevision.cli.command import command
from edgevision.cli.options import Choice, FloatRange, confidence_option, runtime_options, runtime_settings, seed_option
from edgevision.cli.output import check_failed, note, show, table, working
from edgevision.errors import ConfigError

if TYPE_CHECKING:
    from edgevision.benchmark import Comparison


@command(
    "compare",
    "edgevision compare runs/resnet8-tflite-static_wi8_ai8 runs/half-tflite-static_wi8_ai8",
    "edgevision compare old new --expect not-slower --margin 0.05 --budget 60",
    "edgevision compare runs/resnet8-tflite-float32 --runtime tflite --runtime openvino",
)
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@runtime_options(several=True)
@click.option(
    "--margin",
    type=FloatRange(0, 1, min_open=True, max_open=True),
    default=0.03,
    show_default=True,
    help="Ratios nearer to 1 count as equal.",
)
@confidence_option("Of the intervals.")
@click.option(
    "--budget",
    type=FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="Seconds that it may take.",
)
@click.option(
    "--expect",
    type=Choice(["faster", "not-slower", "equivalent"]),
    help="Exit with status 3 unless that is so of every other one.",
)
@seed_option
def compare(
    models: tuple[Path, ...],
    runtimes: tuple[str, ...],
    device: str,
    threads: int | None,
    precision: str | None,
    isolate: bool | None,
    margin: float,
    confidence: float,
    budget: float,
    expect: str | None,
    seed: int,
) -> None:
    """Compare the latency of MODELS with that of the first, on the first runtime of each or on those named.

    The verdict is faster, slower, equivalent within the margin, or insufficient evidence. With --expect the exit
    status is 0 where it holds and 3 where it does not, insufficient evidence included; without, it is 0.
    """
    from edgevision.benchmark import Candidate
    from edgevision.benchmark import compare as compare_candidates
    from edgevision.cli.models import open_to_run

    options = runtime_settings(threads, precision)
    opened = [open_to_run(model, runtimes, device, options, isolate) for model in models]
    candidates = [Candidate(artifact, name, device, options) for artifact in opened for name in runtimes or (None,)]
    if len(candidates) < 2:
        raise ConfigError(
            "nothing to compare with", got=str(models[0]), next_step="name another model, or several with --runtime"
        )
    with working("measuring") as progress:
        result = compare_candidates(
            candidates, margin=margin, confidence=confidence, budget_s=budget, seed=seed, progress=progress
        )
    show(result.to_dict(), f"{_table(result)}\n\n{result.protocol}")
    for other in result.others:
        if other.reason:
            note(f"edgevision: {other.name}: {other.reason}")
    if expect and (failing := result.failing(expect)):
        told = "; ".join(f"{other.name}: {other.verdict}" for other in failing)
        check_failed(f"expected {expect}, against {result.base}: {told}")


def _table(result: Comparison) -> str:
    rows = [[result.base, f"{result.base_p50_ms:.4g}", "1", "what the others are compared with"]]
    for other in result.others:
        rows.append([other.name, f"{other.p50_ms:.4g}", str(other.ratio or "–"), other.verdict])
    if result.control is not None:
        rows.append([f"{result.base}, again", "", str(result.control), "control: against itself"])
    return table(["model", "p50 ms", "ratio", "verdict"], rows)
