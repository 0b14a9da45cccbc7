"""What a pipeline keeps for one camera: its frames, its deadlines, how much of it is looked at, and what came of it."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from edgevision.pipeline.ahead import Ahead
from edgevision.pipeline.deadline import Deadline
from edgevision.pipeline.degradation import Degradation, LevelChange
from edgevision.pipeline.model_slot import Stage
from edgevision.pipeline.motion_gate import MotionGate
from edgevision.pipeline.sources.base import CapturedFrame
from edgevision.pipeline.sources.live import SourceState
from edgevision.pipeline.timing import StageTimes
from edgevision.tasks.detections import Detections

WAITING = 2
"""Frames that may wait for what follows the model; with so many waiting the camera gets no turn."""
TRY_S = 1.0
"""So often a frame is begun though the model was too slow for it: nobody would see otherwise that it is fast again."""
SILENT_S = 1.0
"""So often it is seen to whether a live camera is gone, so that what follows ends what is over without its frames."""
FOR_DEADLINE = ("prepare", "infer", "decode")
"""Stages that have to fit into what remains until a frame's deadline."""


_Waiting = tuple[CapturedFrame, Stage, str, Any] | CapturedFrame | None
"""What the model gave for a frame, a frame that it did not see, or the end."""


class Reader(Protocol):
    """Where a lane's frames come from: `LiveReader` or `RecordingReader`."""

    name: str
    live: bool

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to come."""

    def take(self, timeout_s: float) -> CapturedFrame | None:
        """Return a frame."""

    def state(self) -> SourceState:
        """Return how it is."""


@dataclass(frozen=True, eq=False)
class Result:
    """What was seen in one frame.

    Attributes:
        frame: The frame.
        detections: The objects, in its pixels.
        done_s: When they were known, in seconds of `time.monotonic`.
        late: Whether that was after the frame's deadline.
        model: Name of the model.
    """

    frame: CapturedFrame
    detections: Detections
    done_s: float
    late: bool
    model: str

    @property
    def age_ms(self) -> float | None:
        """Milliseconds from the capture to the result; None for a frame of a recording."""
        return None if self.frame.position_s is not None else (self.done_s - self.frame.captured_s) * 1e3


@runtime_checkable
class Onlooker(Protocol):
    """What takes results, and also frames that no model looked at, to record and to show them, and their absence."""

    def unseen(self, frame: CapturedFrame) -> None:
        """Take in a frame that came while the model was away."""

    def silent(self, now_s: float) -> None:
        """Take in that the camera is gone at ``now_s`` of `time.monotonic`, repeatedly; a last result may follow."""


class Lane:
    """One camera's way through the pipeline. The worker calls `next_frame` and `hand_over`, in its thread."""

    def __init__(
        self,
        reader: Reader,
        handle: Callable[[Result], None],
        *,
        deadline: Deadline | None = None,
        gate: MotionGate | None = None,
        degradation: Degradation | None = None,
        times: StageTimes | None = None,
        changed: Callable[[LevelChange], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
        freed: Callable[[], None] | None = None,
        lossless: bool = False,
    ) -> None:
        """Describe it; `start` begins.

        Args:
            reader: Its frames; started and closed by whoever made it.
            handle: Takes each result in a thread of the lane: tracker, rules, sinks. An error there costs the frame.
                An `Onlooker` takes a live camera's frames as well while the model is away.
            deadline: How old a result may be.
            gate: Passes frames with motion; None: all, unless the level asks for a gate, which is made then.
            degradation: When less is done.
            times: Where the stages' times are noted.
            changed: Called with each change of level.
            failed: Called with each error of ``handle`` or of decoding.
            freed: Called when there is room again for what the model gives.
            lossless: Whether every frame is looked at, as those of a recording: then the next one is made ready while
                the model runs on this one. Of a live camera a newer one may come until then.
        """
        self.reader, self.times = reader, times or StageTimes()
        self.deadline, self.degradation = deadline or Deadline(None), degradation or Degradation()
        self.dropped: Counter[str] = Counter()
        self.done = self.late = 0
        self._handle, self._changed, self._failed, self._freed = handle, changed, failed, freed
        onlooker: object = handle
        self._onlooker = onlooker if reader.live and isinstance(onlooker, Onlooker) else None
        self._gate, self._spare_gate = gate, gate or MotionGate()
        self._passed = 0
        self._last_try_s = float("-inf")
        self._tried: CapturedFrame | None = None
        self._again: CapturedFrame | None = None
        self._lock = threading.Lock()
        self._begun_s: float | None = None
        self._ahead = Ahead(f"prepare {reader.name}", self._take, self._prepare) if lossless else None
        self._waiting: queue.Queue[_Waiting] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None

    @property
    def busy_s(self) -> float:
        """Seconds since what follows the model began with the frame or silence that it has; 0 where it has none."""
        begun_s = self._begun_s
        return 0.0 if begun_s is None else time.monotonic() - begun_s

    @property
    def has_room(self) -> bool:
        """Whether what follows the model keeps up."""
        return not self._waiting.full()

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to come."""
        return self.reader.ended and self._again is None and (self._ahead is None or self._ahead.idle)

    def start(self) -> None:
        """Begin to take in what the model gives."""
        self._thread = threading.Thread(target=self._follow, name=f"follow {self.reader.name}", daemon=True)
        self._thread.start()

    def finish(self, timeout_s: float = 30.0) -> None:
        """Handle what is waiting, and end."""
        thread, self._thread = self._thread, None
        if thread is not None:
            with suppress(queue.Full):  # what follows hangs: it is left behind
                self._waiting.put(None, timeout=timeout_s)
            thread.join(timeout_s)
        if self._ahead is not None:
            self._ahead.close()

    def next_frame(self) -> CapturedFrame | None:
        """Return a frame to look at, if one is here that is worth it."""
        again, self._again = self._again, None
        if again is not None:
            return again
        frame = None if self._ahead is None else self._ahead.frame()
        return frame or self._take()

    def prepared(self, frame: CapturedFrame, stage: Stage) -> Any:
        """Return what a model takes of a frame; raises what `Stage.prepare` raises."""
        return self._prepare(frame, stage) if self._ahead is None else self._ahead.prepared(frame, stage)

    def look_ahead(self, stage: Stage) -> None:
        """Have the next frame made ready for a model, in another thread, where no frame may be left out."""
        if self._ahead is not None:
            self._ahead.begin(stage)

    def _take(self) -> CapturedFrame | None:
        while (frame := self.reader.take(0)) is not None:
            reason = self._refusal(frame)
            if reason is None:
                return frame
            self.dropped[reason] += 1
        return None

    def hand_over(self, frame: CapturedFrame, stage: Stage, model: str, inferred: Any) -> None:
        """Pass on what the model gave; `has_room` was true. A lane that is finished takes nothing more."""
        if self._thread is not None:
            self._waiting.put((frame, stage, model, inferred))

    def pass_by(self) -> None:
        """Hand on the newest frame of a live camera though the model is away; `has_room` was true.

        A recording waits: each of its frames is looked at.
        """
        if self._onlooker is not None and self._thread is not None and (frame := self.reader.take(0)) is not None:
            self.dropped["worker"] += 1
            self._waiting.put(frame)

    def put_back(self, frame: CapturedFrame) -> None:
        """Have `next_frame` return this one once more; in the worker's thread."""
        self._again = frame

    def lost(self, reason: str) -> None:
        """Count a frame that the model failed on, or that its process died of."""
        self.dropped[reason] += 1

    def _refusal(self, frame: CapturedFrame) -> str | None:
        level = self.degradation.level
        self._passed += 1
        if self._passed % level.every:
            return "thinned"
        gate = self._gate or (self._spare_gate if level.gate else None)
        if gate is not None:
            with self.times.timed("gate"):
                passes = gate.passes(frame.frame, frame.captured_s)
            if not passes:
                return "still"
        now_s = time.monotonic()
        if self.deadline.refuses(frame.captured_s, now_s, self._needs_ms()):
            hopeless = self.deadline.refuses(frame.captured_s, now_s, None)
            if hopeless or now_s - self._last_try_s < TRY_S:
                self._note(False)
                return "too old"
            self._tried = frame
        self._last_try_s = now_s
        return None

    def _prepare(self, frame: CapturedFrame, stage: Stage) -> Any:
        with self.times.timed("prepare"):
            return stage.prepare(frame.frame)

    def _needs_ms(self) -> float | None:
        found = [self.times.percentile(stage, 0.95) for stage in FOR_DEADLINE]
        known = [ms for ms in found if ms is not None]
        return sum(known) if known else None

    def _note(self, in_time: bool) -> None:
        with self._lock:
            change = self.degradation.note(time.monotonic(), in_time)
        if change is not None and self._changed is not None:
            self._changed(change)

    def _follow(self) -> None:
        while (waiting := self._next_waiting()) is not None:
            self._begun_s = time.monotonic()
            if self._freed is not None:
                self._freed()
            try:
                if not isinstance(waiting, CapturedFrame):
                    self._take_in(*waiting)
                elif self._onlooker is not None:
                    self._onlooker.unseen(waiting)
            except Exception as exc:  # one frame's trouble must not end the camera
                if not isinstance(waiting, CapturedFrame):  # which is counted already
                    self.dropped["failed"] += 1
                self._tell(exc)
            finally:
                self._begun_s = None

    def _next_waiting(self) -> _Waiting:
        """What the worker handed over, in its order; while a live camera is gone, its onlooker is told so meanwhile."""
        while self._onlooker is not None:
            try:
                return self._waiting.get(timeout=SILENT_S)
            except queue.Empty:
                self._note_silence(self._onlooker)
        return self._waiting.get()

    def _note_silence(self, onlooker: Onlooker) -> None:
        if self.reader.state().connected:
            return
        self._begun_s = time.monotonic()
        try:
            onlooker.silent(self._begun_s)
        except Exception as exc:  # such as a spool's: the camera is still waited for
            self._tell(exc)
        finally:
            self._begun_s = None

    def _tell(self, error: Exception) -> None:
        if self._failed is not None:
            self._failed(error)

    def _take_in(self, frame: CapturedFrame, stage: Stage, model: str, inferred: Any) -> None:
        with self.times.timed("decode"):
            detections = stage.decode(inferred)
        done_s = time.monotonic()
        late = self.deadline.missed(frame.captured_s, done_s)
        if frame.position_s is None:
            self.times.add("age", (done_s - frame.captured_s) * 1e3)
        self._note(not late)
        self.late += late
        if frame is self._tried and not late:
            self.times.forget(FOR_DEADLINE)
        with self.times.timed("handle"):
            self._handle(Result(frame, detections, done_s, late, model))
        self.done += 1
