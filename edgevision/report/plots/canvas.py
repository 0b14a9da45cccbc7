"""Drawing with matplotlib into SVG that belongs to a page: its colours follow the page, its text stays text.

Colours are drawn as stand-ins and become CSS variables afterwards, so that one drawing is legible in light and dark.
The categorical colours are Okabe and Ito's, which colour-blind readers tell apart.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgevision.optional import require
from edgevision.report.names import printable

INK = "#010101"
MUTED = "#010102"
GRID = "#010103"
PAPER = "#010104"
BLUE = "#010110"
ORANGE = "#010111"
GREEN = "#010112"
PURPLE = "#010113"
YELLOW = "#010114"
ON_FILL = "#010115"

VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    BLUE: "--blue",
    ORANGE: "--orange",
    GREEN: "--green",
    PURPLE: "--purple",
    YELLOW: "--yellow",
    ON_FILL: "--on-fill",
}
"""Stand-in colour -> the page's CSS variable."""

FORMAT_COLOURS = {"keras": INK, "tflite": BLUE, "openvino": ORANGE, "onnx": GREEN, "edgetpu": PURPLE}
"""Colour of a model format; others are yellow."""

WIDE, NARROW = 680, 340
TEXT, SMALL = 12.0, 10.5


@dataclass(frozen=True)
class Picture:
    """One picture of the report.

    Attributes:
        title: Its heading.
        caption: How to read it, and what it does not say.
        alt: What it shows, for who does not see it.
        wide: SVG element for windows from 720 px.
        narrow: SVG element for smaller ones.
    """

    title: str
    caption: str
    alt: str
    wide: str
    narrow: str


def draw(name: str, width: int, height: int, paint: Callable[[Any], None]) -> str:
    """Return what ``paint`` draws on a matplotlib figure of so many CSS pixels, as an SVG element.

    The same drawing gives the same text: no date, no random identifiers.
    """
    matplotlib = require("matplotlib")
    figures = require("matplotlib.figure")
    settings = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "text.parse_math": False,
        "font.size": TEXT,
        "axes.linewidth": 0.8,
        "axes.edgecolor": GRID,
        "axes.labelcolor": MUTED,
        "axes.labelsize": TEXT,
        "text.color": INK,
        "xtick.color": GRID,
        "ytick.color": GRID,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
    }
    buffer = io.StringIO()
    with warnings.catch_warnings(), matplotlib.rc_context(settings):
        warnings.simplefilter("ignore")  # a glyph that the measuring font lacks; the page's font draws the text
        figure = figures.Figure(figsize=(width / 72, height / 72), dpi=72)
        figure.patch.set_alpha(0)
        paint(figure)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return inline(buffer.getvalue(), name, width, height)


def inline(svg: str, name: str, width: int, height: int) -> str:
    """Return matplotlib's SVG file as an element of an HTML page: nothing external, colours of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<svg[^>]*>", f'<svg class="plot" viewBox="0 0 {width} {height}" aria-hidden="true">', svg, count=1)
    svg = svg.replace("xlink:href=", "href=")
    referenced = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: m[0] if m[1] in referenced else "", svg)
    svg = re.sub(r'(url\(#| id="|href="#)', lambda m: m[1] + name + "-", svg)
    svg = re.sub(r"font: ?(?:[a-z]+ )*(\d[\d.]*)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r"font-family: ?[^;\"]*;? ?", "", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return re.sub(r"\n\s*", "\n", svg).strip()


def axes(figure: Any, left: float, top: float, right: float, bottom: float) -> Any:
    """Return plain axes with these margins in pixels: only what reading needs."""
    width, height = figure.get_size_inches() * 72
    box = [left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height]
    ax = figure.add_axes(box)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.tick_params(length=3, width=0.8, pad=4)
    ax.set_facecolor("none")
    return ax


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Move positions apart until neighbours are ``gap`` away, as little as that takes (least squares).

    >>> spread([10.0, 10.0, 40.0], 6.0)
    [7.0, 13.0, 40.0]
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    blocks: list[tuple[float, int]] = []  # the mean that a run of neighbours wants, and how many they are
    for rank, index in enumerate(order):
        mean, count = wanted[index] - rank * gap, 1
        while blocks and blocks[-1][0] > mean:
            other, size = blocks.pop()
            mean, count = (mean * count + other * size) / (count + size), count + size
        blocks.append((mean, count))
    flat = [mean for mean, count in blocks for _ in range(count)]
    result = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        result[index] = flat[rank] + rank * gap
    return result


def round_ticks(low: float, high: float, steps: Sequence[float] = (1, 2, 5)) -> list[float]:
    """Return 1, 2, 5, 10, 20, … between two positive numbers, and one on each side."""
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
    first = max((i for i, tick in enumerate(ticks) if tick <= low * 1.001), default=0)
    last = min((i for i, tick in enumerate(ticks) if tick >= high * 0.999), default=len(ticks) - 1)
    return ticks[first : last + 1]


def clean(text: str, limit: int = 40) -> str:
    """Return untrusted text as one line without control characters, cut to ``limit`` characters."""
    line = printable(text)
    return line if len(line) <= limit else line[: limit - 1] + "…"
