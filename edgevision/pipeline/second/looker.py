"""The thread that runs the models of second stages, beside the one that runs the first model."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from edgevision.errors import WorkerDiedError, reason_of
from edgevision.pipeline.absences import Absences
from edgevision.pipeline.model_slot import Revivable
from edgevision.pipeline.second.crops import Region, cut
from edgevision.pipeline.second.looks import Answer
from edgevision.pipeline.second.models import SecondModel
from edgevision.pipeline.sources.base import CapturedFrame
from edgevision.pipeline.timing import StageTimes
from edgevision.tensors import Array

LOOK_AGAIN_S = 0.2
PATIENCE_S = 60.0
"""So long a recording waits for a model whose process is away; after that it goes on without."""


@dataclass(frozen=True, eq=False)
class Job:
    """Crops of one frame for one second stage.

    Attributes:
        stage: Name of the stage.
        tracks: Whose crops.
        regions: Where in the frame.
        qualities: How good they are.
        budget_s: How old the frame may be when they are looked at.
    """

    stage: str
    tracks: tuple[int, ...]
    regions: tuple[Region, ...]
    qualities: tuple[float, ...]
    budget_s: float


@dataclass(eq=False)
class Request:
    """What one camera wants to know of one frame. Once `done` is set, `answers` and `dropped` are its own.

    Attributes:
        frame: The frame.
        covered: Pixels that privacy masks cover, bool (H, W); None without any.
        jobs: One for each stage that has something to look at.
        answers: Stage -> answers.
        dropped: Stage -> why its crops were not looked at.
        done: Set in the end.
    """

    frame: CapturedFrame
    covered: Array | None
    jobs: tuple[Job, ...]
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)


class Looker:
    """Runs requests one after the other. A camera has one under way at most, so that each gets its turn.

    The first model does not wait for it: what comes too late here is left, and counted.
    """

    def __init__(
        self,
        models: Mapping[str, SecondModel],
        *,
        failed: Callable[[str], None] | None = None,
        died: Callable[[str, str], None] | None = None,
        revived: Callable[[str, float], None] | None = None,
    ) -> None:
        """Describe it; `start` begins.

        Args:
            models: Loaded, by the name of their stage; closed with this.
            failed: Called with each failure of a model, in the thread that runs them.
            died: Likewise, with the stage and why, when the process of its model is found dead, and when it does not
                begin anew.
            revived: Likewise, with the stage and the seconds that it was away, when it works again.
        """
        self.models, self._failed = dict(models), failed
        self._absences: Absences[str] = Absences(died=died, revived=revived)
        self._times = {name: StageTimes() for name in models}
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._begun_s: float | None = None

    @property
    def busy_s(self) -> float:
        """Seconds since it began with the request that it has; 0 where it has none."""
        begun_s = self._begun_s
        return 0.0 if begun_s is None else time.monotonic() - begun_s

    @property
    def alive(self) -> bool:
        """Whether the thread runs, or was not started yet."""
        return self._thread is None or self._thread.is_alive()

    def start(self) -> None:
        """Begin; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="second stages", daemon=True)
            self._thread.start()

    def submit(self, request: Request) -> None:
        """Have a request looked at; returns at once."""
        self._requests.put(request)

    def wait(self, request: Request) -> bool:
        """Wait until a request is done; False where the thread has ended before."""
        while not request.done.wait(LOOK_AGAIN_S):
            if self._thread is None or not self.alive:
                return False
        return True

    def state(self) -> dict[str, Any]:
        """Return how each stage is, in JSON's types.

        That is its batch, why its model's process is "away" ('' where it is there), and how long it takes: "wait" for
        its turn, "crop" and "infer".
        """
        return {
            name: {
                "batch": self.models[name].batch,
                "away": self._absences.reason(name),
                "stages": {part: one.to_dict() for part, one in times.summary().items()},
            }
            for name, times in self._times.items()
        }

    def close(self, timeout_s: float = 30.0) -> None:
        """End after the request that is under way, and let go of the models; any number of times."""
        self._stopping.set()
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
            if thread.is_alive():  # a model hangs: it is left behind
                return
        for model in self.models.values():
            model.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            for name in self.models:
                self._works(name)
            with suppress(queue.Empty):
                request = self._requests.get(timeout=LOOK_AGAIN_S)
                self._begun_s = time.monotonic()
                try:
                    self._answer(request)
                finally:
                    self._begun_s = None
                    request.done.set()

    def _answer(self, request: Request) -> None:
        captured_s, live = request.frame.captured_s, request.frame.position_s is None
        for job in request.jobs:
            age_s = time.monotonic() - captured_s
            if live and age_s > job.budget_s:
                request.dropped[job.stage] = "too old"
                continue
            times = self._times[job.stage]
            if live:
                times.add("wait", age_s * 1e3)
            try:
                with times.timed("crop"):
                    crops = [cut(request.frame.frame, region, request.covered) for region in job.regions]
                evidence = self._look(job.stage, crops, live)
            except WorkerDiedError:  # which was told
                request.dropped[job.stage] = "worker"
                continue
            except Exception as exc:  # of a runtime that nobody thought of, too: the cameras go on
                request.dropped[job.stage] = "failed"
                if self._failed is not None:
                    self._failed(f"second stage {job.stage}: {reason_of(exc)}")
                continue
            request.answers[job.stage] = [
                Answer(track, one, quality, captured_s)
                for track, one, quality in zip(job.tracks, evidence, job.qualities, strict=True)
            ]

    def _look(self, stage: str, crops: Sequence[Array], live: bool) -> list[Array | None]:
        """Return the evidence; a recording waits for a process that is away, and asks a second one.

        Raises:
            WorkerDiedError: It is away, or died of this.
        """
        for last in (live, True):
            if not self._works(stage) and (live or not self._awaited(stage)):
                break
            try:
                with self._times[stage].timed("infer"):
                    return self.models[stage].look(crops)
            except WorkerDiedError:
                self._works(stage)
                if last:
                    raise
        raise WorkerDiedError(self._absences.reason(stage))

    def _awaited(self, stage: str) -> bool:
        """Wait for a process that is away; False when it does not come."""
        while not self._works(stage):
            if self._absences.since_s(stage) > PATIENCE_S or self._stopping.wait(0.05):
                return False
            self._begun_s = time.monotonic()  # the thread comes round
        return True

    def _works(self, stage: str) -> bool:
        """Whether a model can run; says so when that changes."""
        model = self.models[stage]
        return self._absences.works(stage, model.revive() if isinstance(model, Revivable) else "")
