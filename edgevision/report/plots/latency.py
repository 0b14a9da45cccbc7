"""Latency of each artifact on each runtime: the median as a dot, a line to the highest percentile that is known."""

from __future__ import annotations

from typing import Any

from edgevision.report.model import Entry, Report
from edgevision.report.names import short_names, three_digits
from edgevision.report.plots.canvas import (
    FORMAT_COLOURS,
    GRID,
    INK,
    MUTED,
    NARROW,
    PAPER,
    SMALL,
    TEXT,
    WIDE,
    YELLOW,
    Picture,
    axes,
    clean,
    draw,
    round_ticks,
)
from edgevision.report.run import Latency

Row = tuple[Entry, str, Latency]
_LOG_FROM = 6.0


def latency_picture(report: Report) -> Picture | None:
    """Draw the median to the tail of every measured run, fastest first; None when none was measured."""
    rows = [
        (entry, run.runtime if run.device == "cpu" else f"{run.runtime} {run.device}", run.latency)
        for entry in report.entries
        for run in entry.runs
        if run.latency is not None
    ]
    if not rows:
        return None
    rows.sort(key=lambda row: row[2].p50_ms)
    names = short_names(report.entries)
    alt = "; ".join(f"{names[e.name]} on {place}: p50 {_span(latency)}" for e, place, latency in rows)
    return Picture(
        "Latency per runtime",
        f"The dot is the median (p50), the line ends at p99, the tick between is p95{_too_few(rows)}. One inference "
        f"at a time; fastest first. {'The time axis is logarithmic.' if _logarithmic(rows) else ''}".strip(),
        alt,
        draw("latency-wide", WIDE, 72 + 27 * len(rows), lambda figure: _paint(figure, rows, names, wide=True)),
        draw("latency-narrow", NARROW, 72 + 44 * len(rows), lambda figure: _paint(figure, rows, names, wide=False)),
    )


def _span(latency: Latency) -> str:
    tail = f", {latency.tail[0]} {three_digits(latency.tail[1])}" if latency.tail else ""
    return f"{three_digits(latency.p50_ms)}{tail} ms"


def _too_few(rows: list[Row]) -> str:
    fewer = any(latency.p99_ms is None for *_, latency in rows)
    return "; with too few inferences for a p99 the line ends at a lower percentile, or there is none" if fewer else ""


def _end_ms(latency: Latency) -> float:
    return latency.tail[1] if latency.tail else latency.p50_ms


def _logarithmic(rows: list[Row]) -> bool:
    return max(_end_ms(row[2]) for row in rows) > _LOG_FROM * max(min(row[2].p50_ms for row in rows), 1e-9)


def _paint(figure: Any, rows: list[Row], names: dict[str, str], *, wide: bool) -> None:
    ax = axes(figure, left=232 if wide else 12, top=8, right=104 if wide else 84, bottom=46)
    _time_axis(ax, rows)
    ax.set_ylim(len(rows) - 0.4, -0.6 if wide else -0.9)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    left = ax.get_xlim()[0]
    for y, (entry, place, latency) in enumerate(rows):
        colour = FORMAT_COLOURS.get(entry.format, YELLOW)
        end = _end_ms(latency)
        ax.plot([latency.p50_ms, end], [y, y], color=colour, lw=2.2, solid_capstyle="butt")
        if latency.p95_ms is not None:
            ax.plot([latency.p95_ms], [y], marker="|", ms=9, mew=1.6, color=colour)
        ax.plot([latency.p50_ms], [y], marker="o", ms=8, color=colour, mec=PAPER, mew=1.2)
        offset = {"textcoords": "offset points", "annotation_clip": False}
        value = f"{three_digits(latency.p50_ms)}{f' – {three_digits(end)}' if latency.tail else ''} ms"
        ax.annotate(value, (end, y), xytext=(8, 0), va="center", color=MUTED, fontsize=SMALL, **offset)
        where = {"xytext": (-10, 0), "ha": "right", "va": "center"} if wide else {"xytext": (0, 11), "ha": "left"}
        label = f"{clean(names[entry.name], 30)} · {clean(place, 20)}"
        _row_label(ax, (left, y), label, where, offset, wide)


def _row_label(ax: Any, point: tuple[float, int], label: str, where: Any, offset: Any, wide: bool) -> None:
    ax.annotate(label, point, color=INK, fontsize=TEXT if wide else SMALL, **where, **offset)


def _time_axis(ax: Any, rows: list[Row]) -> None:
    low, high = min(row[2].p50_ms for row in rows), max(_end_ms(row[2]) for row in rows)
    if _logarithmic(rows) and low > 0:
        ticks = round_ticks(low, high)
        ax.set_xscale("log")
        ax.set_xlim(min(ticks[0], low * 0.9), max(high * 1.1, ticks[-2]))
        ticks = [tick for tick in ticks if tick <= ax.get_xlim()[1]]
        ax.set_xticks(
            ticks, [three_digits(tick).rstrip("0").rstrip(".") if tick < 1 else f"{tick:g}" for tick in ticks]
        )
        ax.set_xticks([], minor=True)
    else:
        ax.set_xlim(0, high * 1.05 or 1)
        ax.locator_params(axis="x", nbins=5)
    ax.set_xlabel("time per inference (ms)")
    ax.grid(axis="x", color=GRID, lw=0.6)
    ax.set_axisbelow(True)
