"""Captures for all cameras of a pipeline: one thread writes, the pipeline never waits for it."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from edgevision.documents import pretty_json
from edgevision.errors import ConfigError, EdgeVisionError, reason_of
from edgevision.pipeline.capture.choosing import Chooser, Chosen, Memory
from edgevision.pipeline.capture.drift import Baseline, DriftMonitor
from edgevision.pipeline.capture.folder import CaptureFolder
from edgevision.pipeline.capture.settings import CaptureSettings
from edgevision.pipeline.recording.names import folder_name
from edgevision.pipeline.rules import PrivacyMask

WAITING = 4
"""Frames that may wait to be written; with more the next ones are not captured."""
SWEEP_S = 60.0
END_S = 15.0
"""So long it is waited at the end for the disk, twice at most."""
_BASELINES = ".baselines"


class Capture:
    """Captures what the settings say. `chooser` makes what looks at one camera's results."""

    def __init__(self, settings: CaptureSettings, labels: Sequence[str], told: Callable[[str | None, str, bool], None]):
        """Check the folder; `start` begins to write.

        Args:
            settings: What is captured.
            labels: Names of the classes.
            told: Called, in any thread, with the camera's name, a line of what an operator wants to know and whether it
                is trouble.

        Raises:
            ConfigError: The folder is there for something else.
        """
        self.settings, self._told = settings, told
        self._folder = CaptureFolder(
            settings.folder, labels, crops=settings.crops, min_free_bytes=settings.min_free_bytes
        )
        self._memories: dict[str, Memory] = {}
        self._work: queue.Queue[Callable[[], object] | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._trouble: str | None = None
        self._swept_s = float("-inf")
        self._written = self._lost = 0

    def start(self) -> Capture:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()
        return self

    def chooser(self, camera: str, mask: PrivacyMask | None) -> Chooser:
        """Return what looks at the results of a camera, in the thread that has them."""
        drift = self.settings.drift
        monitor = None if drift is None else DriftMonitor(drift, self._baseline(camera))
        memory = self._memories.setdefault(camera, Memory(self.settings))
        return Chooser(
            self.settings, mask, self._put, memory, monitor, drifted=lambda changed: self._drifted(camera, changed)
        )

    def close(self) -> None:
        """Write what waits, and end; any number of times."""
        thread, self._thread = self._thread, None
        if thread is not None:
            with suppress(queue.Full):  # a disk that hangs: it is left behind
                self._work.put(None, timeout=END_S)
            thread.join(END_S)

    def state(self) -> dict[str, Any]:
        """Return how it is, in JSON's types: pictures written, frames lost to trouble, and the trouble."""
        return {"written": self._written, "lost": self._lost, "trouble": self._trouble}

    def _put(self, chosen: Chosen) -> bool:
        return self._queue(lambda: self._write(chosen))

    def _queue(self, work: Callable[[], object]) -> bool:
        try:
            self._work.put_nowait(work)
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        while True:
            self._sweep()
            try:
                work = self._work.get(timeout=SWEEP_S)
            except queue.Empty:
                continue
            if work is None:
                return
            work()

    def _write(self, chosen: Chosen) -> None:
        def write() -> None:
            self._written += len(self._folder.write(chosen))

        self._lost += not self._try(write)

    def _try(self, write: Callable[[], object]) -> bool:
        """Write something; trouble is told once until it is over. Return whether it was written."""
        try:
            self._folder.prepare()
            write()
        except Exception as exc:  # whatever it is, a picture for later is not worth the pipeline
            known = self._trouble is not None
            self._trouble = str(exc) if isinstance(exc, EdgeVisionError) else f"{type(exc).__name__}: {reason_of(exc)}"
            if not known:
                self._told(None, f"nothing is captured: {self._trouble}", True)
            return False
        if self._trouble is not None:
            self._told(None, "frames are captured again", False)
            self._trouble = None
        return True

    def _sweep(self) -> None:
        now_s = time.monotonic()
        if now_s - self._swept_s < SWEEP_S:
            return
        self._swept_s = now_s
        try:
            self._folder.sweep(self.settings.retention)
        except OSError:  # the next round may find the disk again; writing tells of it
            return

    def _baseline(self, camera: str) -> Baseline | None:
        """What was usual when an earlier process watched the camera; None where that is not known, or damaged."""
        text = self._folder.load(_baseline_file(camera))
        try:
            return None if text is None else Baseline.from_dict(json.loads(text))
        except (ValueError, RecursionError, ConfigError) as exc:
            self._told(camera, f"what was usual is learnt anew: {_baseline_file(camera)}: {exc}", True)
            return None

    def _drifted(self, camera: str, monitor: DriftMonitor) -> None:
        baseline = monitor.baseline
        if baseline is None:
            return
        usual = baseline.usual
        if monitor.drifting:
            said = ", ".join(f"{name} {now:.3g}, usually {usual[name][0]:.3g} ± {usual[name][1]:.2g}"
                             for name, now in monitor.drifting.items())  # fmt: skip
            self._told(camera, f"drift: {said}", False)
        else:
            said = ", ".join(f"{name} {mean:.3g} ± {deviation:.2g}" for name, (mean, deviation) in usual.items())
            self._told(camera, f"usual: {said}", False)
            text = pretty_json(baseline.to_dict())
            self._queue(lambda: self._try(lambda: self._folder.save(_baseline_file(camera), text)))


def _baseline_file(camera: str) -> str:
    return f"{_BASELINES}/{folder_name(camera)}.json"
