"""``edgevision benchmark``: how fast artifacts run, and in how much memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command
from edgevision.cli.options import FloatRange, runtime_options, runtime_settings, seed_option
from edgevision.cli.output import show, table, working
from edgevision.cli.remote import machine_entry, ran_on, remote_options
from edgevision.metrics.percentiles import samples_needed

if TYPE_CHECKING:
    from edgevision.benchmark import BenchmarkReport, Candidate
    from edgevision.remote import Machine, Remote


@command(
    "benchmark",
    "edgevision benchmark runs/resnet8-tflite-static_wi8_ai8",
    "edgevision benchmark runs/resnet8-* --min-duration 10 --json",
    "edgevision benchmark runs/resnet8-tflite-* --device ssh://pi@camera-3:2222/cpu",
)
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@runtime_options(several=True, isolated=True)
@remote_options
@click.option("--warmup", type=FloatRange(min=0), default=0.5, show_default=True, help="Seconds before measuring.")
@click.option(
    "--min-duration", type=FloatRange(min=0), default=2.0, show_default=True, help="Seconds of measurement each."
)
@click.option("--min-count", type=click.IntRange(min=1), default=100, show_default=True, help="Inferences each.")
@seed_option
def benchmark(
    models: tuple[Path, ...],
    runtimes: tuple[str, ...],
    device: str,
    threads: int | None,
    precision: str | None,
    warmup: float,
    min_duration: float,
    min_count: int,
    seed: int,
    remote: Remote | None,
) -> None:
    """Measure latency, load time and memory of MODELS, which take turns in random order.

    Times are milliseconds. p50 is the median; p90 to p99 are what MLPerf's early stopping takes: the true percentile
    is no longer with 99% confidence, and inferences too few for that give none. Loading, the first inference and peak
    memory are those of a fresh process. Memory is the peak of that process; its own weight, Python and numpy, is in
    the JSON as idle_rss_bytes.
    """
    settings = runtime_settings(threads, precision)
    protocol = {"warmup_s": warmup, "min_duration_s": min_duration, "min_count": min_count, "seed": seed}
    machine = None
    if remote is not None:
        report, machine = _there(models, remote, runtimes, settings, protocol)
    else:
        report = _here(models, runtimes, device, settings, protocol)
    text = f"{_table(report)}\n\n{report.protocol.text}{_too_few(report)}{ran_on(machine)}"
    show({**report.to_dict(), **machine_entry(machine)}, text)


def _here(
    models: tuple[Path, ...],
    runtimes: tuple[str, ...],
    device: str,
    settings: Mapping[str, Any],
    protocol: Mapping[str, Any],
) -> BenchmarkReport:
    from edgevision.benchmark import benchmark as measure

    candidates = [candidate for model in models for candidate in _candidates(model, runtimes, device, settings)]
    with working("measuring") as progress:
        return measure(candidates, **protocol, progress=progress)


def _there(
    models: tuple[Path, ...],
    remote: Remote,
    runtimes: tuple[str, ...],
    settings: Mapping[str, Any],
    protocol: Mapping[str, Any],
) -> tuple[BenchmarkReport, Machine]:
    from edgevision.cli.models import open_model
    from edgevision.remote import benchmark_there

    artifacts = [open_model(model) for model in models]
    with working("measuring") as progress:
        ran = benchmark_there(artifacts, remote, runtimes=runtimes, options=settings, **protocol, tell=progress.say)
    return ran.result, ran.machine


def _candidates(model: Path, runtimes: tuple[str, ...], device: str, settings: Mapping[str, Any]) -> list[Candidate]:
    from edgevision.benchmark import Candidate
    from edgevision.cli.models import open_model
    from edgevision.runtimes import available_runtimes

    artifact = open_model(model)
    names: tuple[str | None, ...] = runtimes or available_runtimes(artifact, device) or (None,)
    return [Candidate(artifact, name, device, settings) for name in names]


def _too_few(report: BenchmarkReport) -> str:
    if all(entry.latency.p99_ms is not None for entry in report.entries):
        return ""
    needed = ", ".join(f"a p{percent} needs {samples_needed(percent)}" for percent in (90, 95, 99))
    return f"\n\n–: too few inferences: {needed}. Name --min-count or a longer --min-duration."


def _table(report: BenchmarkReport) -> str:
    rows = []
    for entry in report.entries:
        latency = entry.latency
        package = f"{entry.facts.get('package', entry.runtime)} {entry.facts.get('version') or ''}".strip()
        times = (latency.p50_ms, latency.p90_ms, latency.p95_ms, latency.p99_ms, entry.first_ms, entry.load_ms)
        memory = "–" if entry.peak_rss_bytes is None else f"{entry.peak_rss_bytes / 2**20:.0f}"
        rows.append(
            [entry.artifact, f"{entry.format} {entry.scheme or ''}".strip(), package]
            + ["–" if value is None else f"{value:.3f}" for value in times]
            + [memory, latency.count]
        )
    times_ms = [f"{name} ms" for name in ("p50", "p90", "p95", "p99", "first", "load")]
    headers = ["model", "format", "runs on", *times_ms, "peak MiB", "count"]
    return table(headers, rows)
