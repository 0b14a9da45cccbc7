"""A report on the disk: report.json for programs, report.html for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from edgevision.documents import pretty_json
from edgevision.files import atomic_directory
from edgevision.report.html import render_html
from edgevision.report.model import Report

if TYPE_CHECKING:
    from edgevision.benchmark import BenchmarkReport

JSON_NAME = "report.json"
HTML_NAME = "report.html"
BENCHMARK_NAME = "benchmark.json"


def write_report(
    report: Report, out_dir: str | Path, *, benchmark: BenchmarkReport | None = None, overwrite: bool = False
) -> tuple[Path, ...]:
    """Write the report into a directory of its own, whole or not at all.

    Args:
        report: What to write.
        out_dir: A directory that is not there yet, or is empty.
        benchmark: The benchmark behind the latencies, to keep its raw samples as benchmark.json.
        overwrite: Whether an earlier report there may be replaced.

    Returns:
        The paths of report.json and report.html, and of benchmark.json when there is one.

    Raises:
        BackendUnavailableError: matplotlib or jinja2 is not installed (extra ``report``).
        ConfigError: Something is there already.
        OutputError: No space, or no permission.
    """
    page = render_html(report)
    with atomic_directory(out_dir, overwrite) as folder:
        (folder / JSON_NAME).write_text(pretty_json(report.to_dict()), encoding="utf-8")
        (folder / HTML_NAME).write_text(page, encoding="utf-8")
        if benchmark is not None:
            text = json.dumps(benchmark.to_dict(), allow_nan=False, sort_keys=True)
            (folder / BENCHMARK_NAME).write_text(text + "\n", encoding="utf-8")
    target = Path(out_dir).expanduser().resolve()
    names = (JSON_NAME, HTML_NAME, *((BENCHMARK_NAME,) if benchmark is not None else ()))
    return tuple(target / name for name in names)
