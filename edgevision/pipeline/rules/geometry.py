"""Points, polygons and lines in a picture: x to the right, y down, in pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgevision.errors import ConfigError
from edgevision.tensors import Array

Point = tuple[float, float]
_NO_AREA = 1e-9  # square pixels


def polygon(what: str, points: Sequence[Point]) -> Array:
    """Return the corners (K, 2) float64 of a polygon.

    Raises:
        ConfigError: Fewer than three corners, no area, or edges that cross: part of what is meant would lie outside.
    """
    corners = checked_points(what, points)
    if len(corners) < 3:
        raise ConfigError(f"{what}: corners of a polygon", got=len(corners), allowed="3 or more")
    off = corners - corners[0]
    if not (np.abs(_cross(off, np.roll(off, -1, axis=0))) > _NO_AREA).any():
        raise ConfigError(f"{what}: a polygon without an area", got=corners.tolist())
    if _crosses_itself(corners):
        raise ConfigError(
            f"{what}: a polygon whose edges cross",
            got=corners.tolist(),
            next_step="name its corners all the way around",
        )
    return corners


def segment(what: str, start: Point, end: Point) -> tuple[Array, Array]:
    """Return the two ends (2,) of a line; raises ConfigError when they are one point."""
    ends = checked_points(what, [start, end])
    if (ends[0] == ends[1]).all():
        raise ConfigError(f"{what}: a line that starts where it ends", got=ends[0].tolist())
    return ends[0], ends[1]


def inside_by(corners: Array, points: Array) -> Array:
    """Return how far points (N, 2) are inside a polygon (K, 2), in pixels; negative outside. By the even-odd rule.

    >>> square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]])
    >>> inside_by(square, np.array([[5, 2], [5, -3], [13, 14]])).tolist()
    [2.0, -3.0, -5.0]
    """
    start, end = corners, np.concatenate([corners[1:], corners[:1]])
    edge = end - start
    off = points[:, None] - start
    along = (off * edge).sum(axis=2) / np.maximum((edge * edge).sum(axis=1), 1e-12)
    gap = off - np.minimum(np.maximum(along, 0), 1)[..., None] * edge
    distance = np.sqrt((gap * gap).sum(axis=2).min(axis=1))
    y = points[:, None, 1]
    spans = (start[:, 1] > y) != (end[:, 1] > y)
    rise = np.where(edge[:, 1] == 0, 1.0, edge[:, 1])  # a level edge spans no y
    right = points[:, None, 0] < start[:, 0] + off[..., 1] * edge[:, 0] / rise
    inside = (spans & right).sum(axis=1) % 2 == 1
    signed: Array = np.where(inside, distance, -distance)
    return signed


def side_of(start: Array, end: Array, points: Array) -> Array:
    """Return how far points (N, 2) are from the endless line, in pixels: positive to the right of who looks along it.

    >>> side_of(np.array([0, 0]), np.array([0, -10]), np.array([[3.0, -5.0]])).tolist()  # looking up, 3 to the right
    [3.0]
    """
    along = end - start
    distance: Array = _cross(along, points - start) / np.hypot(*along)
    return distance


def crosses(start: Array, end: Array, before: Point, after: Point) -> bool:
    """Whether the way from ``before`` to ``after`` meets the line between its two ends.

    A way that begins on the line does not meet it there: of two steps with a stop on it, the first one does.
    """
    left, top = float(start[0]), float(start[1])  # plain numbers: several times faster for one point
    way_x, way_y = after[0] - before[0], after[1] - before[1]
    along_x, along_y = float(end[0]) - left, float(end[1]) - top
    turn = way_x * along_y - way_y * along_x
    if turn == 0:
        return False
    off_x, off_y = left - before[0], top - before[1]
    on_way, on_line = (off_x * along_y - off_y * along_x) / turn, (off_x * way_y - off_y * way_x) / turn
    return 0 < on_way <= 1 and 0 <= on_line <= 1


def _crosses_itself(corners: Array) -> bool:
    """Whether two edges meet between their ends."""
    ends = list(zip(corners, np.roll(corners, -1, axis=0), strict=True))
    return any(
        _parted(*ends[one], *ends[other]) and _parted(*ends[other], *ends[one])
        for one in range(len(ends))
        for other in range(one + 2, len(ends))
    )


def _parted(start: Array, end: Array, first: Array, second: Array) -> bool:
    """Whether two points lie on different sides of an endless line."""
    return bool(_cross(end - start, first - start) * _cross(end - start, second - start) < 0)


def _cross(first: Array, second: Array) -> Array:
    product: Array = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    return product


def checked_points(what: str, points: Sequence[Point]) -> Array:
    """Return points as (N, 2) float64; raises ConfigError for what are no pairs of finite numbers."""
    try:
        corners = np.array(points, np.float64)
    except (TypeError, ValueError) as exc:
        raise ConfigError(f"{what}: points", got=points, allowed="pairs of x and y") from exc
    if corners.ndim != 2 or corners.shape[1] != 2 or not np.isfinite(corners).all():
        raise ConfigError(f"{what}: points", got=points, allowed="pairs of x and y, finite")
    return corners
