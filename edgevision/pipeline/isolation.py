"""A model in a process of its own that is started anew, later and later, whenever it has died."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from edgevision.artifact import Artifact
from edgevision.errors import ConfigError, EdgeVisionError, WorkerDiedError
from edgevision.pipeline.sources.backoff import waits
from edgevision.runtimes.base import CompiledModel
from edgevision.runtimes.isolated import ModelProcess, start_isolated
from edgevision.tensors import Array

LOAD_S = 120.0
"""A model that is not loaded after so long never will be."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
LOOK_S = 0.2
LASTED_S = 60.0
"""A process that lived so long died for the first time: the waits begin anew."""


class IsolatedModel(CompiledModel):
    """A model that runs in a `ModelProcess`. One thread calls `infer` and `revive`.

    `infer` raises WorkerDiedError when the process died or was killed for not answering; `revive` brings it back.
    """

    def __init__(
        self,
        artifact: Artifact,
        device: str = "cpu",
        *,
        runtime: str | None = None,
        options: Mapping[str, Any] | None = None,
        answer_s: float = 5.0,
    ) -> None:
        """Load it, and wait until it is.

        Args:
            artifact: The model.
            device: Where; see `edgevision.runtimes.load`.
            runtime: What runs it.
            options: Options of the runtime.
            answer_s: A process that does not answer for so many seconds is killed.

        Raises:
            ConfigError: No time at all.
            EdgeVisionError: It does not load.
        """
        if not 0 < answer_s < float("inf"):
            raise ConfigError("model: answer_s", got=answer_s, allowed="seconds, more than 0")
        self._what: dict[str, Any] = {"device": device, "runtime": runtime, "options": options}
        self._artifact, self._answer_s = artifact, answer_s
        self._process: ModelProcess | None = start_isolated(artifact, **self._what, timeout_s=LOAD_S)
        super().__init__(self._process.inputs, self._process.outputs, {**self._process.facts, "isolated": True})
        self._trouble = ""
        self._since_s = time.monotonic()
        self._next_s = self._looked_s = 0.0
        self._waits = waits(FIRST_WAIT_S, LONGEST_WAIT_S)

    def revive(self) -> str:
        """Start anew what has died, and return at once: '' where it can run, else why it cannot yet."""
        with self._lock:
            if self._closed:
                return ""
            if not self._trouble:
                self._look()
                return self._trouble
            if self._process is not None:
                self._await(self._process)
            elif time.monotonic() >= self._next_s:
                self._start()
            return self._trouble

    def _start(self) -> None:
        self._since_s = time.monotonic()
        try:
            self._process = ModelProcess(self._artifact, **self._what)
        except EdgeVisionError as exc:
            self._lost(str(exc))

    def _look(self) -> None:
        """See whether the process has ended while nobody asked it anything; an inference tells it by itself.

        Not each time: a call of the system lets other threads go on, and a frame waits until they let go again.
        """
        now = time.monotonic()
        if now >= self._looked_s + LOOK_S:
            self._looked_s = now
            if self._process is not None and (ended := self._process.ended):
                self._lost(f"the model's process has ended: {ended}")

    def _await(self, process: ModelProcess) -> None:
        """See whether a process that was started has loaded the model."""
        try:
            if not process.ready():
                if time.monotonic() - self._since_s > LOAD_S:
                    raise WorkerDiedError(f"it has not loaded the model within {LOAD_S:g} s")
                return
            if (process.inputs, process.outputs) != (self.inputs, self.outputs):
                raise WorkerDiedError("it has another model now", next_step="restart to use that")
        except EdgeVisionError as exc:
            self._lost(f"the model's process could not be started anew: {exc}")
            return
        self._trouble, self._since_s = "", time.monotonic()

    def _run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        if self._trouble or self._process is None:
            raise WorkerDiedError(self._trouble)
        try:
            return self._process.infer(inputs, self._answer_s)
        except WorkerDiedError as exc:
            self._lost(str(exc))
            raise

    def _lost(self, trouble: str) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()
        now = time.monotonic()
        if not self._trouble and now - self._since_s > LASTED_S:
            self._waits = waits(FIRST_WAIT_S, LONGEST_WAIT_S)
        self._trouble, self._next_s = trouble, now + next(self._waits)

    def _release(self) -> None:
        if self._process is not None:
            self._process.close()
