"""``edgevision benchmark``: how fast artifacts run, and in how much memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command
from edgevision.cli.measuring import batch_option, machine_text, pin_option
from edgevision.cli.options import FloatRange, runtime_options, runtime_settings, seed_option
from edgevision.cli.output import show, table, working
from edgevision.metrics.percentiles import samples_needed

if TYPE_CHECKING:
    from edgevision.benchmark import BenchmarkEntry, BenchmarkReport, Candidate


@command(
    "benchmark",
    "edgevision benchmark runs/resnet8-tflite-static_wi8_ai8",
    "edgevision benchmark runs/resnet8-* --min-duration 10 --json",
)
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@runtime_options(several=True, isolated=True)
@click.option("--warmup", type=FloatRange(min=0), default=0.5, show_default=True, help="Seconds before measuring.")
@click.option(
    "--min-duration", type=FloatRange(min=0), default=2.0, show_default=True, help="Seconds of measurement each."
)
@click.option("--min-count", type=click.IntRange(min=1), default=100, show_default=True, help="Inferences each.")
@click.option("--throughput", is_flag=True, help="Measure many inferences at once too, where the runtime has a way.")
@batch_option
@pin_option
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
    throughput: bool,
    batch: int | None,
    pin: tuple[int, ...] | None,
    seed: int,
) -> None:
    """Measure latency, load time and memory of MODELS, which take turns in random order.

    Times are milliseconds. p50 is the median; p90 to p99 are what MLPerf's early stopping takes: the true percentile
    is no longer with 99% confidence, and inferences too few for that give none. Loading, the first inference and peak
    memory are those of a fresh process. Memory is the peak of that process; its own weight, Python and numpy, is in
    the JSON as idle_rss_bytes. CPU time is that of all threads. The noise verdict says whether the machine was quiet
    enough for the figures, and why not; the JSON has the machine itself too, and None for what it does not expose.
    """
    from edgevision.benchmark import benchmark as measure

    settings = runtime_settings(threads, precision, batch)
    candidates = [candidate for model in models for candidate in _candidates(model, runtimes, device, settings)]
    with working("measuring") as progress:
        report = measure(
            candidates, warmup_s=warmup, min_duration_s=min_duration, min_count=min_count, seed=seed,
            throughput=throughput, pin=pin,
            progress=progress,
        )  # fmt: skip
    told = f"{machine_text(report.noise, report.energy)}\n\n{report.protocol.text}{_too_few(report)}"
    show(report.to_dict(), f"{_table(report)}\n\n{told}")


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
    many = any(entry.many_ips is not None for entry in report.entries)
    energy = any(entry.energy_mj is not None for entry in report.entries)
    for entry in report.entries:
        latency = entry.latency
        package = f"{entry.facts.get('package', entry.runtime)} {entry.facts.get('version') or ''}".strip()
        times = (latency.p50_ms, latency.p90_ms, latency.p95_ms, latency.p99_ms, entry.first_ms, entry.load_ms,
                 entry.cpu_ms)  # fmt: skip
        memory = "–" if entry.peak_rss_bytes is None else f"{entry.peak_rss_bytes / 2**20:.0f}"
        rows.append(
            [entry.artifact, f"{entry.format} {entry.scheme or ''}".strip(), package]
            + [_shown(value) for value in times]
            + [memory, *([_shown(entry.energy_mj)] if energy else []), latency.count]
            + ([_images(entry)] if many else [])
        )
    times_ms = [f"{name} ms" for name in ("p50", "p90", "p95", "p99", "first", "load", "cpu")]
    headers = [
        "model",
        "format",
        "runs on",
        *times_ms,
        "peak MiB",
        *(["mJ"] if energy else []),
        "count",
        *(["images/s"] if many else []),
    ]
    return table(headers, rows)


def _images(entry: BenchmarkEntry) -> str:
    return "–" if entry.many_ips is None else f"{entry.many_ips:.0f} ({entry.facts['concurrency']})"


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
