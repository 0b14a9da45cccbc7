"""The next frame of a recording: taken and made ready for the model while it runs on this one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from edgevision.pipeline.model_slot import Stage
from edgevision.pipeline.sources.base import CapturedFrame


@dataclass(frozen=True, eq=False)
class _Ready:
    frame: CapturedFrame
    stage: Stage
    made: Any
    error: Exception | None


class Ahead:
    """One frame at a time, in a thread of its own. Another thread begins, then takes, in turn."""

    def __init__(
        self, name: str, take: Callable[[], CapturedFrame | None], prepare: Callable[[CapturedFrame, Stage], Any]
    ) -> None:
        """Begin with nothing.

        Args:
            name: Of the thread.
            take: Returns the next frame, if there is one.
            prepare: Makes a frame ready for a model.
        """
        self._take, self._prepare = take, prepare
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._coming: Future[_Ready | None] | None = None
        self._ready: _Ready | None = None

    @property
    def idle(self) -> bool:
        """Whether no frame is under way that `frame` would return."""
        return self._coming is None

    def begin(self, stage: Stage) -> None:
        """Take the next frame and make it ready for a model, if none is under way; returns at once."""
        if self._coming is None:
            with suppress(RuntimeError):  # it was closed: the camera is taken out while the model runs on its frame
                self._coming = self._threads.submit(self._work, stage)

    def frame(self) -> CapturedFrame | None:
        """Return the frame that is under way, when it is ready; None where there is none."""
        coming, self._coming = self._coming, None
        self._ready = None if coming is None else coming.result()
        return None if self._ready is None else self._ready.frame

    def prepared(self, frame: CapturedFrame, stage: Stage) -> Any:
        """Return what the model takes of a frame, made now where it is not ready; raises the error of making it."""
        ready, self._ready = self._ready, None
        if ready is None or ready.frame is not frame or ready.stage is not stage:  # another model took over
            return self._prepare(frame, stage)
        if ready.error is not None:
            raise ready.error
        return ready.made

    def close(self) -> None:
        """End the thread; what is under way is finished."""
        self._threads.shutdown(cancel_futures=True)

    def _work(self, stage: Stage) -> _Ready | None:
        frame = self._take()
        if frame is None:
            return None
        try:
            return _Ready(frame, stage, self._prepare(frame, stage), None)
        except Exception as exc:  # a frame that nobody thought of: for who asks for it
            return _Ready(frame, stage, None, exc)
