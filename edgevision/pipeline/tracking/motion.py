"""Where boxes go: a Kalman filter of constant velocity over all tracks at once, in seconds.

The four coordinates of a box (centre x, centre y, width, height) are filtered apart: neither motion nor measurement
couples them in the model of SORT and ByteTrack, so that an 8×8 covariance is four 2×2 ones, and prediction and
correction are a few array operations for all tracks together. Acceleration is white noise (Y. Bar-Shalom, X. R. Li and
T. Kirubarajan, Estimation with Applications to Tracking and Navigation, 2001, section 6.2.2), so that a step of 200 ms
adds what two of 100 ms add: frames may come when they like.
"""

from __future__ import annotations

import numpy as np

from edgevision.tensors import Array

MEASURED = 0.05
"""Standard deviation of a detector's coordinates, in box sizes (the square root of the area)."""

ACCELERATED = (1.0, 1.0, 0.25, 0.25)
"""Spectral density of the acceleration, its root: box sizes / s^1.5, of centre x, centre y, width, height."""

FIRST_SPEED = (3.0, 3.0, 0.25, 0.25)
"""Standard deviation of the speed of a box seen once, in box sizes per second."""

FARTHEST = 9.21
"""99% quantile of χ² with two degrees of freedom."""

_SMALLEST = 1e-3  # pixels: a predicted side never shrinks to nothing


class Motion:
    """Positions and velocities of N boxes.

    Attributes:
        position: (N, 4) centre x, centre y, width, height; pixels.
        velocity: (N, 4) of the same, pixels per second.
    """

    def __init__(self) -> None:
        self.position, self.velocity = np.empty((0, 4)), np.empty((0, 4))
        self._covariance = np.empty((3, 0, 4))  # position·position, position·velocity, velocity·velocity

    def __len__(self) -> int:
        return len(self.position)

    def predict(self, dt_s: float) -> None:
        """Move every box ``dt_s`` seconds on."""
        here, both, speed = self._covariance
        noise = self._size() ** 2 * np.square(ACCELERATED) * dt_s
        self.position += self.velocity * dt_s
        here += (2 * both + speed * dt_s) * dt_s + noise * (dt_s * dt_s / 3)
        both += speed * dt_s + noise * (dt_s / 2)
        speed += noise
        np.maximum(self.position[:, 2:], _SMALLEST, out=self.position[:, 2:])

    def correct(self, rows: Array, measured: Array) -> None:
        """Take in what was measured of some boxes: (K,) rows and (K, 4) centre x, centre y, width, height."""
        here, both, speed = self._covariance[:, rows]
        total = here + _noise(measured)
        gain, turn = here / total, both / total
        off = measured - self.position[rows]
        self.position[rows] += gain * off
        self.velocity[rows] += turn * off
        self._covariance[:, rows] = (1 - gain) * here, (1 - gain) * both, speed - turn * both

    def add(self, measured: Array) -> None:
        """Begin with boxes (K, 4) as they were measured, at rest as far as is known."""
        speed = np.square(_size(measured) * FIRST_SPEED)
        covariance = np.stack([np.broadcast_to(_noise(measured), speed.shape), np.zeros_like(speed), speed])
        self.position = np.concatenate([self.position, measured])
        self.velocity = np.concatenate([self.velocity, np.zeros_like(measured)])
        self._covariance = np.concatenate([self._covariance, covariance], axis=1)

    def keep(self, rows: Array) -> None:
        """Forget all rows but these (indices, or a mask)."""
        self.position, self.velocity = self.position[rows], self.velocity[rows]
        self._covariance = self._covariance[:, rows]

    def boxes(self) -> Array:
        """Return the boxes (N, 4), x1 y1 x2 y2."""
        half = self.position[:, 2:] / 2
        return np.concatenate([self.position[:, :2] - half, self.position[:, :2] + half], axis=1)

    def nearness(self, rows: Array, measured: Array) -> Array:
        """How near some boxes (K,) are to what was measured (D, 4), as far as motion so far can tell: (K, D).

        1 where it was expected, 0 where only 1 in 100 would be found so far away or farther (the Mahalanobis distance
        of the centres against χ² of two degrees of freedom), and 0 for more than twice or less than half the area.
        """
        position = self.position[rows, None]
        off = measured[:, :2] - position[:, :, :2]
        variance = self._covariance[0, rows, None, :2] + _noise(position)
        distance = (off * off / variance).sum(axis=2)
        ratio = measured[:, 2] * measured[:, 3] / (position[:, :, 2] * position[:, :, 3])
        near: Array = np.where((ratio > 0.5) & (ratio < 2), np.maximum(1 - distance / FARTHEST, 0), 0)
        return near

    def _size(self) -> Array:
        return _size(self.position)


def centred(boxes: Array) -> Array:
    """Return boxes x1 y1 x2 y2 as centre x, centre y, width, height: (N, 4) float64."""
    boxes = np.asarray(boxes, np.float64)
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)


def _size(position: Array) -> Array:
    size: Array = np.sqrt(position[..., 2:3] * position[..., 3:4])
    return size


def _noise(measured: Array) -> Array:
    noise: Array = np.square(MEASURED) * (measured[..., 2:3] * measured[..., 3:4])
    return noise
