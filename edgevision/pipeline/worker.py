"""One thread that runs a model for several cameras, each in its turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from edgevision.errors import EdgeVisionError, InferenceError, WorkerDiedError
from edgevision.pipeline.absences import Absences
from edgevision.pipeline.lane import Lane
from edgevision.pipeline.model_slot import ModelSlot
from edgevision.pipeline.sources.backoff import waits
from edgevision.pipeline.sources.base import CapturedFrame

LOOK_AGAIN_S = 0.05
"""So often it looks for frames that nobody told of: room that a lane has again, recordings that ended."""


class Worker:
    """Runs the model on the newest frame of the camera whose last turn is longest ago."""

    def __init__(
        self,
        slot: ModelSlot,
        lanes: Sequence[Lane] = (),
        *,
        variants: Mapping[str, ModelSlot] | None = None,
        failed: Callable[[EdgeVisionError], None] | None = None,
        died: Callable[[str], None] | None = None,
        revived: Callable[[float], None] | None = None,
    ) -> None:
        """Describe it; `start` begins.

        Args:
            slot: The model.
            variants: Other models, by the name that levels of degradation have for them.
            lanes: The cameras.
            failed: Called, in the worker's thread, with each error of the model.
            died: Likewise, with why, when the process of a model is found dead, and when it does not begin anew.
            revived: Likewise, with the seconds that it was gone, when it works again.
        """
        self._slot, self._variants, self._failed = slot, dict(variants or {}), failed
        self._absences: Absences[ModelSlot] = Absences(
            died=None if died is None else lambda _, why: died(why),
            revived=None if revived is None else lambda _, seconds: revived(seconds),
        )
        self._retried: CapturedFrame | None = None
        self._lock = threading.Lock()
        self._order: list[Lane] = []
        self._arrived = threading.Event()
        self._stopping = threading.Event()
        self._held = threading.Event()
        self._thread: threading.Thread | None = None
        self.progress_s = time.monotonic()
        for lane in lanes:
            self.add(lane)

    def add(self, lane: Lane) -> None:
        """Give a camera a turn from now on, the next one."""
        lane.start()
        with self._lock:
            self._order.insert(0, lane)
        self.wake()

    def remove(self, lane: Lane) -> None:
        """Give a camera no turn any more; what is under way is handled before this returns."""
        with self._lock:
            self._order.remove(lane)
        lane.finish()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within the block, go on though every lane has ended: they are being exchanged."""
        self._held.set()
        try:
            yield
        finally:
            self._held.clear()

    @property
    def gone_s(self) -> float:
        """Seconds for which a model's process has been gone; 0 where all are there."""
        return self._absences.longest_s

    @property
    def deaths(self) -> int:
        """How often a model's process was found dead."""
        return self._absences.deaths

    @property
    def trouble(self) -> str:
        """Why a model's process is gone; '' where all are there."""
        return self._absences.trouble

    def wake(self) -> None:
        """Say that a frame came; for readers, in any thread."""
        self._arrived.set()

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until every lane has ended; return whether that is so."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def stop(self) -> None:
        """End after the frame that is under way; what it gave is handled."""
        self._stopping.set()
        self._arrived.set()
        self.join(30)

    def _run(self) -> None:
        pauses = waits(0.1, 5.0)
        try:
            while not self._stopping.is_set():
                self.progress_s = time.monotonic()
                self._arrived.clear()
                found = self._next()
                if found is None:
                    if self._all_ended():
                        return
                    self._arrived.wait(LOOK_AGAIN_S)
                    continue
                if self._look(*found):
                    pauses = waits(0.1, 5.0)
                else:
                    self._stopping.wait(next(pauses))
        finally:
            with self._lock:
                lanes = list(self._order)
            for lane in lanes:
                lane.finish()

    def _all_ended(self) -> bool:
        if self._held.is_set():
            return False
        with self._lock:
            return all(lane.ended for lane in self._order)

    def _next(self) -> tuple[Lane, CapturedFrame] | None:
        """The frame whose turn it is; its lane goes to the end of the queue."""
        with self._lock:
            for place, lane in enumerate(self._order):
                if not lane.has_room:
                    continue
                if not self._works(self._slot_of(lane)):
                    lane.pass_by()
                    continue
                if (frame := lane.next_frame()) is not None:
                    self._order.append(self._order.pop(place))
                    return lane, frame
        return None

    def _look(self, lane: Lane, frame: CapturedFrame) -> bool:
        """Run the model on a frame, twice where the first try ended a new model's probation; False when it failed."""
        slot = self._slot_of(lane)
        for _ in range(2):
            name, stage = slot.current()
            try:
                prepared = lane.prepared(frame, stage)
                lane.look_ahead(stage)
                started = lane.times.start()
                inferred = stage.infer(prepared)
            except WorkerDiedError as exc:
                if slot.failed(exc):
                    continue
                self._works(slot)
                self._again(lane, frame)
                return True
            except Exception as exc:  # also of a runtime or a frame that nobody thought of: the cameras go on
                error = exc if isinstance(exc, EdgeVisionError) else InferenceError(f"{type(exc).__name__}: {exc}")
                if self._failed is not None:
                    self._failed(error)
                if slot.failed(error):
                    continue
                break
            slot.succeeded(lane.times.stop("infer", started))
            lane.hand_over(frame, stage, name, inferred)
            return True
        lane.lost("model failed")
        return False

    def _slot_of(self, lane: Lane) -> ModelSlot:
        return self._variants.get(lane.degradation.level.model or "", self._slot)

    def _again(self, lane: Lane, frame: CapturedFrame) -> None:
        """Try a recording's frame once more when the model is back; of a live source a newer one counts."""
        if lane.reader.live or frame is self._retried:
            lane.lost("worker")
            return
        self._retried = frame
        lane.put_back(frame)

    def _works(self, slot: ModelSlot) -> bool:
        """Whether a model can run; says so when that changes."""
        return self._absences.works(slot, slot.trouble())
