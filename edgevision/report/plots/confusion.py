"""Which classes are taken for which: the matrix of one run, and what changed from the float model to an artifact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgevision.report.plots.canvas import (
    BLUE,
    GRID,
    INK,
    MUTED,
    NARROW,
    ON_FILL,
    ORANGE,
    Picture,
    axes,
    clean,
    draw,
)

Matrix = Sequence[Sequence[int]]
Cell = tuple[str, float, str]  # colour, opacity 0..1, text

MOST_CLASSES = 24
"""A matrix of more classes is not drawn: its figures could not be read."""

_SIDE = 470


def confusion_picture(title: str, matrix: Matrix, labels: Sequence[str]) -> Picture | None:
    """Draw a confusion matrix: right answers in blue by recall, mistakes in orange; None for too many classes."""
    if not 2 <= len(labels) <= MOST_CLASSES:
        return None
    worst = max((_share(matrix, i, j) for i in range(len(labels)) for j in range(len(labels)) if i != j), default=0)

    def cell(i: int, j: int) -> Cell:
        share = _share(matrix, i, j)
        if i == j:
            return BLUE, 0.15 + 0.75 * share, str(matrix[i][j])
        return ORANGE, 0.8 * share / worst if worst else 0.0, str(matrix[i][j] or "")

    caption = (
        "Images per true class (rows) and predicted class (columns). Blue: right, deeper with recall; "
        "orange: mistakes, deeper the more of the class go there."
    )
    return _picture(title, caption, _most_confused(matrix, labels), labels, cell, "confusion")


def change_picture(title: str, before: Matrix, after: Matrix, labels: Sequence[str]) -> Picture | None:
    """Draw in which cells there are more (orange) or fewer (blue) images after than before; None as above."""
    if not 2 <= len(labels) <= MOST_CLASSES:
        return None
    change = [[b - a for a, b in zip(*rows, strict=True)] for rows in zip(before, after, strict=True)]
    largest = max(abs(value) for row in change for value in row)

    def cell(i: int, j: int) -> Cell:
        value = change[i][j]
        return ORANGE if value > 0 else BLUE, 0.75 * abs(value) / largest if value else 0.0, f"{value:+d}" * bool(value)

    moved = sum(abs(value) for row in change for value in row) // 2
    caption = "Change in the same counts: orange, more images than before; blue, fewer. Empty cells did not change."
    return _picture(title, caption, f"counts of {moved} images moved to another cell, net", labels, cell, "change")


def _picture(
    title: str, caption: str, alt: str, labels: Sequence[str], cell: Callable[[int, int], Cell], name: str
) -> Picture:
    return Picture(
        title,
        caption,
        alt,
        draw(f"{name}-wide", _SIDE, _SIDE - 18, lambda figure: _paint(figure, labels, cell, wide=True)),
        draw(f"{name}-narrow", NARROW, NARROW - 4, lambda figure: _paint(figure, labels, cell, wide=False)),
    )


def _paint(figure: Any, labels: Sequence[str], cell: Callable[[int, int], Cell], *, wide: bool) -> None:
    from matplotlib.patches import Rectangle

    size = len(labels)
    names = [clean(label, 14 if wide else 10) for label in labels]
    font = min(11.0 if wide else 8.5, (340 if wide else 240) / size * 0.42)
    margin = (14 + 6.6 * max(map(len, names)) * (11 if wide else 9) / 11) if wide else 12 + 5.6 * max(map(len, names))
    ax = axes(figure, left=margin + 14, top=margin + 10, right=2, bottom=2)
    ax.set_xlim(0, size)
    ax.set_ylim(size, 0)
    for i in range(size):
        for j in range(size):
            colour, opacity, text = cell(i, j)
            if opacity > 0.004:
                ax.add_patch(Rectangle((j, i), 1, 1, facecolor=colour, alpha=round(opacity, 3), linewidth=0))
            if text:
                ink = ON_FILL if opacity > 0.5 else INK
                ax.text(j + 0.5, i + 0.52, text, ha="center", va="center", fontsize=font, color=ink)
    ax.set_xticks([i + 0.5 for i in range(size)], names, rotation=90, fontsize=min(10.5 if wide else 8.5, font + 1))
    ax.set_yticks([i + 0.5 for i in range(size)], names, fontsize=min(10.5 if wide else 8.5, font + 1))
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    for edge in range(size + 1):
        ax.axhline(edge, color=GRID, lw=0.6)
        ax.axvline(edge, color=GRID, lw=0.6)
    for side in ax.spines.values():
        side.set_visible(False)
    small = 10.5 if wide else 9
    ax.xaxis.set_label_position("top")
    ax.set_xlabel("predicted (images)", fontsize=small, color=MUTED, labelpad=2)
    ax.set_ylabel("true (images)", fontsize=small, color=MUTED, labelpad=2)


def _share(matrix: Matrix, i: int, j: int) -> float:
    total = sum(matrix[i])
    return matrix[i][j] / total if total else 0.0


def _most_confused(matrix: Matrix, labels: Sequence[str], count: int = 3) -> str:
    pairs = sorted(
        ((matrix[i][j], labels[i], labels[j]) for i in range(len(labels)) for j in range(len(labels)) if i != j),
        reverse=True,
    )
    return "most frequent mistakes: " + "; ".join(
        f"{true} taken for {said} {n} times" for n, true, said in pairs[:count]
    )
