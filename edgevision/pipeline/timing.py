"""How long each stage of the pipeline takes, over the last while."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

WINDOW = 512
"""Of so many of the last times percentiles are taken."""
FEWEST = 5
"""With fewer there is no percentile."""


Started = tuple[float, float]
"""Seconds of the clock, and of the thread's processor time."""


@dataclass(frozen=True)
class StageTime:
    """What one stage takes, over the last `WINDOW` frames.

    Attributes:
        count: Frames that went through it since the start.
        p50_ms: Median; None with fewer than `FEWEST` frames.
        p95_ms: 95th percentile, likewise.
    """

    count: int
    p50_ms: float | None
    p95_ms: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


class StageTimes:
    """Times of named stages; any number of threads may add to them.

    Args:
        traced: Called with each time that was started and stopped: the stage, when it began and ended, in seconds of
            `time.perf_counter`, and the seconds of processor time that its thread took meanwhile.
    """

    def __init__(self, traced: Callable[[str, float, float, float], None] | None = None) -> None:
        self._traced = traced
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}
        self._counts: dict[str, int] = {}

    def add(self, stage: str, ms: float) -> None:
        """Note that a frame took so many milliseconds in a stage."""
        with self._lock:
            self._times.setdefault(stage, deque(maxlen=WINDOW)).append(ms)
            self._counts[stage] = self._counts.get(stage, 0) + 1

    def start(self) -> Started:
        """Return what `stop` takes, in the same thread."""
        return time.perf_counter(), time.thread_time()

    def stop(self, stage: str, started: Started) -> float:
        """Note that a frame was in a stage from then until now; return the milliseconds."""
        end_s, busy_s = time.perf_counter(), time.thread_time()
        ms = (end_s - started[0]) * 1e3
        self.add(stage, ms)
        if self._traced is not None:
            self._traced(stage, started[0], end_s, busy_s - started[1])
        return ms

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Note how long the block takes, if it ends without an error."""
        started = self.start()
        yield
        self.stop(stage, started)

    def percentile(self, stage: str, share: float) -> float | None:
        """Return a percentile in milliseconds, 0 to 1; None with fewer than `FEWEST` frames."""
        with self._lock:
            times = list(self._times.get(stage, ()))
        return float(np.quantile(times, share)) if len(times) >= FEWEST else None

    def forget(self, stages: Iterable[str]) -> None:
        """Take percentiles of these stages from what comes from now on; the counts stay."""
        with self._lock:
            for stage in stages:
                self._times.pop(stage, None)

    def summary(self) -> dict[str, StageTime]:
        """Return what each stage takes, in the order in which they were first used."""
        with self._lock:
            stages = dict(self._counts)
        return {
            name: StageTime(count, self.percentile(name, 0.5), self.percentile(name, 0.95))
            for name, count in stages.items()
        }
