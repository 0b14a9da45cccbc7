"""Pictures of measured times: how samples are distributed, what sittings say, and latency over minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgevision.benchmark.sustained import Window
from edgevision.report.names import three_digits
from edgevision.report.plots.canvas import (
    BLUE,
    GRID,
    INK,
    MUTED,
    NARROW,
    ORANGE,
    SMALL,
    WIDE,
    Picture,
    axes,
    clean,
    draw,
)

BINS = 60
HIDDEN = 0.5
"""Percent of the samples at each end that a distribution does not show, so that one outlier does not hide the rest."""

Series = tuple[str, Sequence[float]]


def distribution_picture(series: Sequence[Series]) -> Picture:
    """Draw how the latencies of each candidate are distributed, one below the other on one axis."""
    alt = "; ".join(f"{name}: median {three_digits(float(np.median(values)))} ms" for name, values in series)
    height = 60 + 64 * len(series)
    return Picture(
        "Distribution of latencies",
        f"The height is the share of inferences, the line the median. The slowest and fastest {HIDDEN:g}% are outside.",
        alt,
        draw("distribution-wide", WIDE, height, lambda figure: _distributions(figure, series)),
        draw("distribution-narrow", NARROW, height, lambda figure: _distributions(figure, series)),
    )


def sittings_picture(series: Sequence[Series]) -> Picture:
    """Draw the median of each sitting as a dot, one candidate below the other."""
    alt = "; ".join(f"{name}: {three_digits(min(v))} to {three_digits(max(v))} ms" for name, v in series)
    height = 60 + 44 * len(series)
    return Picture(
        "Sittings",
        "Each dot is the median latency of a sitting, for which everything was loaded anew; the line is their median.",
        alt,
        draw("sittings-wide", WIDE, height, lambda figure: _sittings(figure, series)),
        draw("sittings-narrow", NARROW, height, lambda figure: _sittings(figure, series)),
    )


def minutes_picture(windows: Sequence[Window]) -> Picture:
    """Draw latency, clock rate and the hottest zone over time; what the machine does not tell has no panel."""
    panels = [("latency, p50 (ms)", [window.p50_ms for window in windows], BLUE)]
    if all(window.frequency_mhz is not None for window in windows):
        panels.append(("clock (MHz)", [window.frequency_mhz or 0.0 for window in windows], INK))
    if all(window.temperatures_c for window in windows):
        panels.append(("hottest zone (°C)", [max(window.temperatures_c.values()) for window in windows], ORANGE))
    minutes = [window.start_s / 60 for window in windows]
    alt = f"p50 from {three_digits(windows[0].p50_ms)} ms at the beginning to {three_digits(windows[-1].p50_ms)} ms"
    height = 40 + 130 * len(panels)
    return Picture(
        "Over time",
        "One point for each window of the run.",
        alt,
        draw("minutes-wide", WIDE, height, lambda figure: _minutes(figure, minutes, panels)),
        draw("minutes-narrow", NARROW, height, lambda figure: _minutes(figure, minutes, panels)),
    )


def _rows(figure: Any, series: Sequence[Series], values: Sequence[float], room: float) -> Any:
    ax = axes(figure, left=12, top=8, right=16, bottom=46)
    low, high = min(values), max(values)
    margin = 0.04 * (high - low) or 0.05 * high or 1.0
    ax.set_xlim(max(0.0, low - margin), high + margin)
    ax.set_ylim(len(series) - 0.75, -room)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.locator_params(axis="x", nbins=5)
    ax.set_xlabel("time per inference (ms)")
    ax.grid(axis="x", color=GRID, lw=0.6)
    ax.set_axisbelow(True)
    return ax


def _label(ax: Any, place: float, name: str, median: float) -> None:
    text = f"{clean(name, 44)} · {three_digits(median)} ms"
    ax.annotate(text, (0, place), xycoords=("axes fraction", "data"), color=INK, fontsize=SMALL, va="bottom")


def _distributions(figure: Any, series: Sequence[Series]) -> None:
    shown = [np.percentile(values, (HIDDEN, 100 - HIDDEN)) for _, values in series]
    ax = _rows(figure, series, [float(end) for ends in shown for end in ends], 0.95)
    left, right = ax.get_xlim()
    edges = np.linspace(float(left), float(right), BINS + 1)
    for place, (name, values) in enumerate(series):
        counts, _ = np.histogram(values, edges)
        heights = 0.6 * counts / max(1, counts.max())
        ax.stairs(place - heights, edges, baseline=place, fill=True, color=BLUE, alpha=0.55)
        median = float(np.median(values))
        ax.plot([median, median], [place, place - 0.6], color=INK, lw=1.2)
        _label(ax, place - 0.68, name, median)


def _sittings(figure: Any, series: Sequence[Series]) -> None:
    ax = _rows(figure, series, [value for _, values in series for value in values], 0.8)
    for place, (name, values) in enumerate(series):
        median = float(np.median(values))
        ax.plot(values, [place] * len(values), "o", ms=6, color=BLUE, alpha=0.55, mec="none")
        ax.plot([median, median], [place - 0.18, place + 0.18], color=INK, lw=1.6)
        _label(ax, place - 0.3, name, median)


def _minutes(figure: Any, minutes: Sequence[float], panels: Sequence[tuple[str, Sequence[float], str]]) -> None:
    height = float(figure.get_size_inches()[1] * 72)
    each = (height - 40) / len(panels)
    for place, (label, values, colour) in enumerate(panels):
        ax = axes(figure, left=64, top=8 + place * each, right=16, bottom=height - (place + 1) * each - 8)
        ax.plot(minutes, values, color=colour, lw=1.6, marker="o", ms=3)
        ax.set_ylim(0 if place == 0 else None, max(values) * 1.1 or 1)
        ax.locator_params(axis="y", nbins=4)
        ax.set_ylabel(label, color=MUTED, fontsize=SMALL)
        ax.grid(axis="y", color=GRID, lw=0.6)
        if place == len(panels) - 1:
            ax.set_xlabel("minutes")
