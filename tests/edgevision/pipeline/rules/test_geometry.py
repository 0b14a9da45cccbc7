from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevision.errors import ConfigError
from edgevision.pipeline.rules.geometry import crosses, inside_by, polygon, segment, side_of

L_SHAPE = np.array([[0.0, 0], [10, 0], [10, 4], [4, 4], [4, 10], [0, 10]])


def test_depth_in_a_polygon_that_is_not_convex():
    points = np.array([[2.0, 2], [8, 2], [2, 8], [8, 8], [4, 4], [-3, 5]])
    assert inside_by(L_SHAPE, points) == pytest.approx([2, 2, 2, -4, 0, -3])


def test_the_order_of_the_corners_does_not_matter():
    points = np.random.default_rng(0).uniform(-3, 13, (200, 2))
    assert np.allclose(inside_by(L_SHAPE, points), inside_by(L_SHAPE[::-1], points))
    inside = ((points > 0) & (points < 10)).all(axis=1) & ~(points > 4).all(axis=1)
    assert ((inside_by(L_SHAPE, points) > 0) == inside).all()


def test_right_is_right_of_who_looks_along_the_line():
    up = np.array([5.0, 10]), np.array([5.0, 0])
    assert side_of(*up, np.array([[8.0, 3], [1, 90]])).tolist() == [3, -4]


@given(st.tuples(*[st.integers(-5, 5)] * 4))
def test_a_stop_on_the_line_makes_no_second_crossing(numbers):
    """From one side to the other by way of any point on the line: met once; back to the same side: an even count."""
    start, end = np.array([0.0, -20]), np.array([0.0, 20])
    y0, y1, y2, x = numbers
    steps = [(-4.0, float(y0)), (0.0, float(y1)), (4.0, float(y2))]
    assert sum(crosses(start, end, a, b) for a, b in pairwise(steps)) == 1
    assert not crosses(start, end, (1.0 + abs(x), 0.0), (2.0 + abs(x), 9.0))


def test_beyond_the_ends_is_no_crossing():
    line = np.array([0.0, 0]), np.array([10.0, 0])
    assert crosses(*line, (9, -1), (9, 1)) and not crosses(*line, (12, -1), (12, 1))


@pytest.mark.parametrize(
    "points",
    [
        [(0, 0), (1, 1)],
        [(0, 0), (1, 1), (2, 2)],
        [(0, 0), (5, 0), (9, 0)],
        [(0, 0), (1, 0), (0, np.nan)],
        ["ab"],
        [(0, 10), (10, 20), (20, 30)],
        [(0.1, 0.2), (0.2, 0.3), (0.3, 0.4)],
    ],
)
def test_what_is_no_polygon_is_refused(points):
    with pytest.raises(ConfigError, match="door"):
        polygon("door", points)


def test_corners_in_the_order_of_reading_are_refused_and_any_way_around_is_not():
    with pytest.raises(ConfigError, match=r"yard: a polygon whose edges cross.*all the way around"):
        polygon("yard", [(200, 100), (400, 100), (200, 400), (400, 400)])
    comb = [(0, 0), (9, 0), (9, 9), (7, 9), (7, 2), (5, 2), (5, 9), (0, 9)]
    for corners in (comb, comb[::-1], comb[3:] + comb[:3]):
        assert polygon("yard", corners).tolist() == [list(corner) for corner in corners]


def test_what_is_no_line_is_refused():
    with pytest.raises(ConfigError, match="gate"):
        segment("gate", (3, 3), (3, 3))
