"""The model that a worker runs, which may be exchanged while it runs: checked first, on probation, and taken back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from edgevision.errors import ConfigError, EdgeVisionError, WorkerDiedError
from edgevision.frames import Frame
from edgevision.tasks.detections import Detections

FEWEST_TO_COMPARE = 20


class Stage(Protocol):
    """A model, loaded: three steps that are timed apart."""

    def prepare(self, frame: Frame) -> Any:
        """Return what `infer` takes."""

    def infer(self, prepared: Any) -> Any:
        """Run the model; raises InferenceError."""

    def decode(self, inferred: Any) -> Detections:
        """Return the objects, in pixels of the frame; may run in another thread than `infer`."""

    def close(self) -> None:
        """Let go of it."""


@runtime_checkable
class Revivable(Protocol):
    """A stage, or a model, that may die and be started anew."""

    def revive(self) -> str:
        """Start anew what has died, and return at once: '' where it can run, else why it cannot yet."""


@dataclass(frozen=True)
class Probation:
    """What a new model has to show before the old one is let go of.

    Attributes:
        frames: So many frames without a failure.
        slower_by: Its 95th percentile of inference may be so many times the old one's.
    """

    frames: int = 100
    slower_by: float = 1.5

    def __post_init__(self) -> None:
        if self.frames < 1 or not self.slower_by > 0:
            got = f"{self.frames} frames, {self.slower_by} times"
            raise ConfigError("probation", got=got, allowed="1 frame or more, more than 0 times")


@dataclass(frozen=True)
class Swap:
    """What happened to an exchange of models.

    Attributes:
        kind: "switched", "kept" (probation is over) or "rolled back".
        name: The new model's name.
        reason: In words; '' where there is nothing to say.
    """

    kind: str
    name: str
    reason: str


class ModelSlot:
    """The model of a worker. One thread runs it; any other may exchange it."""

    def __init__(self, name: str, stage: Stage, *, told: Callable[[Swap], None] | None = None) -> None:
        """Begin with a model.

        Args:
            name: Of the model, for people.
            stage: It, loaded; it is closed with the slot or when another one has proved itself.
            told: Called at each step of an exchange, in the thread that runs the model or that exchanges it.
        """
        self._lock = threading.Lock()
        self._name, self._stage = name, stage
        self._old: tuple[str, Stage, list[float]] | None = None
        self._probation = Probation()
        self._times: list[float] = []
        self._told = told
        self._closed = self._rolled_back = False

    @property
    def name(self) -> str:
        """Name of the model that runs."""
        with self._lock:
            return self._name

    @property
    def rolled_back(self) -> bool:
        """Whether the last exchange was taken back: the model that runs is not the one that was asked for."""
        with self._lock:
            return self._rolled_back

    @property
    def on_probation(self) -> bool:
        """Whether the model that runs has still to prove itself."""
        with self._lock:
            return self._old is not None

    def current(self) -> tuple[str, Stage]:
        """Return the model to run the next frame with, and its name."""
        with self._lock:
            return self._name, self._stage

    def swap(
        self,
        name: str,
        load: Callable[[], Stage],
        *,
        check: Callable[[Stage], None] | None = None,
        probation: Probation | None = None,
    ) -> None:
        """Load another model and switch to it between two frames; the old one stays until the new one proved itself.

        Args:
            name: Of the new one.
            load: Loads it; called here, while the old one goes on.
            check: Raises unless it answers as it should, on its golden samples for example.
            probation: What it has to show.

        Raises:
            ConfigError: Another exchange is not over yet.
            EdgeVisionError: It does not load, or does not pass the check; the old one goes on.
        """
        if self.on_probation:
            raise ConfigError("the model that runs is on probation", got=self.name, next_step="wait until it is over")
        stage = load()
        try:
            if check is not None:
                check(stage)
        except BaseException:
            stage.close()
            raise
        with self._lock:
            self._rolled_back = False
            self._old = (self._name, self._stage, self._times)
            self._name, self._stage, self._times = name, stage, []
            self._probation = probation or Probation()
        self._tell("switched", name, "")

    def succeeded(self, ms: float) -> None:
        """Note that the model ran a frame in so many milliseconds."""
        with self._lock:
            self._times = [*self._times[-499:], ms]
            if self._old is None or len(self._times) < self._probation.frames:
                return
            _, old, before = self._old
            limit = self._probation.slower_by
            now = float(np.quantile(self._times, 0.95))
            then = float(np.quantile(before, 0.95)) if len(before) >= FEWEST_TO_COMPARE else None
            name = self._name
            kept = then is None or now <= limit * then
            if kept:
                self._old = None
        if kept:
            old.close()
            self._tell("kept", name, f"{self._probation.frames} frames without a failure")
        else:
            self._roll_back(f"p95 {now:.1f} ms, {then:.1f} ms before: more than {limit:g} times as long")

    def trouble(self) -> str:
        """Return why no frame can be run now; '' where one can. What has died is started anew, or was on probation."""
        stage = self.current()[1]
        if not isinstance(stage, Revivable):
            return ""
        trouble = stage.revive()
        return "" if trouble and self.failed(WorkerDiedError(trouble)) else trouble

    def failed(self, error: EdgeVisionError) -> bool:
        """Note that the model failed; return whether the old one is back, so that the frame can be tried again."""
        with self._lock:
            probation = self._old is not None
        if probation:
            self._roll_back(str(error))
        return probation

    def close(self) -> None:
        """Let go of every model; any number of times."""
        with self._lock:
            stages = [] if self._closed else [self._stage, *([self._old[1]] if self._old else [])]
            self._closed, self._old = True, None
        for stage in stages:
            stage.close()

    def _roll_back(self, reason: str) -> None:
        with self._lock:
            assert self._old is not None
            self._rolled_back = True
            bad, name = self._stage, self._name
            self._name, self._stage, self._times = self._old
            self._old = None
        bad.close()
        self._tell("rolled back", name, reason)

    def _tell(self, kind: str, name: str, reason: str) -> None:
        if self._told is not None:
            self._told(Swap(kind, name, reason))
