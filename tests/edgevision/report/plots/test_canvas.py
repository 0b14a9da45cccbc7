"""Placing labels and ticks, and what becomes of matplotlib's SVG."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevision.report.plots.canvas import INK, clean, draw, round_ticks, spread


@given(st.lists(st.floats(0, 1000), max_size=20), st.floats(1, 50))
def test_spread_keeps_the_distance_and_the_order(wanted, gap):
    placed = spread(wanted, gap)
    assert len(placed) == len(wanted)
    in_order = sorted(placed)
    assert all(b - a >= gap * (1 - 1e-9) - 1e-6 for a, b in pairwise(in_order))
    for i, a in enumerate(wanted):
        for j, b in enumerate(wanted):
            assert not (a < b) or placed[i] < placed[j]


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=20), st.floats(1, 50))
def test_spread_moves_nothing_as_a_whole(wanted, gap):
    assert sum(spread(wanted, gap)) == pytest.approx(sum(wanted), abs=1e-6 * len(wanted) * 1000)


def test_spread_leaves_free_labels_alone():
    assert spread([5.0, 50.0, 100.0], 20.0) == [5.0, 50.0, 100.0]


@given(st.floats(1e-3, 1e9), st.floats(1.0, 1e4))
def test_round_ticks_enclose_the_range(low, ratio):
    ticks = round_ticks(low, low * ratio)
    assert ticks == sorted(ticks)
    assert ticks[0] <= low * 1.001 and ticks[-1] >= low * ratio * 0.999


def test_text_stays_text_without_font_or_mathematics():
    svg = draw("t", 200, 100, lambda figure: figure.text(0.1, 0.5, r"cost $\frac{a}{b}$ <b>", color=INK))
    assert r"cost $\frac{a}{b}$ &lt;b&gt;" in svg
    assert "font-family" not in svg and "DejaVu" not in svg
    assert "var(--ink)" in svg
    assert re.match(r'<svg class="plot" viewBox="0 0 200 100"', svg)


def test_clean_cuts_and_drops_control_characters():
    assert clean("a\x00b\n") == "ab"
    assert clean("x" * 50, 10) == "x" * 9 + "…"
