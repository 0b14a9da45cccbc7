"""Cameras, a model, and what is done with the results: put together, started, watched and stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from edgevision.errors import ConfigError
from edgevision.pipeline.deadline import Deadline
from edgevision.pipeline.degradation import Degradation, DegradationSettings, LevelChange
from edgevision.pipeline.lane import Lane, Result
from edgevision.pipeline.model_slot import ModelSlot, Stage, Swap
from edgevision.pipeline.motion_gate import MotionGate, MotionSettings
from edgevision.pipeline.notice import Notice
from edgevision.pipeline.sources.base import Source, Timeouts
from edgevision.pipeline.sources.live import LiveReader, SourceEvent
from edgevision.pipeline.sources.recording import RecordingReader
from edgevision.pipeline.timing import StageTimes
from edgevision.pipeline.worker import Worker

STUCK_S = 10.0
"""A thread that did not come round for so long is stuck."""
GONE_S = 60.0
"""A model whose process could not be started anew for so long takes another start of everything."""


@dataclass(frozen=True)
class Camera:
    """One camera of a pipeline. Two that are equal are the same camera: it goes on when the others change.

    Attributes:
        name: Unique in the pipeline.
        source: Makes its source, unopened; called anew where a library hangs.
        live: Whether the source is live: then the newest frame counts; else every frame.
        timeouts: How long a live source may take.
        budget_s: How old a result may be, in seconds; None: any age. Not for recordings, which wait.
        motion: Look only at frames with motion; None: at all.
        degradation: When less is done; without levels, never.
    """

    name: str
    source: Callable[[], Source]
    live: bool = True
    timeouts: Timeouts = field(default_factory=Timeouts)
    budget_s: float | None = None
    motion: MotionSettings | None = None
    degradation: DegradationSettings = field(default_factory=DegradationSettings)


class Pipeline:
    """Runs a model on cameras until they end or it is stopped; a context manager.

    One thread for each camera reads, one runs the model, one for each camera decodes and handles results.
    """

    def __init__(
        self,
        model: str,
        stage: Stage,
        cameras: Sequence[Camera],
        handle: Callable[[Camera], Callable[[Result], None]],
        *,
        variants: Mapping[str, Stage] | None = None,
        told: Callable[[Notice], None] | None = None,
        traced: Callable[[str, str, float, float, float], None] | None = None,
    ) -> None:
        """Put it together; `start` begins.

        Args:
            model: Name of the model.
            stage: It, loaded; closed with the pipeline.
            cameras: One or more, of different names.
            handle: Called once for each camera; what it returns takes its results, in a thread of their own.
            variants: Other models, loaded, by the name that levels of degradation have for them; closed likewise.
            told: Called with what an operator wants to know, in any of the threads; it must return soon.
            traced: Called with each stage of each frame, likewise: the camera's name, and what `StageTimes` tells.

        Raises:
            ConfigError: No camera, or two of one name.
        """
        self._told, self._handle, self._traced = told, handle, traced
        _check(cameras)
        self.slot = ModelSlot(model, stage, told=self._swapped)
        self._variants = {name: ModelSlot(name, other) for name, other in (variants or {}).items()}
        self._worker = Worker(
            self.slot,
            variants=self._variants,
            failed=lambda error: self._tell("error", None, str(error)),
            died=lambda why: self._tell("worker", None, f"{why}; it is started anew", "died", {"reason": why}),
            revived=lambda seconds: self._tell("worker", None, f"works again after {seconds:.1f} s", "revived"),
        )
        self._running: dict[str, tuple[Camera, LiveReader | RecordingReader, Lane]] = {}
        self._lock, self._changing = threading.Lock(), threading.Lock()
        self._stopped: list[tuple[Camera, LiveReader | RecordingReader, Lane]] = []
        self._started_s = time.monotonic()
        self._wanted = list(cameras)

    def start(self) -> Pipeline:
        """Begin; returns at once."""
        self.change(self._wanted)
        self._worker.start()
        return self

    def change(self, cameras: Sequence[Camera]) -> None:
        """Have these cameras from now on: new ones begin, others end, those that stay the same go on undisturbed.

        Raises:
            ConfigError: No camera, or two of one name; nothing is changed then.
        """
        _check(cameras)
        with self._changing, self._worker.held():
            kept = {camera.name for camera in cameras if self._is_running(camera)}
            self._end([name for name in self._running if name not in kept])
            for camera in cameras:
                if camera.name not in kept:
                    self._begin(camera)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until every recording was looked at; return whether that is so. With a live camera that is never."""
        return self._worker.join(timeout_s)

    def stop(self) -> None:
        """End: what is under way is handled, then everything is let go of. Any number of times."""
        self._worker.stop()
        with self._changing:
            self._stopped = self._stopped or list(self._running.values())
            self._end(list(self._running))
        for slot in (self.slot, *self._variants.values()):
            slot.close()

    def healthy(self) -> bool:
        """Say whether every stage goes on; a camera without frames is not ill, it is reported."""
        with self._lock:
            lanes = [lane for _, _, lane in self._running.values()]
        model = self._worker_silent_s() <= STUCK_S and self._worker.gone_s <= GONE_S
        return model and all(lane.busy_s <= STUCK_S for lane in lanes)

    def _worker_silent_s(self) -> float:
        return time.monotonic() - self._worker.progress_s

    def state(self) -> dict[str, Any]:
        """Return how everything is, or was at the end, in JSON's types; milliseconds and counts since the start."""
        with self._lock:
            running = list(self._running.values()) or self._stopped
        return {
            "up_s": time.monotonic() - self._started_s,
            "model": {"name": self.slot.name, "on_probation": self.slot.on_probation},
            "worker_stuck": self._worker_silent_s() > STUCK_S,
            "worker": {"deaths": self._worker.deaths, "gone_s": self._worker.gone_s, "reason": self._worker.trouble},
            "cameras": {camera.name: {"live": camera.live, **_state(reader, lane)} for camera, reader, lane in running},
        }

    def __enter__(self) -> Pipeline:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _is_running(self, camera: Camera) -> bool:
        return camera.name in self._running and self._running[camera.name][0] == camera

    def _begin(self, camera: Camera) -> None:
        reader: LiveReader | RecordingReader
        wake, told, traced = self._worker.wake, self._source_told, self._traced
        times = StageTimes(None if traced is None else partial(traced, camera.name))
        if camera.live:
            reader = LiveReader(camera.name, camera.source, timeouts=camera.timeouts, told=told, arrived=wake)
        else:
            reader = RecordingReader(camera.name, camera.source, told=told, arrived=wake, times=times)

        def changed(change: LevelChange) -> None:
            before, after = change.before.name, change.after.name
            data = {"level": after, "before": before, "reason": change.reason}
            self._tell("level", camera.name, f"{after} after {before}: {change.reason}", after, data)

        def failed(error: Exception) -> None:
            self._tell("error", camera.name, f"{type(error).__name__}: {error}")

        lane = Lane(
            reader,
            self._handle(camera),
            deadline=Deadline(camera.budget_s if camera.live else None),
            gate=MotionGate(camera.motion) if camera.motion else None,
            degradation=Degradation(camera.degradation),
            times=times,
            changed=changed,
            failed=failed,
            freed=wake,
            lossless=not camera.live,
        )
        with self._lock:
            self._running[camera.name] = (camera, reader, lane)
        self._worker.add(lane)
        reader.start()

    def _end(self, names: Sequence[str]) -> None:
        with self._lock:
            ended = [self._running.pop(name) for name in names]
        _close([reader for _, reader, _ in ended])
        for _, _, lane in ended:
            self._worker.remove(lane)

    def _source_told(self, event: SourceEvent) -> None:
        text = f"{event.kind}: {event.reason}" if event.reason else event.kind
        text = event.reason if event.kind == "recovered" else text
        self._tell("source", event.source, text, event.kind, {"reason": event.reason})

    def _swapped(self, swap: Swap) -> None:
        text = f"{swap.name} {swap.kind}" + (f": {swap.reason}" if swap.reason else "")
        self._tell("model", None, text, swap.kind, {"model": swap.name, "reason": swap.reason})

    def _tell(
        self, kind: str, camera: str | None, text: str, what: str = "", data: Mapping[str, Any] | None = None
    ) -> None:
        if self._told is not None:
            self._told(Notice(kind, camera, text, time.monotonic(), what, data or {}))


def _close(readers: Sequence[LiveReader | RecordingReader]) -> None:
    """Close them side by side: each waits for a read that is under way, and many cameras may be dead at once."""
    threads = [threading.Thread(target=reader.close, daemon=True) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _check(cameras: Sequence[Camera]) -> None:
    names = [camera.name for camera in cameras]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise ConfigError("pipeline: cameras", got=", ".join(twice) or "none", allowed="one or more, each name once")


def _state(reader: LiveReader | RecordingReader, lane: Lane) -> dict[str, Any]:
    source = reader.state()
    dropped = {"replaced": source.dropped, **lane.dropped}
    lost = sum(dropped.values())
    return {
        "connected": source.connected,
        "reason": source.reason,
        "corrupt": source.corrupt,
        "age_s": source.age_s,
        "openings": source.openings,
        "failures": source.failures,
        "received": source.received,
        "dropped": dropped,
        "drop_ratio": lost / source.received if source.received else 0.0,
        "results": lane.done,
        "late": lane.late,
        "level": lane.degradation.level.name,
        "stages": {name: time.to_dict() for name, time in lane.times.summary().items()},
    }
