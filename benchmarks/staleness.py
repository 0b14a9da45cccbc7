"""How old are results, and does memory grow? A real RTSP stream and a detector that takes a given time. Prints JSON.

    python benchmarks/staleness.py [--seconds 60] [--inference-ms 100] [--fps 25]

The stream is GStreamer's RTSP server on the loopback interface (Debian: gir1.2-gst-rtsp-server-1.0, python3-gi and
gstreamer1.0-plugins-good and -ugly). Ages are from the moment that a decoded frame was there to the moment that its
objects were known; the encoder's and the network's delay is not in them. Memory is the process's resident set, each
second.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.pipeline.lane import Result
from edgevision.pipeline.running import Camera, Pipeline
from edgevision.pipeline.sources import Timeouts, source_for
from edgevision.tasks.detections import Detections

SERVER = Path(__file__).parents[1] / "tests" / "edgevision" / "pipeline" / "rtsp_server.py"


class Sleeping:
    """A detector that takes so long and finds one thing."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def prepare(self, frame: Any) -> Any:
        """Convert to RGB, as every detector's preprocessing does."""
        return frame.to_rgb()

    def infer(self, prepared: Any) -> Any:
        """Take the time."""
        time.sleep(self._seconds)
        return prepared

    def decode(self, inferred: Any) -> Detections:
        """Find it."""
        return Detections(np.array([[0, 0, 9, 9]]), np.array([0.9]), np.array([0]))

    def close(self) -> None:
        """Hold nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--inference-ms", type=float, default=100.0)
    options = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = ["/usr/bin/python3", str(SERVER), str(port), "768", "576"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean)
    try:
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        print(json.dumps(measured(port, options.seconds, options.inference_ms)))
    finally:
        server.kill()
        server.wait()


def measured(port: int, seconds: float, inference_ms: float) -> dict[str, Any]:
    """Ages, drops and memory over so many seconds, after the first result."""
    results: list[float] = []

    def handle(camera: Camera) -> Any:
        def take(result: Result) -> None:
            assert result.age_ms is not None
            results.append(result.age_ms)

        return take

    address = f"rtsp://127.0.0.1:{port}/cam"
    camera = Camera("loopback", lambda: source_for(address, timeouts=Timeouts()))
    memory: list[float] = []
    with Pipeline("sleeping", Sleeping(inference_ms / 1e3), [camera], handle) as pipeline:
        while not results:
            time.sleep(0.05)
        results.clear()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(1)
            memory.append(resident_mb())
        state = pipeline.state()["cameras"]["loopback"]
    quarter = max(1, len(memory) // 4)
    return {
        "seconds": seconds,
        "inference_ms": inference_ms,
        "results": len(results),
        "received": state["received"],
        "dropped": state["dropped"],
        "age_p50_ms": statistics.median(results),
        "age_p95_ms": float(np.quantile(results, 0.95)),
        "memory_first_quarter_mb": statistics.median(memory[:quarter]),
        "memory_last_quarter_mb": statistics.median(memory[-quarter:]),
    }


def resident_mb() -> float:
    """The process's resident set, in millions of bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


if __name__ == "__main__":
    sys.exit(main())
