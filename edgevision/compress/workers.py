"""Several workers on one study: processes of their own, which end when the one that started them does.

Each is started as ``python -c "from edgevision.compress.workers import main; main()"`` with its plan as a line of
JSON on standard input, which stays open; its answer is JSON on standard output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import edgevision.errors
from edgevision.compress.constraints import Constraints
from edgevision.compress.working import Plan, load_parts, open_bench, work
from edgevision.errors import EdgeVisionError, InferenceError

POLL_S = 0.5
PATIENCE_S = 20
_COMMAND = (sys.executable, "-c", "from edgevision.compress.workers import main; main()")


def run_workers(plan: Plan, jobs: int, watch: Callable[[], None]) -> None:
    """Run ``jobs`` workers, and call ``watch`` twice a second until all have ended.

    Raises:
        EdgeVisionError: What a worker raised, or InferenceError when one died, unless others went on to the end.
    """
    workers = [_start(plan, number) for number in range(jobs)]
    try:
        while any(worker.poll() is None for worker in workers):
            watch()
            time.sleep(POLL_S)
    except BaseException:
        for worker in workers:
            _end(worker)
        raise
    errors = [error for worker in workers if (error := _error(worker)) is not None]
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
        answer = {"error": type(exc).__name__, "message": str(exc)}
    except KeyboardInterrupt:
        answer = {"error": "InferenceError", "message": "interrupted"}
    answers.write(json.dumps(answer))
    answers.flush()
    os._exit(0)  # some libraries crash while they are torn down, and nothing here is left to save


def _start(plan: Plan, number: int) -> subprocess.Popen[str]:
    worker = subprocess.Popen(
        _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
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
    worker.communicate()


def _error(worker: subprocess.Popen[str]) -> EdgeVisionError | None:
    text, _ = worker.communicate()
    try:
        answer: dict[str, str] = json.loads(text)
    except ValueError:
        return InferenceError(f"a worker died with status {worker.returncode}", next_step="try again with --jobs 1")
    if not answer:
        return None
    error: EdgeVisionError = getattr(edgevision.errors, answer["error"])(answer["message"])
    return error


def _plan(data: dict[str, Any]) -> Plan:
    return Plan(**{**data, "to": tuple(data["to"]), "constraints": Constraints(**data["constraints"])})


def _end_with_parent() -> None:
    """Leave when standard input is closed: whoever started this process is no more."""
    sys.stdin.read()
    os._exit(1)
