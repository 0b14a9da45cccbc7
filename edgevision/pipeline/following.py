"""What is done with the results of one camera: tracks, rules, events, pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edgevision.errors import EdgeVisionError
from edgevision.frames import Frame
from edgevision.pipeline.capture import Capture
from edgevision.pipeline.config.camera import CameraConfig
from edgevision.pipeline.config.document import RecordingConfig
from edgevision.pipeline.events import Event, EventLog, SpoolWriter
from edgevision.pipeline.lane import Result
from edgevision.pipeline.pace import Pace
from edgevision.pipeline.recording import ClipRecorder, save_snapshot
from edgevision.pipeline.rules import END, MOMENT, START, Attributes, Change, Identities, PrivacyMask, Scene
from edgevision.pipeline.second import CameraLooks, known_of
from edgevision.pipeline.sources.base import CapturedFrame
from edgevision.pipeline.status.preview import Preview
from edgevision.pipeline.tracking import Tracker, Tracks
from edgevision.tensors import Array


class Follower:
    """Takes the results of one camera, in one thread.

    Attributes:
        config: The camera.
        events: Messages so far.
        chooser: Chooses frames to learn from; None where none are captured.
        looks: Second stages; None without any.
    """

    def __init__(
        self,
        config: CameraConfig,
        labels: Sequence[str],
        spool: SpoolWriter | None,
        *,
        recording: RecordingConfig | None = None,
        preview: Preview | None = None,
        capture: Capture | None = None,
        looks: CameraLooks | None = None,
        told: Callable[[str], None] | None = None,
    ) -> None:
        """Begin with an empty scene.

        Args:
            config: The camera.
            labels: Names of the classes.
            spool: Takes the events; None: they are counted.
            recording: What is kept of events.
            preview: Shows what is seen.
            capture: Captures frames to learn from.
            looks: Second stages.
            told: Called with each trouble of a picture that could not be kept.
        """
        self.config, self.events, self.looks = config, 0, looks
        self._labels, self._spool, self._recording, self._preview, self._told = labels, spool, recording, preview, told
        self._tracker, self._identities, self._rules = Tracker(config.tracker), Identities(), config.rules()
        self._log, self._mask = EventLog(config.name, labels), config.mask()
        # Still pictures are passed over by a gate on purpose, however long they last.
        self._pace = Pace(config.tracker.lost_s if config.motion is None else float("inf"))
        self.chooser = None if capture is None else capture.chooser(config.name, self._mask)
        self._clips: ClipRecorder | None = None
        if recording is not None and recording.clips is not None:
            masked = None if self._mask is None else self._mask.apply
            self._clips = ClipRecorder(
                recording.folder,
                config.name,
                recording.clips,
                masked=masked,
                done=lambda _: self._kept("clips"),
                failed=lambda error: self._not_kept("clips", error),
            )
        self._unkept: dict[str, str] = {}  # clips and snapshots are written by two threads
        self._last_s, self._size = 0.0, config.size

    def __call__(self, result: Result) -> None:
        """Take in the result of one frame. One that is late moves the tracks on, and is marked in its events."""
        frame, found = result.frame, result.detections
        tracks = self._tracker.update(found.boxes, found.scores, found.classes, frame.captured_s)
        across, down = self._scale(frame.frame)
        named = self._identities.update(tracks.scaled(across, down))
        seen = named.scaled(1 / across, 1 / down)
        wall_s = time.time() - (time.monotonic() - frame.captured_s)
        attributes = self._look(result, seen)
        scene = Scene(named, wall_s, attributes)
        changes = [change for rule in self._rules for change in rule.update(scene)]
        self._last_s = frame.captured_s
        if (slow := self._pace.note(frame.captured_s)) is not None:
            self._tell(slow)
        if self._clips is not None:
            self._clips.frame(frame)
        if changes or self._renewed:
            self._report(changes, result, wall_s)
        if self.chooser is not None:
            self.chooser.look(result)
        if self._preview is not None:
            self._preview.show(self.config.name, lambda: self._picture(result, seen, attributes))

    def unseen(self, frame: CapturedFrame) -> None:
        """Take in a frame that no model looked at, since its process is away: it is recorded and shown."""
        if self._clips is not None:
            self._clips.frame(frame)
        if self._preview is not None:
            self._preview.show(self.config.name, lambda: _masked(frame.frame.to_rgb(), self._mask))

    def silent(self, now_s: float) -> None:
        """Do what the next frame would have done first, of a camera that is gone: end events, finish the clip."""
        changes = [change for rule in self._rules for change in rule.overdue(now_s)]
        events = self._log.events(changes, time_s=now_s, wall_s=time.time())
        self._put(events)
        if self._clips is not None:
            for event in events:
                self._clips.end(event.id)
            self._clips.finish_if_over(now_s)

    def _scale(self, frame: Frame) -> tuple[float, float]:
        """How many times as wide and high the picture is that rules are for: a camera may come back in another size."""
        self._size = self._size or (frame.width, frame.height)
        return self._size[0] / frame.width, self._size[1] / frame.height

    def close(self) -> None:
        """End what is open, and finish the clip that is under way."""
        changes = [change for rule in self._rules for change in rule.close(self._last_s)]
        self._put(self._log.events(changes, time_s=self._last_s, wall_s=time.time()))
        if self._clips is not None:
            self._clips.close()
        if self._preview is not None:
            self._preview.forget(self.config.name)

    @property
    def unkept(self) -> dict[str, str]:
        """Of clips and snapshots what cannot be kept now, and why."""
        return dict(self._unkept)

    @property
    def _renewed(self) -> set[int]:
        """Tracks of which second stages say something else than before."""
        return set() if self.looks is None else self.looks.changed

    def _look(self, result: Result, seen: Tracks) -> Attributes:
        if self.looks is None:
            return {}
        self.looks.update(result.frame, seen)
        return self.looks.attributes

    def _report(self, changes: Sequence[Change], result: Result, wall_s: float) -> None:
        frame = result.frame
        events = self._log.renewed(self._renewed, wall_s)
        events += self._log.events(changes, time_s=frame.captured_s, wall_s=wall_s)
        self._put([self._with_pictures(event, result, wall_s) for event in events])

    def _put(self, events: Sequence[Event]) -> None:
        self.events += len(events)
        if self._spool is not None and events:
            self._spool.put(events)

    def _with_pictures(self, event: Event, result: Result, wall_s: float) -> Event:
        data = dict(event.data)
        if result.age_ms is not None:
            data["age_ms"] = round(result.age_ms, 1)
        if result.late:
            data["late"] = True
        if self.looks is not None and event.track_id is not None:
            data["attributes"] = known_of(self.looks.attributes, event.track_id, result.frame.captured_s)
        if self._clips is not None and event.phase in (START, MOMENT):
            data["clip"] = self._clips.begin(event.id, wall_s)
        if self._clips is not None and event.phase in (END, MOMENT):
            self._clips.end(event.id)
        snapshot = None
        if self._recording is not None and self._recording.snapshots and event.phase in (START, MOMENT):
            snapshot = self._snapshot(self._recording.folder, event, result, wall_s)
        return replace(event, data=data, snapshot=snapshot)

    def _snapshot(self, folder: Path, event: Event, result: Result, wall_s: float) -> str | None:
        try:
            picture = _masked(result.frame.frame.to_rgb(), self._mask)
            name = save_snapshot(folder, self.config.name, event.id, wall_s, picture)
        except EdgeVisionError as exc:
            self._not_kept("snapshots", exc)
            return None
        self._kept("snapshots")
        return name

    def _picture(self, result: Result, tracks: Tracks, attributes: Attributes) -> Array:
        """The frame with masks painted and tracks drawn, but for those that they hide."""
        from edgevision.pipeline.drawing import draw_tracks

        picture = _masked(result.frame.frame.to_rgb(), self._mask)
        if self._mask is not None:
            tracks = tracks.select(self._mask.spares(tracks.boxes, picture.shape[1], picture.shape[0]))
        return draw_tracks(picture, tracks, self._labels, attributes)

    def _not_kept(self, what: str, error: Exception) -> None:
        self._unkept[what] = str(error)
        self._tell(str(error))

    def _kept(self, what: str) -> None:
        if self._unkept.pop(what, None) is not None:
            self._tell(f"recording of {what} works again")

    def _tell(self, text: str) -> None:
        if self._told is not None:
            self._told(text)


def _masked(picture: Array, mask: PrivacyMask | None) -> Array:
    return picture if mask is None else mask.apply(picture)
