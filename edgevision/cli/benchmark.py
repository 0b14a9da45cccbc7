"""``edgevision benchmark``: how fast artifacts run, and in how much memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command
from edgevision.cli.measuring import ResultFiles, batch_option, file_options, pin_option
from edgevision.cli.options import (
    Choice,
    FloatRange,
    data_options,
    refuse_options,
    runtime_options,
    runtime_settings,
    seed_option,
)
from edgevision.cli.output import check_failed, show, working
from edgevision.cli.remote import machine_entry, ran_on, remote_options
from edgevision.errors import ConfigError

if TYPE_CHECKING:
    from edgevision.benchmark import Candidate, SustainedReport
    from edgevision.remote import Machine, Remote
    from edgevision.tensors import Array

_LOADGEN = ("out", "target_qps", "target_latency")
_PROTOCOL = ("warmup", "throughput")
_FILES = ("csv_file", "html_file")
_POSITIVE = FloatRange(min=0, min_open=True)


@command(
    "benchmark",
    "edgevision benchmark runs/resnet8-tflite-static_wi8_ai8",
    "edgevision benchmark runs/resnet8-* --min-duration 10 --threads all --throughput --html times.html",
    "edgevision benchmark runs/resnet8-tflite-static_wi8_ai8 --scenario single-stream --out loadgen",
    "edgevision benchmark runs/resnet8-tflite-static_wi8_ai8 --sustained 10 --csv minutes.csv",
    "edgevision benchmark runs/resnet8-tflite-* --device ssh://pi@camera-3:2222/cpu",
)
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@data_options()
@runtime_options(several=True, isolated=True)
@remote_options
@click.option(
    "--warmup", type=FloatRange(min=0), default=0.5, show_default=True,
    help="Seconds before measuring, and on until it is stable; 0 for none.",
)  # fmt: skip
@click.option(
    "--min-duration", type=FloatRange(min=0), default=2.0, show_default=True, help="Seconds of measurement each."
)
@click.option("--min-count", type=click.IntRange(min=1), default=100, show_default=True, help="Inferences each.")
@click.option("--throughput", is_flag=True, help="Measure many inferences at once too, where the runtime has a way.")
@click.option(
    "--scenario",
    type=Choice(["single-stream", "multi-stream", "offline", "server"]),
    help="Run one of MLPerf's scenarios on one model, through LoadGen; its files go to --out.",
)
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Folder for LoadGen's files.")
@click.option("--target-qps", type=_POSITIVE, help="Queries per second of the server scenario.")
@click.option(
    "--target-latency-ms",
    "target_latency",
    type=_POSITIVE,
    help="Milliseconds within which 99 in 100 of the server's queries are answered.",
)
@click.option(
    "--sustained",
    "minutes",
    type=_POSITIVE,
    metavar="MINUTES",
    help="Run one model for so long, and show latency, temperature and frequency over time.",
)
@click.option("--window", type=_POSITIVE, default=10.0, show_default=True, help="Seconds of a window of --sustained.")
@batch_option
@pin_option
@file_options
@seed_option
def benchmark(
    models: tuple[Path, ...],
    data: str | None,
    split: str | None,
    runtimes: tuple[str, ...],
    device: str,
    threads: int | None,
    precision: str | None,
    chosen: tuple[tuple[str, str], ...],
    warmup: float,
    min_duration: float,
    min_count: int,
    throughput: bool,
    scenario: str | None,
    out: Path | None,
    target_qps: float | None,
    target_latency: float | None,
    minutes: float | None,
    window: float,
    batch: int | None,
    pin: tuple[int, ...] | None,
    csv_file: Path | None,
    html_file: Path | None,
    overwrite: bool,
    seed: int,
    remote: Remote | None,
) -> None:
    """Measure latency, load time and memory of MODELS, which take turns in random order.

    Times are milliseconds. p50 is the median; p90 to p99 are what MLPerf's early stopping takes: the true percentile
    is no longer with 99% confidence, and inferences too few for that give none. Loading, the first inference and peak
    memory are those of a fresh process. Memory is the peak of that process; its own weight, Python and numpy, is in
    the JSON as idle_rss_bytes. CPU time is that of all threads. The noise verdict says whether the machine was quiet
    enough for the figures, and why not; the JSON has the machine itself too, and None for what it does not expose.

    Inputs are the golden samples of each model, images of --data, or random where there are neither.

    --sustained that is interrupted still shows and writes what was measured, marked as interrupted.

    With --scenario the figures and the verdict are LoadGen's own, and the exit status is 3 where it calls the result
    invalid.
    """
    settings = runtime_settings(threads, precision, chosen, runtimes, batch)
    result_files = ResultFiles(csv_file, html_file, overwrite)
    images = {"data": data, "split": split}
    common: dict[str, Any] = {"seed": seed, "pin": pin}
    if scenario is not None:
        _refuse_there(remote, device)
        refuse_options((*_PROTOCOL, *_FILES, "minutes", "window"), "is not for --scenario")
        candidate = _single(models, runtimes, device, settings, "--scenario")
        effort = {"min_duration_s": min_duration, "min_count": min_count, "target_qps": target_qps}
        common |= {"images": _images(**images, seed=seed), "target_latency_ms": target_latency}
        _scenario(candidate, scenario, out, overwrite, **effort, **common)
        return
    refuse_options(_LOADGEN, "is for --scenario")
    result_files.check()
    if minutes is not None:
        refuse_options((*_PROTOCOL, "min_duration", "min_count"), "is not for --sustained")
        common |= {"minutes": minutes, "window_s": window}
        if remote is not None:
            _sustained_there(models, remote, runtimes, settings, result_files, **images, **common)
            return
        candidate = _single(models, runtimes, device, settings, "--sustained")
        _sustained(candidate, result_files, images=_images(**images, seed=seed), **common)
        return
    refuse_options(("window",), "is for --sustained")
    common |= {"throughput": throughput, "warmup_s": warmup, "min_duration_s": min_duration, "min_count": min_count}
    if remote is not None:
        _benchmark_there(models, remote, runtimes, settings, result_files, **images, **common)
        return
    candidates = [candidate for model in models for candidate in _candidates(model, runtimes, device, settings)]
    _benchmark(candidates, result_files, images=_images(**images, seed=seed), **common)


def _refuse_there(remote: Remote | None, device: str) -> None:
    if remote is not None:
        raise ConfigError(
            "--scenario is for models on this machine: LoadGen is not in the base install that a device gets, and its "
            "files would stay there",
            got=device,
            next_step='install "edgevision[loadgen]" on the device and run it there',
        )


def _images(data: str | None, split: str | None, seed: int) -> list[Array] | None:
    from edgevision.benchmark import images_of
    from edgevision.data.locate import open_images

    return images_of(open_images(data, split), seed=seed) if data else None


def _benchmark(candidates: list[Candidate], result_files: ResultFiles, **settings: Any) -> None:
    from edgevision.benchmark import benchmark as measure
    from edgevision.cli.timing import benchmark_text

    with working("measuring") as progress:
        report = measure(candidates, progress=progress, **settings)
    result_files.write(report)
    show(report.to_dict(), benchmark_text(report))


def _scenario(candidate: Candidate, scenario: str, out: Path | None, overwrite: bool, **settings: Any) -> None:
    from edgevision.benchmark import run_scenario
    from edgevision.cli.timing import scenario_text

    if out is None:
        raise ConfigError("--scenario needs a folder for LoadGen's files", next_step="name it: --out DIR")
    with working(f"scenario {scenario}"):
        report = run_scenario(candidate, scenario, out, overwrite=overwrite, **settings)
    show({**report.to_dict(), "path": str(out)}, f"{scenario_text(report)}\n\nLoadGen's files: {out}")
    if not report.result.valid:
        check_failed(f"LoadGen calls the result invalid: {'; '.join(report.result.reasons)}")


def _sustained(candidate: Candidate, result_files: ResultFiles, **settings: Any) -> None:
    from edgevision.benchmark import sustained

    rescued: list[SustainedReport] = []
    try:
        with working("running") as progress:
            report = sustained(candidate, progress=progress, interrupted=rescued.append, **settings)
    except BaseException:
        for part in rescued:
            _show_sustained(part, result_files)
        raise
    _show_sustained(report, result_files)


def _show_sustained(report: SustainedReport, result_files: ResultFiles, machine: Machine | None = None) -> None:
    from edgevision.cli.timing import sustained_text

    try:
        result_files.write(report)
    finally:
        show({**report.to_dict(), **machine_entry(machine)}, sustained_text(report) + ran_on(machine))


def _single(
    models: tuple[Path, ...], runtimes: tuple[str, ...], device: str, settings: Mapping[str, Any], option: str
) -> Candidate:
    from edgevision.benchmark import Candidate
    from edgevision.cli.models import open_to_run

    _check_single(models, runtimes, option)
    artifact = open_to_run(models[0], runtimes, device, settings, None)
    return Candidate(artifact, runtimes[0] if runtimes else None, device, settings)


def _check_single(models: tuple[Path, ...], runtimes: tuple[str, ...], option: str) -> None:
    if len(models) > 1 or len(runtimes) > 1:
        raise ConfigError(f"{option} is for one model on one runtime", got=f"{len(models)} on {len(runtimes) or 'any'}")


def _benchmark_there(
    models: tuple[Path, ...],
    remote: Remote,
    runtimes: tuple[str, ...],
    options: Mapping[str, Any],
    result_files: ResultFiles,
    **settings: Any,
) -> None:
    from edgevision.cli.models import open_model
    from edgevision.cli.timing import benchmark_text
    from edgevision.remote import benchmark_there

    artifacts = [open_model(model) for model in models]
    with working("measuring") as progress:
        ran = benchmark_there(artifacts, remote, runtimes=runtimes, options=options, **settings, tell=progress.say)
    result_files.write(ran.result)
    text = benchmark_text(ran.result) + ran_on(ran.machine)
    show({**ran.result.to_dict(), **machine_entry(ran.machine)}, text)


def _sustained_there(
    models: tuple[Path, ...],
    remote: Remote,
    runtimes: tuple[str, ...],
    options: Mapping[str, Any],
    result_files: ResultFiles,
    **settings: Any,
) -> None:
    from edgevision.cli.models import open_model
    from edgevision.remote import sustained_there

    _check_single(models, runtimes, "--sustained")
    artifact, runtime = open_model(models[0]), runtimes[0] if runtimes else None
    with working("running") as progress:
        ran = sustained_there(artifact, remote, runtime=runtime, options=options, **settings, tell=progress.say)
    _show_sustained(ran.result, result_files, ran.machine)


def _candidates(model: Path, runtimes: tuple[str, ...], device: str, settings: Mapping[str, Any]) -> list[Candidate]:
    from edgevision.benchmark import Candidate
    from edgevision.cli.models import open_model
    from edgevision.runtimes import available_runtimes

    artifact = open_model(model)
    names: tuple[str | None, ...] = runtimes or available_runtimes(artifact, device) or (None,)
    return [Candidate(artifact, name, device, settings) for name in names]
