"""Processes of our own that run a model: what they are asked, how they end, and how they end with who started them."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import edgevision.errors
from edgevision.artifact import Artifact
from edgevision.errors import EdgeVisionError, InferenceError
from edgevision.manifest import Manifest

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
"""prctl(2)."""
_OOM_SCORE = "500"
"""Where memory runs out, the kernel ends this process and not the one that started it: proc_pid_oom_score_adj(5)."""

WITHOUT_FOLDER = "import sys; sys.path = [p for p in sys.path if p]"
"""Python puts the current folder first for a program in an argument; nobody wants modules from wherever that is."""


def model_request(
    artifact: Artifact, runtime: str | None, device: str, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return what a process needs to load a model, in JSON's types."""
    return {
        "path": str(artifact.path.resolve()),
        "manifest": artifact.manifest.to_dict(),
        "bare": artifact.bare,
        "runtime": runtime,
        "device": device,
        "options": dict(options or {}),
    }


def requested_artifact(request: Mapping[str, Any]) -> Artifact:
    """Return the artifact of a `model_request`, its files unread."""
    return Artifact(Path(request["path"]), Manifest.from_dict(request["manifest"]), request["bare"])


def told_error(error: EdgeVisionError) -> dict[str, str]:
    """Return an error as a process tells it to the one that started it."""
    return {"error": type(error).__name__, "message": str(error)}


def error_told(answer: Mapping[str, Any]) -> EdgeVisionError:
    """Return the error that a process told; one of a kind that is unknown here is an InferenceError."""
    kind = getattr(edgevision.errors, str(answer["error"]), InferenceError)
    error: EdgeVisionError = kind(str(answer["message"]))
    return error


def death(status: int) -> str:
    """Return how a process ended, by its exit status.

    >>> [death(-11), death(3)]
    ['SIGSEGV', 'exit status 3']
    """
    if status >= 0:
        return f"exit status {status}"
    return signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"


def serve_only(parent: int) -> None:
    """Let this process live as long as the one that started it, and end before it where memory runs out.

    It does not heed a terminal's or systemd's signals to end: it is told by who started it, or killed with it.

    Args:
        parent: Process id of who started it. The kernel goes by the thread that did.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)
    try:
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    except OSError:  # a container may forbid it: then the kernel chooses
        return
    finally:
        leave_no_core()


def leave_no_core() -> None:
    """Let a crash of this process leave no image of its memory, which has pictures and passwords in it."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)
