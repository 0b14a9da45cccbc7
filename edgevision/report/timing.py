"""Measured times as a table for spreadsheets (CSV) and as a page with the distributions (HTML)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from edgevision.benchmark import BenchmarkReport, Comparison, Regression, SustainedReport
from edgevision.files import atomic_file
from edgevision.optional import require
from edgevision.report.environment import environment
from edgevision.report.names import printable
from edgevision.report.plots.canvas import Picture
from edgevision.report.plots.timing import Series, distribution_picture, minutes_picture, sittings_picture

Cell = str | int | float | None


@dataclass(frozen=True)
class TimingPage:
    """What is shown of measured times.

    Attributes:
        title: One line.
        verdict: What came of it, in a sentence or two.
        headers: Names of the columns, with their units.
        rows: Cells as they were measured; None for what is not known.
        texts: How many of the first columns are words.
        protocol: How it was measured.
        machine: What `edgevision.benchmark.environment.fingerprint` said; None where that is not known.
        draw: Makes the pictures, when a page is asked for: a table needs no matplotlib.
    """

    title: str
    verdict: str
    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    texts: int
    protocol: Mapping[str, Any]
    machine: Mapping[str, Any] | None
    draw: Callable[[], Sequence[Picture]] = field(default=tuple)


def timing_page(result: BenchmarkReport | Comparison | Regression | SustainedReport) -> TimingPage:
    """Return what is shown of a result."""
    if isinstance(result, BenchmarkReport):
        return _of_benchmark(result)
    if isinstance(result, SustainedReport):
        return _of_sustained(result)
    return _of_comparison(result) if isinstance(result, Comparison) else _of_regression(result)


def write_csv(page: TimingPage, path: str | Path, *, overwrite: bool = False) -> None:
    """Write the table; raises ConfigError where the file is there already, OutputError where it cannot be written."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([page.headers, *page.rows])
    _write(path, text.getvalue(), overwrite)


def write_html(page: TimingPage, path: str | Path, *, overwrite: bool = False) -> None:
    """Write the page, one file that needs nothing else.

    Raises:
        BackendUnavailableError: matplotlib or jinja2 is not installed (extra ``report``).
        ConfigError: The file is there already.
        OutputError: It cannot be written.
    """
    jinja2, markup = require("jinja2"), require("markupsafe").Markup
    renderer = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    renderer.filters |= {"printable": printable, "value": _shown}
    folder = files("edgevision.report")
    template = renderer.from_string(folder.joinpath("timing.html.j2").read_text(encoding="utf-8"))
    text = template.render(
        page=page,
        pictures=page.draw(),
        environment={} if page.machine is None else environment(page.machine),
        style=markup(folder.joinpath("page.css").read_text(encoding="utf-8")),
        markup=markup,
    )
    _write(path, text, overwrite)


def _write(path: str | Path, text: str, overwrite: bool) -> None:
    with atomic_file(path, overwrite) as file:
        file.write_text(text, encoding="utf-8")


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _of_benchmark(report: BenchmarkReport) -> TimingPage:
    times = ("p50_ms", "p90_ms", "p95_ms", "p99_ms", "mean_ms", "min_ms", "max_ms", "first_ms")
    own = ("load_ms", "cpu_ms", "energy_mj", "peak_rss_bytes", "batch", "many_ips")
    rows = [
        (
            entry.artifact, entry.format, entry.scheme, entry.runtime, entry.device,
            entry.latency.count, *(getattr(entry.latency, name) for name in times),
            *(getattr(entry, name) for name in own),
        )
        for entry in report.entries
    ]  # fmt: skip
    series: list[Series] = [
        (f"{entry.artifact} {entry.scheme or entry.format} on {entry.runtime}", entry.latency.samples_ms)
        for entry in report.entries
    ]
    return TimingPage(
        title="Benchmark: " + ", ".join(dict.fromkeys(entry.artifact for entry in report.entries)),
        verdict="The noise of the machine was not judged." if report.noise is None else f"Noise: {report.noise}",
        headers=("artifact", "format", "scheme", "runtime", "device", "count", *times, *own),
        rows=tuple(rows),
        texts=5,
        protocol={"how": report.protocol.text, "energy": report.energy},
        machine=report.environment,
        draw=lambda: [distribution_picture(series)],
    )


def _of_comparison(result: Comparison) -> TimingPage:
    rows: list[tuple[Cell, ...]] = [(result.base, "base", result.base_p50_ms, 1.0, 1.0, 1.0)]
    rows += [(other.name, other.verdict, other.p50_ms, *_ends(other.ratio)) for other in result.others]
    if result.control is not None:
        rows.append((f"{result.base}, again", "control", None, *_ends(result.control)))
    names = [result.base, *(other.name for other in result.others)]
    return TimingPage(
        title=f"Comparison with {result.base}",
        verdict="; ".join(f"{other.name}: {other.verdict}" for other in result.others),
        headers=("name", "verdict", "p50_ms", "ratio", "ratio_low", "ratio_high"),
        rows=tuple(rows),
        texts=2,
        protocol={"how": result.protocol, "margin": result.margin, "noise": str(result.noise or "not judged")},
        machine=result.environment,
        draw=lambda: [sittings_picture(_columns(names, result.sittings_ms))],
    )


def _of_regression(result: Regression) -> TimingPage:
    rows = [
        (one.name, one.verdict, one.baseline_p50_ms, one.p50_ms, *_ends(one.ratio), one.reason)
        for one in result.results
    ]
    names = [one.name for one in result.results]
    return TimingPage(
        title="Comparison with a baseline",
        verdict="; ".join(f"{one.name}: {one.verdict}" for one in result.results),
        headers=("name", "verdict", "baseline_p50_ms", "p50_ms", "ratio", "ratio_low", "ratio_high", "reason"),
        rows=tuple(rows),
        texts=2,
        protocol={"how": result.protocol, "largest regression": result.max_regression, "noise": str(result.noise)},
        machine=result.environment,
        draw=lambda: [sittings_picture(_columns(names, result.sittings_ms))],
    )


def _of_sustained(report: SustainedReport) -> TimingPage:
    zones = list(dict.fromkeys(name for window in report.windows for name in window.temperatures_c))
    own = ("start_s", "count", "p50_ms", "max_ms", "frequency_mhz", "others_share", "power_w")
    run = "interrupted" if report.interrupted else "complete"
    rows = [
        (run, *(getattr(window, name) for name in own), *(window.temperatures_c.get(zone) for zone in zones))
        for window in report.windows
    ]
    return TimingPage(
        title=f"{report.artifact} on {report.runtime}, sustained",
        verdict=report.conclusion,
        headers=("run", *own, *(f"{zone}_c" for zone in zones)),
        rows=tuple(rows),
        texts=1,
        protocol={"window": f"{report.window_s:g} s", "inputs": report.inputs, "energy": report.energy},
        machine=report.environment,
        draw=lambda: [minutes_picture(report.windows)],
    )


def _ends(ratio: Any) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if ratio is None else (ratio.value, ratio.low, ratio.high)


def _columns(names: Sequence[str], sittings_ms: Sequence[Sequence[float]]) -> list[Series]:
    return list(zip(names, zip(*sittings_ms, strict=True), strict=True))
