"""Learning curves: accuracy and loss by epoch, on the training and on the validation images."""

from __future__ import annotations

from typing import Any

from edgevision.report.model import History
from edgevision.report.plots.canvas import BLUE, GRID, NARROW, ORANGE, SMALL, Picture, axes, clean, draw, spread

_HALF = 470
_PANELS = (("accuracy", "accuracy (%)", 100.0), ("loss", "loss (nats per image)", 1.0))
Curve = tuple[str, list[float], str]
LEAST_EPOCHS = 3
"""A training of fewer epochs has no curve worth drawing; its figures stand in the text."""


def history_pictures(history: History) -> list[Picture]:
    """Draw a panel for accuracy and one for loss, as far as the history has them and is long enough."""
    if history.epochs < LEAST_EPOCHS:
        return []
    pictures = []
    for metric, unit, factor in _PANELS:
        curves = [
            (label, [factor * value for value in history.metrics[key]], colour)
            for key, label, colour in ((metric, "training", ORANGE), (f"val_{metric}", "validation", BLUE))
            if key in history.metrics
        ]
        if curves:
            pictures.append(_picture(history, metric, unit, curves))
    return pictures


def _picture(history: History, metric: str, unit: str, curves: list[Curve]) -> Picture:
    last = "; ".join(f"{label} {values[-1]:.4g}" for label, values, _ in curves)
    name = "history-" + "".join(c if c.isascii() and c.isalnum() else "_" for c in history.name) + "-" + metric
    return Picture(
        f"{clean(history.name, 60)}: {metric}",
        f"{unit} by epoch; the number is the last epoch's.",
        f"after {history.epochs} epochs: {last} {unit}",
        draw(f"{name}-wide", _HALF, 260, lambda figure: _paint(figure, unit, curves)),
        draw(f"{name}-narrow", NARROW, 230, lambda figure: _paint(figure, unit, curves)),
    )


def _paint(figure: Any, unit: str, curves: list[Curve]) -> None:
    ax = axes(figure, left=48, top=10, right=112, bottom=44)
    epochs = range(1, len(curves[0][1]) + 1)
    for _, values, colour in curves:
        ax.plot(epochs, values, color=colour, lw=1.6)
    ax.set_xlim(1, len(epochs))
    ax.locator_params(axis="y", nbins=5)
    ax.set_xlabel("epoch")
    ax.set_ylabel(unit)
    ax.grid(axis="y", color=GRID, lw=0.6)
    ax.set_axisbelow(True)
    _integer_ticks(ax, len(epochs))
    ends = [float(ax.transData.transform((1.0, values[-1]))[1]) for _, values, _ in curves]
    for (label, values, colour), pixels in zip(curves, spread(ends, 16.0), strict=True):
        y = float(ax.transData.inverted().transform((0.0, pixels))[1])
        ax.annotate(
            f"{label} {values[-1]:.{2 if values[-1] < 10 else 1}f}",
            (len(epochs), y),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=SMALL,
            annotation_clip=False,
        )


def _integer_ticks(ax: Any, epochs: int) -> None:
    step = next(s * 10**e for e in range(7) for s in (1, 2, 5) if epochs / (s * 10**e) <= 6)
    ax.set_xticks([1, *range(step, epochs + 1, step)] if step > 1 else list(range(1, epochs + 1)))
