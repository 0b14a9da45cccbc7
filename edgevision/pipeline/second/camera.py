"""Second stages at one camera: which crops of a frame are looked at, and what is known of its tracks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgevision.frames import Frame
from edgevision.pipeline.rules import Attribute, PrivacyMask
from edgevision.pipeline.second.crops import Region, masked, region, sharpness
from edgevision.pipeline.second.looker import Job, Looker, Request
from edgevision.pipeline.second.looks import StageLooks
from edgevision.pipeline.second.settings import SecondStage
from edgevision.pipeline.sources.base import CapturedFrame
from edgevision.pipeline.tracking import Tracks
from edgevision.tensors import Array


class CameraLooks:
    """Asks a `Looker` about the tracks of one camera, frame by frame.

    A live camera goes on at once, and answers come with a later frame. A recording waits for them, so that the same
    recording gives the same events.

    Attributes:
        attributes: What is known of each track, up to the last frame.
        changed: Tracks whose label became another one with the last frame.
    """

    def __init__(self, stages: Sequence[SecondStage], looker: Looker, mask: PrivacyMask | None = None) -> None:
        """Begin with nobody.

        Args:
            stages: Which look; the looker has their models.
            looker: Runs the models.
            mask: What is never looked at.
        """
        self._looker, self._mask = looker, mask
        self._looks = {stage.name: StageLooks(stage, looker.models[stage.name].judge) for stage in stages}
        self._request: Request | None = None
        self.attributes: dict[int, dict[str, Attribute]] = {}
        self.changed: set[int] = set()

    def update(self, frame: CapturedFrame, tracks: Tracks) -> None:
        """Take in the answers that came, and ask about those tracks of a frame whose turn it is.

        Args:
            frame: The frame.
            tracks: Its tracks, under lasting names; boxes in its pixels.
        """
        self.changed = set()
        self._collect()
        if self._request is not None:
            for looks in self._looks.values():
                looks.choose(tracks, lambda row: "busy")
        else:
            self._ask(frame, tracks)
        self._note()

    def state(self) -> dict[str, Any]:
        """Return for each stage the looks, the tracks of which something is known, and what was skipped and why."""
        return {
            name: {
                "looks": looks.looked, "tracks": looks.known,
                "skipped": {reason: count for reason, count in sorted(looks.skipped.copy().items()) if count},
            }
            for name, looks in self._looks.items()
        }  # fmt: skip

    def _ask(self, frame: CapturedFrame, tracks: Tracks) -> None:
        seen = _Crops(frame.frame, tracks, self._mask)
        jobs = []
        for name, looks in self._looks.items():
            stage = looks.stage
            chosen = looks.choose(tracks, seen.quality(stage))
            if not chosen:
                continue
            ids = tuple(int(tracks.ids[row]) for row, _ in chosen)
            looks.begun(ids, tracks.time_s)
            regions = tuple(seen.region(row, stage.margin) for row, _ in chosen)
            jobs.append(Job(name, ids, regions, tuple(quality for _, quality in chosen), stage.budget_s))
        if not jobs:
            return
        self._request = Request(frame, seen.covered, tuple(jobs))
        self._looker.submit(self._request)
        if frame.position_s is not None and self._looker.wait(self._request):
            self._collect()

    def _collect(self) -> None:
        request = self._request
        if request is None or not request.done.is_set():
            return
        self._request = None
        for job in request.jobs:
            looks = self._looks[job.stage]
            if job.stage in request.answers:
                self.changed |= looks.take(request.answers[job.stage])
            else:
                looks.dropped(job.tracks, request.dropped.get(job.stage, "failed"))

    def _note(self) -> None:
        found: dict[int, dict[str, Attribute]] = {}
        for name, looks in self._looks.items():
            for track, attribute in looks.attributes().items():
                found.setdefault(track, {})[name] = attribute
        self.attributes = found


class _Crops:
    """The crops of one frame, before they are cut: where they are, and how good."""

    def __init__(self, frame: Frame, tracks: Tracks, mask: PrivacyMask | None) -> None:
        self._frame, self._tracks = frame, tracks
        self.covered = None if mask is None else mask.covered(frame.width, frame.height)
        self._luma: Array | None = None

    def region(self, row: int, margin: float) -> Region:
        """Where the crop of a track is."""
        return region(self._tracks.boxes[row], margin, self._frame.width, self._frame.height)

    def quality(self, stage: SecondStage) -> Callable[[int], float | str]:
        """What says how good the crop of a row is for a stage: score × side × sharpness; or why it is not."""

        def quality(row: int) -> float | str:
            inner, score = self.region(row, 0.0), float(self._tracks.scores[row])
            side = min(inner.right - inner.left, inner.bottom - inner.top)
            if inner.empty or side < stage.min_px:
                return "small"
            if score < stage.min_score:
                return "uncertain"
            if masked(inner, self.covered):
                return "masked"
            if self._luma is None:
                self._luma = self._frame.luma()
            sharp = sharpness(self._luma[inner.slices])
            if sharp < stage.min_sharpness:
                return "blurred"
            return score * side * max(sharp, 0.1)

        return quality


def known_of(attributes: dict[int, dict[str, Attribute]], track: int | None, now_s: float) -> dict[str, Any]:
    """Return what is known of a track, in JSON's types; empty where nothing is."""
    found = {} if track is None else attributes.get(track, {})
    return {stage: attribute.to_dict(now_s) for stage, attribute in found.items()}
