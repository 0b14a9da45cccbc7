"""What is done with the results of one camera: tracks, rules, events, pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edgevision.errors import EdgeVisionError
from edgevision.frames import Frame
from edgevision.pipeline.config.document import CameraConfig, RecordingConfig
from edgevision.pipeline.events import Event, EventLog, Spool
from edgevision.pipeline.lane import Result
from edgevision.pipeline.pace import Pace
from edgevision.pipeline.recording import ClipRecorder, save_snapshot
from edgevision.pipeline.rules import END, MOMENT, START, Change, Identities, PrivacyMask, Scene
from edgevision.pipeline.status.preview import Preview
from edgevision.pipeline.tracking import Tracker, Tracks
from edgevision.tensors import Array


class Follower:
    """Takes the results of one camera, in one thread.

    Attributes:
        config: The camera.
        events: Messages so far.
    """

    def __init__(
        self,
        config: CameraConfig,
        labels: Sequence[str],
        spool: Spool | None,
        *,
        recording: RecordingConfig | None = None,
        preview: Preview | None = None,
        told: Callable[[str], None] | None = None,
    ) -> None:
        """Begin with an empty scene.

        Args:
            config: The camera.
            labels: Names of the classes.
            spool: Takes the events; None: they are counted.
            recording: What is kept of events.
            preview: Shows what is seen.
            told: Called with each trouble of a picture that could not be kept.
        """
        self.config, self.events = config, 0
        self._labels, self._spool, self._recording, self._preview, self._told = labels, spool, recording, preview, told
        self._tracker, self._identities, self._rules = Tracker(config.tracker), Identities(), config.rules()
        self._log, self._mask = EventLog(config.name, labels), config.mask()
        # Still pictures are passed over by a gate on purpose, however long they last.
        self._pace = Pace(config.tracker.lost_s if config.motion is None else float("inf"))
        self._clips: ClipRecorder | None = None
        if recording is not None and recording.clips is not None:
            masked = None if self._mask is None else self._mask.apply
            self._clips = ClipRecorder(
                recording.folder,
                config.name,
                recording.clips,
                masked=masked,
                failed=lambda error: self._tell(str(error)),
            )
        self._last_s, self._size = 0.0, config.size

    def __call__(self, result: Result) -> None:
        """Take in the result of one frame. One that is late moves the tracks on, and is marked in its events."""
        frame, found = result.frame, result.detections
        tracks = self._tracker.update(found.boxes, found.scores, found.classes, frame.captured_s)
        across, down = self._scale(frame.frame)
        named = self._identities.update(tracks.scaled(across, down))
        seen = named.scaled(1 / across, 1 / down)
        wall_s = time.time() - (time.monotonic() - frame.captured_s)
        scene = Scene(named, wall_s)
        changes = [change for rule in self._rules for change in rule.update(scene)]
        self._last_s = frame.captured_s
        if (slow := self._pace.note(frame.captured_s)) is not None:
            self._tell(slow)
        if self._clips is not None:
            self._clips.frame(frame)
        if changes:
            self._report(changes, result, wall_s)
        if self._preview is not None:
            self._preview.show(self.config.name, lambda: self._picture(result, seen))

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

    def _report(self, changes: Sequence[Change], result: Result, wall_s: float) -> None:
        frame = result.frame
        events = self._log.events(changes, time_s=frame.captured_s, wall_s=wall_s)
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
            return save_snapshot(folder, self.config.name, event.id, wall_s, picture)
        except EdgeVisionError as exc:
            self._tell(str(exc))
            return None

    def _picture(self, result: Result, tracks: Tracks) -> Array:
        """The frame with masks painted and tracks drawn."""
        from edgevision.pipeline.drawing import draw_tracks

        picture = _masked(result.frame.frame.to_rgb(), self._mask)
        return draw_tracks(picture, tracks, self._labels)

    def _tell(self, text: str) -> None:
        if self._told is not None:
            self._told(text)


def _masked(picture: Array, mask: PrivacyMask | None) -> Array:
    return picture if mask is None else mask.apply(picture)
