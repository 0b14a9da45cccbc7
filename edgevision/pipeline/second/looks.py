"""Looks of one second stage at the tracks of one camera: whose turn it is, and what came of it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgevision.pipeline.rules import Attribute
from edgevision.pipeline.second.settings import SecondStage
from edgevision.pipeline.tracking import CONFIRMED, Tracks
from edgevision.tensors import Array

Judge = Callable[[Array], tuple[str | None, float]]
"""Says what a mean of evidence means: label and score."""

AGAIN_S = 0.2
"""Two looks at a track are at least so far apart: frames that follow one another show the same."""
BETTER = 1.5
"""A crop is much better when its quality is so many times that of the best one so far."""
MEMORY = 8
"""Over so many of the last looks the mean is taken."""
FORGET_S = 30.0
MOST_DOUBLINGS = 10
"""So often the wait doubles where nothing is found: longer than that no track is of interest without a look."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What one look at one track gave.

    Attributes:
        track: The track.
        evidence: Probabilities of the classes, or a unit vector, float (D,); None where nothing was seen, a crop
            without a face for example.
        quality: Of the crop.
        seen_s: When its frame was taken.
    """

    track: int
    evidence: Array | None
    quality: float
    seen_s: float


@dataclass
class _Known:
    """One track."""

    evidence: deque[tuple[float, Array]] = field(default_factory=lambda: deque(maxlen=MEMORY))
    looks: int = 0
    misses: int = 0
    tried_s: float = float("-inf")
    judged_s: float = float("-inf")
    present_s: float = float("-inf")
    best: float = 0.0
    pending: bool = False
    attribute: Attribute | None = None


class StageLooks:
    """Who is to be looked at next, and what is known of everybody.

    Attributes:
        looked: Looks with a result.
        skipped: How often a track was due and was not looked at, by reason.
    """

    def __init__(self, stage: SecondStage, judge: Judge) -> None:
        """Begin with nobody.

        Args:
            stage: What it goes by.
            judge: Of the stage's model.
        """
        self.stage, self._judge = stage, judge
        self.looked = 0
        self.skipped: Counter[str] = Counter()
        self._known: dict[int, _Known] = {}

    @property
    def known(self) -> int:
        """Tracks of which something is known; any thread may ask."""
        return sum(known.attribute is not None for known in self._known.copy().values())

    def choose(self, tracks: Tracks, quality: Callable[[int], float | str]) -> list[tuple[int, float]]:
        """Return rows of the tracks to look at in this frame, with the quality of their crops.

        Who was never looked at comes first, then those whose look is longest ago.

        Args:
            tracks: The tracks of the frame.
            quality: Returns how good the crop of a row is; or, in a word, why it is not worth a look.
        """
        now, due = tracks.time_s, []
        for row in np.flatnonzero(tracks.states == CONFIRMED).tolist():
            if self.stage.classes is not None and int(tracks.class_ids[row]) not in self.stage.classes:
                continue
            known = self._known.setdefault(int(tracks.ids[row]), _Known())
            known.present_s = now
            if known.pending or now - max(known.tried_s, known.judged_s) < AGAIN_S:
                continue
            found = self._if_due(known, now, lambda row=row: quality(row))  # type: ignore[misc]
            if found is not None:
                due.append((known.tried_s, row, found))
        due.sort(key=lambda entry: entry[:2])
        self._forget(now)
        for _, row, _ in due[self.stage.max_batch :]:
            self.skipped["batch full"] += 1
            self._known[int(tracks.ids[row])].judged_s = float("-inf")  # the next frame's
        return [(row, found) for _, row, found in due[: self.stage.max_batch]]

    def begun(self, tracks: Sequence[int], time_s: float) -> None:
        """Note that tracks are being looked at."""
        for track in tracks:
            if track in self._known:
                self._known[track].pending, self._known[track].tried_s = True, time_s

    def dropped(self, tracks: Sequence[int], reason: str) -> None:
        """Note that tracks were not looked at after all."""
        self.skipped[reason] += len(tracks)
        for track in tracks:
            if track in self._known:
                self._known[track].pending = False

    def take(self, answers: Sequence[Answer]) -> set[int]:
        """Take in what looks gave; return the tracks whose label is another one now."""
        changed = set()
        for answer in answers:
            known = self._known.get(answer.track)
            if known is None:  # long gone
                continue
            known.pending = False
            if answer.evidence is None:
                known.misses += 1
                self.skipped["nothing found"] += 1
                continue
            before = None if known.attribute is None else known.attribute.label
            self._add(known, answer)
            if known.attribute is not None and known.attribute.label != before:
                changed.add(answer.track)
        return changed

    def attributes(self) -> dict[int, Attribute]:
        """Return what is known of each track."""
        return {track: known.attribute for track, known in self._known.items() if known.attribute is not None}

    def _add(self, known: _Known, answer: Answer) -> None:
        assert answer.evidence is not None
        self.looked += 1
        known.looks, known.misses = known.looks + 1, 0
        known.best = max(known.best, answer.quality)
        known.evidence.append((max(answer.quality, 1e-6), answer.evidence))
        weights = np.array([weight for weight, _ in known.evidence])
        mean = weights @ np.stack([evidence for _, evidence in known.evidence]) / weights.sum()
        known.attribute = Attribute(*self._judge(mean), known.looks, answer.seen_s)

    def _if_due(self, known: _Known, now: float, quality: Callable[[], float | str]) -> float | None:
        """The quality of its crop, where the track is to be looked at now."""
        stage, since_s = self.stage, now - known.tried_s
        if known.misses:  # where nothing was found it is tried less and less often
            wait_s = min(stage.refresh_s or 60.0, AGAIN_S * 2.0 ** min(known.misses, MOST_DOUBLINGS))
            due = since_s >= wait_s
            if not due:
                return None
        else:
            due = known.looks < stage.looks or (stage.refresh_s is not None and since_s >= stage.refresh_s)
        found = quality()
        known.judged_s = now
        if isinstance(found, str):
            self.skipped[found] += due
            return None
        return found if due or found > BETTER * known.best else None

    def _forget(self, now: float) -> None:
        for track in [track for track, known in self._known.items() if now - known.present_s > FORGET_S]:
            del self._known[track]
