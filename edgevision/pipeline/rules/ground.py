"""From pixels to metres on the ground: a homography, for a camera that does not move and ground that is flat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgevision.errors import ConfigError
from edgevision.pipeline.rules.geometry import Point, checked_points
from edgevision.tensors import Array


class Ground:
    """A plane in the picture.

    Args:
        matrix: (3, 3) homography, from pixels (x, y, 1) to metres.
        seen: A pixel in which the ground is seen; what is on the other side of the horizon then is nowhere. None: all
            that is not on the horizon is somewhere, also the sky.

    Attributes:
        matrix: The homography; its third coordinate is positive where the ground is, if that is known.

    Raises:
        ConfigError: No invertible matrix.
    """

    def __init__(self, matrix: Array, seen: Point | None = None) -> None:
        matrix = np.asarray(matrix, np.float64)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-15:
            raise ConfigError("ground: homography", got=matrix.tolist(), allowed="an invertible 3×3 matrix")
        depth = 0.0 if seen is None else float(matrix[2] @ [*seen, 1.0])
        self.matrix, self._has_sky = (-matrix if depth < 0 else matrix), depth != 0

    @classmethod
    def from_points(cls, pixels: Sequence[Point], metres: Sequence[Point]) -> Ground:
        """Find the homography of four or more points whose places are known, of least squares.

        The direct linear transformation, normalized (R. Hartley and A. Zisserman, Multiple View Geometry in Computer
        Vision, 2004, algorithm 4.2).

        Raises:
            ConfigError: Fewer than four points, not as many on both sides, three of four on one line, or the horizon
                runs between them.
        """
        image, plane = checked_points("ground: pixels", pixels), checked_points("ground: metres", metres)
        if image.shape != plane.shape or len(image) < 4:
            raise ConfigError(
                "ground: points", got=f"{len(image)} in pixels, {len(plane)} in metres", allowed="4 or more of each"
            )
        to_image, to_plane = _normalizing(image), _normalizing(plane)
        source, target = _apply(to_image, image), _apply(to_plane, plane)
        ones, zeros = np.ones((len(source), 1)), np.zeros((len(source), 3))
        point = np.hstack([source, ones])
        rows = np.vstack(
            [
                np.hstack([point, zeros, -target[:, :1] * point]),
                np.hstack([zeros, point, -target[:, 1:] * point]),
            ]
        )
        _, strengths, vectors = np.linalg.svd(rows)
        if strengths[7] < 1e-9 * strengths[0]:
            raise ConfigError("ground: the points do not fix a plane", next_step="no three of four may lie on one line")
        found = cls(np.linalg.inv(to_plane) @ vectors[8].reshape(3, 3) @ to_image, (image[0, 0], image[0, 1]))
        if not np.isfinite(found.metres(image)).all():
            raise ConfigError(
                "ground: the horizon runs between the points", next_step="name them in the same order twice"
            )
        return found

    def metres(self, pixels: Array) -> Array:
        """Return where points (N, 2) of the picture are on the ground, in metres (N, 2); NaN from the horizon up."""
        return _apply(self.matrix, np.asarray(pixels, np.float64), above=self._has_sky)


def _apply(matrix: Array, points: Array, above: bool = False) -> Array:
    projected = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    depth = projected[:, 2:]
    there = depth if above else np.abs(depth)
    with np.errstate(divide="ignore", invalid="ignore"):
        flat: Array = np.where(there > 1e-12, projected[:, :2] / depth, np.nan)
    return flat


def _normalizing(points: Array) -> Array:
    middle = points.mean(axis=0)
    spread = np.linalg.norm(points - middle, axis=1).mean()
    if not (np.isfinite(spread) and spread > 0):
        raise ConfigError("ground: points", got=points.tolist(), allowed="finite, and not all the same")
    scale = np.sqrt(2) / spread
    return np.array([[scale, 0, -scale * middle[0]], [0, scale, -scale * middle[1]], [0, 0, 1]])
