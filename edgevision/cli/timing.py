"""Measured times as people read them on a terminal."""

from __future__ import annotations

from edgevision.benchmark import (
    BenchmarkEntry,
    BenchmarkReport,
    Comparison,
    Regression,
    ScenarioReport,
    SustainedReport,
)
from edgevision.cli.output import facts, table
from edgevision.metrics.percentiles import samples_needed

SHOWN_WINDOWS = 20


def benchmark_text(report: BenchmarkReport) -> str:
    """Return the table of a benchmark, what is said of the machine, and the protocol."""
    columns = [
        ("model", [entry.artifact for entry in report.entries]),
        ("format", [f"{entry.format} {entry.scheme or ''}".strip() for entry in report.entries]),
        ("runs on", [_package(entry) for entry in report.entries]),
        *((f"{name} ms", [_digits(getattr(entry.latency, f"{name}_ms")) for entry in report.entries])
          for name in ("p50", "p90", "p95", "p99", "first")),
        ("load ms", [_digits(entry.load_ms) for entry in report.entries]),
        ("cpu ms", [_digits(entry.cpu_ms) for entry in report.entries]),
        ("peak MiB", [_mebibytes(entry.peak_rss_bytes) for entry in report.entries]),
        ("count", [str(entry.latency.count) for entry in report.entries]),
    ]  # fmt: skip
    if any(entry.energy_mj is not None for entry in report.entries):
        columns.append(("mJ", [_digits(entry.energy_mj) for entry in report.entries]))
    if any(entry.many_ips is not None for entry in report.entries):
        columns.append(("images/s", [_many(entry) for entry in report.entries]))
    shown = table([name for name, _ in columns], list(zip(*(cells for _, cells in columns), strict=True)))
    return f"{shown}\n\nnoise: {report.noise}\nenergy: {report.energy}\n\n{report.protocol.text}{_too_few(report)}"


def comparison_text(result: Comparison) -> str:
    """Return the table of a comparison, and how it was measured."""
    rows = [[result.base, f"{result.base_p50_ms:.4g}", "1", "what the others are compared with"]]
    rows += [[other.name, f"{other.p50_ms:.4g}", str(other.ratio or "–"), other.verdict] for other in result.others]
    if result.control is not None:
        rows.append([f"{result.base}, again", "", str(result.control), "control: against itself"])
    return f"{table(['model', 'p50 ms', 'ratio', 'verdict'], rows)}\n\nnoise: {result.noise}\n\n{result.protocol}"


def regression_text(result: Regression) -> str:
    """Return the table of a comparison with a baseline, and how it was measured."""
    rows = [
        [one.name, f"{one.baseline_p50_ms:.4g}", f"{one.p50_ms:.4g}", str(one.ratio or "–"), one.verdict]
        for one in result.results
    ]
    headers = ["model", "baseline p50 ms", "p50 ms", "ratio", f"at most {1 + result.max_regression:g}"]
    return f"{table(headers, rows)}\n\nnoise: {result.noise}\n\n{result.protocol}"


def scenario_text(report: ScenarioReport) -> str:
    """Return LoadGen's verdict and the figures that its scenario is about."""
    result = report.result
    shown: dict[str, object] = {
        "model": report.artifact,
        "runs on": _package(report),
        "concurrency": report.facts.get("concurrency"),
        "scenario": f"{report.scenario} (LoadGen {report.loadgen})",
        "result": "valid" if result.valid else "INVALID: " + "; ".join(result.reasons),
        "queries": result.figures.get("result_query_count"),
        "samples/s": result.figures.get("result_samples_per_second"),
        "scheduled/s": result.figures.get("result_scheduled_samples_per_sec"),
        "completed/s": result.figures.get("result_completed_samples_per_sec"),
    }
    if report.scenario != "offline":  # one query of everything has no distribution
        shown |= {f"p{float(name):g} ms": f"{value:.3f}" for name, value in result.percentiles_ms.items()}
    return f"{facts(shown)}\n\nnoise: {report.noise}\n\nNo MLPerf result: those need its data, rules and review."


def sustained_text(report: SustainedReport) -> str:
    """Return the verdict, and windows over the whole time."""
    every = max(1, -(-len(report.windows) // SHOWN_WINDOWS))
    rows = [
        [
            f"{window.start_s:.0f}", window.count, _digits(window.p50_ms), _digits(window.max_ms),
            _whole(window.frequency_mhz), _whole(max(window.temperatures_c.values(), default=None)),
            "–" if window.others_share is None else f"{window.others_share:.0%}",
        ]
        for window in report.windows[::every]
    ]  # fmt: skip
    shown = table(["from s", "count", "p50 ms", "max ms", "MHz", "hottest °C", "others"], rows)
    thinned = f" Every {every}th window is shown." if every > 1 else ""
    told = f"{report.artifact} on {_package(report)}: {report.conclusion}"
    return f"{shown}\n\n{told}\nenergy: {report.energy}\n\nWindows of {report.window_s:g} s, no warm-up.{thinned}"


def _package(ran: BenchmarkEntry | ScenarioReport | SustainedReport) -> str:
    return f"{ran.facts.get('package', ran.runtime)} {ran.facts.get('version') or ''}".strip()


def _many(entry: BenchmarkEntry) -> str:
    return "–" if entry.many_ips is None else f"{entry.many_ips:.0f} ({entry.facts['concurrency']})"


def _digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _mebibytes(value: int | None) -> str:
    return "–" if value is None else f"{value / 2**20:.0f}"


def _too_few(report: BenchmarkReport) -> str:
    if all(entry.latency.p99_ms is not None for entry in report.entries):
        return ""
    needed = ", ".join(f"a p{percent} needs {samples_needed(percent)}" for percent in (90, 95, 99))
    return f"\n\n–: too few inferences: {needed}. Name --min-count or a longer --min-duration."
