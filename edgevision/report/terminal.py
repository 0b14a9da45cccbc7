"""The closing table: the float model against each artifact, for a terminal."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from edgevision.report.model import Entry, Report
from edgevision.report.names import percent, printable, short_names, three_digits
from edgevision.report.run import Run

_WIDEST = 120
_GAP = 2


@dataclass(frozen=True)
class _Column:
    """A column: its two header lines, its cells, how dearly it is kept (0 goes first), and its side."""

    title: str
    unit: str
    cells: list[str]
    keep: int
    left: bool = False

    @property
    def width(self) -> int:
        return max(map(len, (self.title, self.unit, *self.cells)))

    def line(self, value: str) -> str:
        return value.ljust(self.width) if self.left else value.rjust(self.width)


def terminal_table(report: Report, *, width: int | None = None, unicode: bool = True) -> str:
    """Return the closing table as text, without a final newline.

    One line per artifact and runtime; the reference comes first. Columns that nothing was measured for are left
    out; where the terminal is narrow, the intervals of the agreement go first, then the verdict, the share
    of bytes, and deflated bytes.

    Args:
        report: What to show.
        width: Columns of the terminal; None asks it (120 at most, and where there is none).
        unicode: False for output that takes ASCII only.
    """
    limit = width or min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns)
    rows = _rows(report)
    columns = _fitting(rows, report, limit, "±" if unicode else "+-")
    gap = " " * _GAP
    lines = [gap.join(column.line(column.title) for column in columns).rstrip()]
    lines.append(gap.join(column.line(column.unit) for column in columns).rstrip())
    lines.append(gap.join(("─" if unicode else "-") * column.width for column in columns))
    for index in range(len(rows)):
        lines.append(gap.join(column.line(column.cells[index]) for column in columns).rstrip())
    return "\n".join([*lines, *_footnotes(report, columns, unicode)])


def _rows(report: Report) -> list[tuple[Entry, Run | None, bool]]:
    """Each entry with each of its runs, and whether it is the entry's first."""
    first = report.reference_entry
    entries = [first, *(entry for entry in report.entries if entry is not first)]
    rows: list[tuple[Entry, Run | None, bool]] = []
    for entry in entries:
        runs: tuple[Run | None, ...] = entry.runs or (None,)
        rows.extend((entry, run, index == 0) for index, run in enumerate(runs))
    return rows


def _fitting(rows: list[tuple[Entry, Run | None, bool]], report: Report, limit: int, pm: str) -> list[_Column]:
    columns = _columns(rows, report, limit, pm, agreement_interval=True)
    if _total(columns) > limit:
        columns = _columns(rows, report, limit, pm, agreement_interval=False)
    for keep in range(max(column.keep for column in columns)):
        if _total(columns) <= limit:
            break
        columns = [column for column in columns if column.keep != keep]
    return columns


def _total(columns: list[_Column]) -> int:
    return sum(column.width for column in columns) + _GAP * (len(columns) - 1)


def _columns(
    rows: list[tuple[Entry, Run | None, bool]], report: Report, limit: int, pm: str, *, agreement_interval: bool
) -> list[_Column]:
    names = short_names(report.entries)
    runs = [run for _, run, _ in rows]
    latencies = [run.latency if run else None for run in runs]
    once = [entry if first else None for entry, _, first in rows]
    columns = [
        _Column("artifact", "", [_cut(names[e.name], limit // 3) if e else "" for e in once], 9, left=True),
        _Column("bytes", "", [f"{e.bytes:,}" if e else "" for e in once], 8),
        _Column("deflated", "bytes", [f"{e.deflated_bytes:,}" if e else "" for e in once], 2),
        _Column("of float", "%", [f"{100 * report.bytes_ratio(e):.1f}" if e else "" for e in once], 1),
        _Column("runtime", "", [_place(run) for run in runs], 9, left=True),
        _Column("top-1", f"% {pm}95%", [percent(run.accuracy, plus_minus=pm) if run else "" for run in runs], 7),
        _Column(
            "agreement",
            f"% {pm}95%" if agreement_interval else "%",
            [percent(r.agreement, interval=agreement_interval, plus_minus=pm) if r else "" for r in runs],
            4,
        ),
        _Column("p50", "ms", [_digits(item.p50_ms if item else None) for item in latencies], 6),
        _Column("p99", "ms", [_digits(item.p99_ms if item else None) for item in latencies], 5),
        _Column("parity", "", [(run.verdict or "") if run else "" for run in runs], 0, left=True),
    ]
    return [column for column in columns if any(column.cells)]


def _digits(value: float | None) -> str:
    return "" if value is None else three_digits(value)


def _place(run: Run | None) -> str:
    if run is None:
        return ""
    return printable(run.runtime if run.device == "cpu" else f"{run.runtime} {run.device}")


def _cut(name: str, limit: int) -> str:
    name = printable(name)
    return name if len(name) <= max(limit, 12) else name[: max(limit, 12) - 2] + ".."


def _footnotes(report: Report, columns: list[_Column], unicode: bool) -> list[str]:
    titles = {column.title for column in columns}
    notes = []
    if "top-1" in titles and report.dataset:
        notes.append(f"top-1: {printable(report.dataset)}; intervals are 95% (Wilson)")
    if "agreement" in titles:
        notes.append("agreement: same top-1 as the float reference, image by image")
    if "of float" in titles:
        notes.append("of float: share of the float32 file of the same format, else of the reference")
    if not unicode:
        notes = [note.encode("ascii", "replace").decode() for note in notes]
    return ["", *notes] if notes else []
