"""Several workers on one study: processes of their own, which end when the one that started them does.

Each is started as ``python -c "from edgevision.compress.workers import main; main()"`` with its plan as a line of
JSON on standard input, which stays open; its answer is JSON on standard output, a file: a pipe would have no end as
long as some process lives that a library has forked.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import IO, Any

from edgevision.compress.constraints import Constraints
from edgevision.compress.working import Plan, load_parts, open_bench, work
from edgevision.errors import EdgeVisionError, InferenceError
from edgevision.processes import error_told, told_error

POLL_S = 0.5
PATIENCE_S = 20
TAIL, LINE = 8192, 300
"""Bytes that are kept of what a worker that died had said, and letters of its last line that an error shows."""
_COMMAND = (sys.executable, "-c", "from edgevision.compress.workers import main; main()")


def run_workers(plan: Plan, jobs: int, watch: Callable[[], None]) -> None:
    """Run ``jobs`` workers, and call ``watch`` twice a second until all have ended.

    Raises:
        EdgeVisionError: What a worker raised, or InferenceError when one died, unless others went on to the end.
    """
    with contextlib.ExitStack() as stack:
        files = [[stack.enter_context(tempfile.TemporaryFile()) for _ in range(2)] for _ in range(jobs)]
        workers = [_start(plan, number, *pair) for number, pair in enumerate(files)]
        try:
            while any(worker.poll() is None for worker in workers):
                watch()
                time.sleep(POLL_S)
            found = [_error(worker.returncode, *pair) for worker, pair in zip(workers, files, strict=True)]
        except BaseException:
            for worker in workers:
                _end(worker)
            raise
        finally:
            for worker in workers:
                _close(worker)
    errors = [error for error in found if error is not None]
    if len(errors) == jobs:
        raise errors[0]


def main() -> None:
    """Be a worker."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    answer: dict[str, str] = {}
    try:
        plan = _plan(request["plan"])
        work(open_bench(plan, load_parts(plan), request["worker"]))
    except EdgeVisionError as exc:
        answer = told_error(exc)
    except KeyboardInterrupt:
        answer = {"error": "InferenceError", "message": "interrupted"}
    answers.write(json.dumps(answer))
    answers.flush()
    os._exit(0)  # some libraries crash while they are torn down, and nothing here is left to save


def _start(plan: Plan, number: int, answer: IO[bytes], said: IO[bytes]) -> subprocess.Popen[str]:
    worker = subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=answer, stderr=said, text=True)
    if worker.stdin is not None:
        worker.stdin.write(json.dumps({"plan": asdict(plan), "worker": number}) + "\n")
        worker.stdin.flush()
    return worker


def _end(worker: subprocess.Popen[str]) -> None:
    """Let a worker write down that it was interrupted; end one that does not listen."""
    try:
        worker.send_signal(2)
        worker.wait(PATIENCE_S)
    except (subprocess.TimeoutExpired, OSError):
        worker.kill()
        worker.wait()


def _close(worker: subprocess.Popen[str]) -> None:
    if worker.stdin is not None:
        worker.stdin.close()


def _error(status: int, answer: IO[bytes], said: IO[bytes]) -> EdgeVisionError | None:
    answer.seek(0)
    try:
        told: dict[str, str] = json.loads(answer.read())
    except ValueError:
        return _death(status, _tail(said))
    return error_told(told) if told else None


def _death(status: int, tail: str) -> InferenceError:
    """Return the error of a worker that died: with the last line that it said, and all of its last words behind it."""
    last = tail.splitlines()[-1].strip()[:LINE] if tail else None
    error = InferenceError(f"a worker died with status {status}", got=last, next_step="try again with --jobs 1")
    error.__cause__ = ChildProcessError(tail) if tail else None
    return error


def _tail(said: IO[bytes]) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(-min(size, TAIL), os.SEEK_END)
    return said.read().decode(errors="replace").strip()


def _plan(data: dict[str, Any]) -> Plan:
    return Plan(**{**data, "to": tuple(data["to"]), "constraints": Constraints(**data["constraints"])})


def _end_with_parent() -> None:
    """Leave when standard input is closed: whoever started this process is no more."""
    while os.read(0, 1):  # a read of sys.stdin would hold its lock, on which processes that libraries fork would wait
        pass
    os._exit(1)
