"""``edgevision compare``: whether artifacts are faster than another one, here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command
from edgevision.cli.measuring import ResultFiles, Share, batch_option, file_options, pin_option
from edgevision.cli.options import (
    ALL,
    Choice,
    FloatRange,
    confidence_option,
    refuse_options,
    runtime_options,
    runtime_settings,
    seed_option,
)
from edgevision.cli.output import check_failed, note, show, working
from edgevision.errors import ConfigError

if TYPE_CHECKING:
    from edgevision.benchmark import Candidate, Compared
    from edgevision.benchmark.baseline import Held


@command(
    "compare",
    "edgevision compare runs/resnet8-tflite-static_wi8_ai8 runs/half-tflite-static_wi8_ai8",
    "edgevision compare old new --expect not-slower --margin 0.05 --budget 60",
    "edgevision compare runs/resnet8-tflite-float32 --runtime tflite --runtime openvino",
    "edgevision compare runs/resnet8-tflite-static_wi8_ai8 --baseline report.json --max-regression 5%",
)
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@runtime_options(several=True, unnamed="the first runtime of each model")
@click.option(
    "--margin",
    type=FloatRange(0, 1, min_open=True, max_open=True),
    default=0.03,
    show_default=True,
    help="Ratios nearer to 1 count as equal.",
)
@confidence_option("Of all intervals together.")
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
@click.option(
    "--baseline",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="JSON of an earlier benchmark or comparison on this machine: compare each of MODELS with that.",
)
@click.option(
    "--max-regression",
    type=Share(),
    default=0.05,
    help="With --baseline: exit with status 3 unless each is shown to be slower by no more.  [default: 5%]",
)
@batch_option
@pin_option
@file_options
@seed_option
def compare(
    models: tuple[Path, ...],
    runtimes: tuple[str, ...],
    device: str,
    threads: int | None,
    precision: str | None,
    chosen: tuple[tuple[str, str], ...],
    isolate: bool | None,
    margin: float,
    confidence: float,
    budget: float,
    expect: str | None,
    baseline: Path | None,
    max_regression: float,
    batch: int | None,
    pin: tuple[int, ...] | None,
    csv_file: Path | None,
    html_file: Path | None,
    overwrite: bool,
    seed: int,
) -> None:
    """Compare the latency of MODELS with that of the first, on the first runtime of each or on those named.

    The verdict is faster, slower, equivalent within the margin, or insufficient evidence. With --expect the exit
    status is 0 where it holds and 3 where it does not, insufficient evidence included; without, it is 0.

    With --baseline each of MODELS, of which there may be one, is compared with what the file says of it. The verdict
    is held, regressed or insufficient evidence, which another machine or other settings are too; the exit status is 0
    where all held, and else 3.
    """
    from edgevision.benchmark import Candidate
    from edgevision.cli.models import open_model, open_to_run
    from edgevision.runtimes import available_runtimes

    result_files = ResultFiles(csv_file, html_file, overwrite)
    result_files.check()
    options = runtime_settings(threads, precision, chosen, runtimes, batch)
    candidates = []
    for model in models:
        names = available_runtimes(open_model(model), device) if runtimes == (ALL,) else runtimes
        artifact = open_to_run(model, names, device, options, isolate)
        candidates += [Candidate(artifact, name, device, options) for name in names or (None,)]
    settings: dict[str, Any] = {"confidence": confidence, "budget_s": budget, "seed": seed, "pin": pin}
    if baseline is not None:
        refuse_options(("margin", "expect"), "is not for --baseline")
        _against(candidates, baseline, result_files, max_regression=max_regression, **settings)
        return
    refuse_options(("max_regression",), "is for --baseline")
    if len(candidates) < 2:
        raise ConfigError(
            "nothing to compare with", got=str(models[0]), next_step="name another model, or several with --runtime"
        )
    _compare(candidates, expect, result_files, margin=margin, **settings)


def _compare(candidates: list[Candidate], expect: str | None, result_files: ResultFiles, **settings: Any) -> None:
    from edgevision.benchmark import compare as compare_candidates
    from edgevision.cli.timing import comparison_text

    with working("measuring") as progress:
        result = compare_candidates(candidates, progress=progress, **settings)
    result_files.write(result)
    show(result.to_dict(), comparison_text(result))
    _explain(result.others)
    if expect and (failing := result.failing(expect)):
        told = "; ".join(f"{other.name}: {other.verdict}" for other in failing)
        check_failed(f"expected {expect}, against {result.base}: {told}")


def _against(candidates: list[Candidate], baseline: Path, result_files: ResultFiles, **settings: Any) -> None:
    from edgevision.benchmark import against_baseline, read_baseline
    from edgevision.cli.timing import regression_text

    with working("measuring") as progress:
        result = against_baseline(candidates, read_baseline(baseline), progress=progress, **settings)
    result_files.write(result)
    show(result.to_dict(), regression_text(result))
    _explain(result.results)
    if result.failing:
        told = "; ".join(f"{one.name}: {one.verdict}" for one in result.failing)
        check_failed(f"expected no regression over {result.max_regression:g} against {baseline}: {told}")


def _explain(judged: Sequence[Compared | Held]) -> None:
    for one in judged:
        if one.reason:
            note(f"edgevision: {one.name}: {one.reason}")
