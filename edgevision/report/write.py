"""A report on the disk: report.json for programs, report.html for people."""

from __future__ import annotations

from pathlib import Path

from edgevision.documents import pretty_json
from edgevision.files import atomic_directory
from edgevision.report.html import render_html
from edgevision.report.model import Report

JSON_NAME = "report.json"
HTML_NAME = "report.html"


def write_report(report: Report, out_dir: str | Path, *, overwrite: bool = False) -> tuple[Path, Path]:
    """Write the report into a directory of its own, whole or not at all.

    Args:
        report: What to write.
        out_dir: A directory that is not there yet, or is empty.
        overwrite: Whether an earlier report there may be replaced.

    Returns:
        The paths of report.json and report.html.

    Raises:
        BackendUnavailableError: matplotlib or jinja2 is not installed (extra ``report``).
        ConfigError: Something is there already.
        OutputError: No space, or no permission.
    """
    page = render_html(report)
    with atomic_directory(out_dir, overwrite) as folder:
        (folder / JSON_NAME).write_text(pretty_json(report.to_dict()), encoding="utf-8")
        (folder / HTML_NAME).write_text(page, encoding="utf-8")
    target = Path(out_dir).expanduser().resolve()
    return target / JSON_NAME, target / HTML_NAME
