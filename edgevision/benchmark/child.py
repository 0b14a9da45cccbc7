"""Load and first inference in a process of its own.

What they take there is not warmed up by anything else, and a vendor's library that crashes on a damaged or hostile file
takes nothing else with it. The request is JSON on standard input, the answer JSON on standard output; everything that
the library prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevision.artifact import Artifact
from edgevision.errors import EdgeVisionError, InferenceError
from edgevision.processes import death, error_told, model_request, requested_artifact, told_error

TIMEOUT_S = 600


@dataclass(frozen=True)
class FreshRun:
    """What a fresh process measured.

    Attributes:
        load_ms: `edgevision.runtimes.load`, with the import of the runtime's package.
        first_ms: The first inference.
        peak_rss_bytes: The process's peak resident memory after it; None where the system does not tell.
        idle_rss_bytes: The same before loading.
    """

    load_ms: float
    first_ms: float
    peak_rss_bytes: int | None
    idle_rss_bytes: int | None


def run_fresh(
    artifact: Artifact,
    runtime: str | None = None,
    device: str = "cpu",
    options: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    timeout_s: float = TIMEOUT_S,
) -> FreshRun:
    """Load an artifact and infer once in a new process.

    Args:
        artifact: The model.
        runtime: What runs it; None for the first that fits.
        device: Where.
        options: Options of the runtime.
        seed: Of random inputs, where the artifact has no golden samples.
        timeout_s: Seconds after which the process is killed.

    Raises:
        EdgeVisionError: What the process raised, or InferenceError when it died (a vendor's library can), or was not
            done in time.
    """
    request = {**model_request(artifact, runtime, device, options), "seed": seed}
    # -c, not -m: the parent package has imported this module before it would run as __main__.
    command = [sys.executable, "-c", "from edgevision.benchmark.child import main; main()"]
    name = artifact.manifest.name
    try:
        done = subprocess.run(
            command,
            input=json.dumps(request, default=str),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise InferenceError(f"{name}: no first inference within {timeout_s:g} s") from exc
    try:
        answer = json.loads(done.stdout)
    except ValueError as exc:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise InferenceError(
            f"{name}: the runtime's process died while it loaded the model or ran it once",
            got=f"{death(done.returncode)}; it said: {last}",
            next_step="the file is damaged, or the runtime has a fault: try another --runtime, or make the file anew",
        ) from exc
    if "error" in answer:
        raise error_told(answer)
    return FreshRun(**answer)


def main() -> None:
    """Answer one request."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    try:
        answer = _measure(request)
    except EdgeVisionError as exc:
        answer = told_error(exc)
    answers.write(json.dumps(answer))
    answers.flush()
    os._exit(0)  # some libraries crash while they are torn down, and nothing here is left to save


def _measure(request: Mapping[str, Any]) -> dict[str, Any]:
    from edgevision.benchmark.inputs import inputs_for
    from edgevision.runtimes import load

    artifact = requested_artifact(request)
    idle = peak_rss_bytes()
    start = time.perf_counter_ns()
    model = load(artifact, request["device"], runtime=request["runtime"], options=request["options"])
    loaded = time.perf_counter_ns()
    inputs = inputs_for(artifact, model.inputs, request["seed"])[0][0]
    before = time.perf_counter_ns()
    model.infer(inputs)
    after = time.perf_counter_ns()
    return {
        "load_ms": (loaded - start) / 1e6,
        "first_ms": (after - before) / 1e6,
        "peak_rss_bytes": peak_rss_bytes(),
        "idle_rss_bytes": idle,
    }


def peak_rss_bytes() -> int | None:
    """Peak resident memory of this process since it began; None where /proc does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
