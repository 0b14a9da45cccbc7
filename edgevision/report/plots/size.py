"""Size against accuracy: what the bytes of each artifact buy."""

from __future__ import annotations

from typing import Any

from edgevision.metrics.intervals import Proportion
from edgevision.report.model import Entry, Report
from edgevision.report.names import kilobytes, percent, short_names
from edgevision.report.plots.canvas import (
    FORMAT_COLOURS,
    GRID,
    MUTED,
    NARROW,
    SMALL,
    TEXT,
    WIDE,
    YELLOW,
    Picture,
    axes,
    clean,
    draw,
    round_ticks,
    spread,
)


def size_picture(report: Report) -> Picture | None:
    """Draw file size against top-1 of each evaluated artifact; None when there is none."""
    points = [(entry, entry.evaluated.accuracy) for entry in report.entries if entry.evaluated]
    known = [(entry, accuracy) for entry, accuracy in points if accuracy is not None]
    if not known:
        return None
    names = short_names(report.entries)
    alt = "; ".join(f"{names[e.name]}: {kilobytes(e.bytes)}, top-1 {percent(a)} %" for e, a in known)
    height = 90 + max(190, 36 * len(known))
    return Picture(
        "Size against accuracy",
        "Lower is smaller, further right is more accurate. Bars are 95% intervals: where they overlap, these images "
        "alone do not tell the artifacts apart. The size axis is logarithmic; marks that would cover each "
        "other are drawn slightly apart.",
        alt,
        draw("size-wide", WIDE, height, lambda figure: _paint(figure, known, names, wide=True)),
        draw("size-narrow", NARROW, height + 40, lambda figure: _paint(figure, known, names, wide=False)),
    )


def _paint(figure: Any, points: list[tuple[Entry, Proportion]], names: dict[str, str], *, wide: bool) -> None:
    ax = axes(figure, left=62 if wide else 52, top=14, right=250 if wide else 122, bottom=48)
    _scales(ax, points)
    to_pixels = ax.transData.transform
    from_pixels = ax.transData.inverted().transform
    tops = [float(to_pixels((0.0, entry.bytes))[1]) for entry, _ in points]
    marks, labels = spread(tops, 6.0), spread(tops, 34.0)
    edge = ax.get_xlim()[1]
    for (entry, accuracy), mark, label in zip(points, marks, labels, strict=True):
        y, label_y = (float(from_pixels((0.0, pixels))[1]) for pixels in (mark, label))
        colour = FORMAT_COLOURS.get(entry.format, YELLOW)
        ax.plot([100 * accuracy.low, 100 * accuracy.high], [y, y], color=colour, lw=1.6, solid_capstyle="butt")
        ax.plot([100 * (accuracy.value or 0.0)], [y], marker="o", ms=7, color=colour, mec="none")
        start = 100 * accuracy.high
        right, _ = to_pixels((edge, y))
        elbow, end = (float(from_pixels((right + reach, 0.0))[0]) for reach in (10, 18))
        ax.plot([start, elbow, end], [y, y, label_y], color=GRID, lw=0.8, clip_on=False, zorder=1)
        _label(ax, end, label_y, entry, accuracy, names[entry.name], wide)


def _label(ax: Any, x: float, y: float, entry: Entry, accuracy: Proportion, name: str, wide: bool) -> None:
    first, second = clean(name, 34), f"{kilobytes(entry.bytes)} · {percent(accuracy)} %"
    if not wide:
        first = clean(name.removeprefix(entry.format + " "), 18)
        second = f"{entry.format} · {kilobytes(entry.bytes)}"
    colour = FORMAT_COLOURS.get(entry.format, YELLOW)
    shared = {"textcoords": "offset points", "annotation_clip": False, "va": "baseline"}
    ax.annotate(first, (x, y), xytext=(4, 2), color=colour, fontsize=TEXT if wide else SMALL, **shared)
    ax.annotate(second, (x, y), xytext=(4, -12), color=MUTED, fontsize=SMALL, **shared)


def _scales(ax: Any, points: list[tuple[Entry, Proportion]]) -> None:
    sizes = [entry.bytes for entry, _ in points]
    ax.set_yscale("log")
    ax.set_ylim(min(sizes) * 0.75, max(sizes) * 1.25)
    ticks = [tick for tick in round_ticks(min(sizes), max(sizes)) if ax.get_ylim()[0] <= tick <= ax.get_ylim()[1]]
    ax.set_yticks(ticks, [_round(kilobytes(round(tick))) for tick in ticks])
    ax.set_yticks([], minor=True)
    low, high = (100 * f(end) for f, end in ((min, [a.low for _, a in points]), (max, [a.high for _, a in points])))
    margin = max(0.25, 0.06 * (high - low))
    ax.set_xlim(max(low - margin, 0) if low > 0 else 0, min(high + margin, 100.0 + 0.01 * (high - low)))
    ax.locator_params(axis="x", nbins=5, steps=[1, 2, 5, 10])
    ax.set_xlabel("top-1 accuracy (%), 95% interval")
    ax.set_ylabel("model file", color=MUTED)
    ax.grid(color=GRID, lw=0.6)
    ax.set_axisbelow(True)


def _round(figure: str) -> str:
    """Write a round figure without its zeros: "1.00 MB" becomes "1 MB"."""
    value, unit = figure.split()
    return f"{float(value):g} {unit}"
