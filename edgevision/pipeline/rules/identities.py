"""One name for what a tracker lost and found again under another: a flickering id is counted once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgevision.assignment import match
from edgevision.pipeline.tracking.tracks import Tracks
from edgevision.tensors import Array


@dataclass
class _Known:
    anchor: Array
    velocity: Array
    class_id: int
    seen_s: float


class Identities:
    """Gives believed tracks names of its own, which outlive the tracker's ids.

    Whoever appears near where somebody of the same class went missing, no longer ago than ``memory_s``, is that one.
    Near is within ``reach`` box heights of where the missing one would be by now, or was last seen.
    """

    def __init__(self, memory_s: float = 2.0, reach: float = 0.75) -> None:
        self.memory_s, self.reach = memory_s, reach
        self._names: dict[int, int] = {}  # the tracker's id -> ours
        self._known: dict[int, _Known] = {}  # ours -> where it was last
        self._next = 1

    def update(self, tracks: Tracks) -> Tracks:
        """Return the believed tracks that are seen in this frame, under their lasting names."""
        seen = tracks.confirmed
        now = tracks.time_s
        self._known = {name: known for name, known in self._known.items() if now - known.seen_s <= self.memory_s}
        alive = set(tracks.ids.tolist())
        self._names = {track: name for track, name in self._names.items() if track in alive or name in self._known}
        self._name(seen)
        names = [self._names[track] for track in seen.ids.tolist()]
        for name, anchor, velocity, kind in zip(
            names, seen.anchors, seen.velocities, seen.class_ids.tolist(), strict=True
        ):
            self._known[name] = _Known(anchor, velocity, kind, now)
        return replace(seen, ids=np.array(names, np.int64))

    def _name(self, seen: Tracks) -> None:
        ids = seen.ids.tolist()
        newcomers = [row for row, track in enumerate(ids) if track not in self._names]
        if not newcomers:
            return
        present = {self._names[track] for track in ids if track in self._names}
        missing = [name for name in self._known if name not in present]
        rows, columns = match(self._nearness(seen.select(np.array(newcomers)), missing))
        taken = dict(zip(rows.tolist(), columns.tolist(), strict=True))
        for row, newcomer in enumerate(newcomers):
            if row in taken:
                name = missing[taken[row]]
                self._names = {track: known for track, known in self._names.items() if known != name}
            else:
                name, self._next = self._next, self._next + 1
            self._names[ids[newcomer]] = name

    def _nearness(self, newcomers: Tracks, missing: list[int]) -> Array:
        """How near each newcomer is to each missing one: (N, M), 1 at its place, 0 where that is too far."""
        near = np.zeros((len(newcomers), len(missing)))
        heights = np.maximum(newcomers.boxes[:, 3] - newcomers.boxes[:, 1], 1e-9)
        anchors = newcomers.anchors
        for column, name in enumerate(missing):
            known = self._known[name]
            expected = known.anchor + known.velocity * (newcomers.time_s - known.seen_s)
            distance = np.minimum(
                np.linalg.norm(anchors - expected, axis=1), np.linalg.norm(anchors - known.anchor, axis=1)
            )
            near[:, column] = np.maximum(1 - distance / (self.reach * heights), 0)
            near[newcomers.class_ids != known.class_id, column] = 0
        return near
