"""Does anything move? Frames of a still picture need no model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgevision.errors import ConfigError
from edgevision.frames import Frame
from edgevision.tensors import Array


@dataclass(frozen=True)
class MotionSettings:
    """What counts as motion.

    Attributes:
        threshold: Grey levels, 0 to 255, by which a cell has to differ from the background.
        share: Share of the cells that have to.
        hold_s: Seconds for which frames still pass after the last motion.
        refresh_s: Seconds after which a frame passes without motion, so that what stands still is seen again.
        cells: Cells across and down.
        adapt_s: Seconds in which the background follows a change by about two thirds.
    """

    threshold: float = 8.0
    share: float = 0.004
    hold_s: float = 2.0
    refresh_s: float = 10.0
    cells: int = 48
    adapt_s: float = 5.0

    def __post_init__(self) -> None:
        for name in ("threshold", "hold_s", "refresh_s", "adapt_s"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"motion: {name}", got=getattr(self, name), allowed="0 or more")
        if not 0 < self.share <= 1:
            raise ConfigError("motion: share", got=self.share, allowed="more than 0, at most 1")
        if not 4 <= self.cells <= 512:
            raise ConfigError("motion: cells", got=self.cells, allowed="4 to 512")


class MotionGate:
    """Compares the brightness of coarse cells with a background that follows slowly (an exponential mean)."""

    def __init__(self, settings: MotionSettings | None = None) -> None:
        self.settings = settings or MotionSettings()
        self._background: Array | None = None
        self._seen_s = self._moved_s = self._passed_s = float("-inf")

    def passes(self, frame: Frame, captured_s: float) -> bool:
        """Say whether a frame is to be looked at; frames come in the order of their capture."""
        cells = _cells(frame, self.settings.cells)
        before, self._background = self._background, cells
        if before is None or before.shape != cells.shape:
            self._moved_s = captured_s  # the first frame, or one of another size
        else:
            moved = np.abs(cells - before) > self.settings.threshold
            if moved.mean() >= self.settings.share:
                self._moved_s = captured_s
            follow = -np.expm1(-max(0.0, captured_s - self._seen_s) / max(self.settings.adapt_s, 1e-6))
            self._background = before + follow * (cells - before)
        self._seen_s = captured_s
        settings = self.settings
        passes = captured_s - self._moved_s <= settings.hold_s or captured_s - self._passed_s >= settings.refresh_s
        if passes:
            self._passed_s = captured_s
        return passes


def _cells(frame: Frame, count: int) -> Array:
    """Mean brightness of cells, float32 (rows, columns); luma where the frame has it, else the mean of its channels."""
    plane = frame.luma()
    height, width = plane.shape
    down, across = max(1, height // count), max(1, width // count)
    rows, columns = height // down, width // across
    sampled = plane[: rows * down, : columns * across]
    step = max(1, min(down, across) // 4)  # a sixteenth of the pixels of a cell tells its mean well enough
    sampled = sampled.reshape(rows, down, columns, across)[:, ::step, :, ::step]
    mean: Array = sampled.mean(axis=(1, 3), dtype=np.float32)
    return mean
