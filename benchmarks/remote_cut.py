"""verify and benchmark over SSH to the loopback interface, each with a connection that is cut in the middle.

    python benchmarks/remote_cut.py ARTIFACT

Starts a real OpenSSH server with keys of its own and an empty cache, and puts a proxy in between that can cut. Prints
one JSON document: for each step the command, its exit status, its seconds, what travelled and what was said.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loopback import SERVER, Device, Proxy, proxy_to, start_device, until

BIN = Path(sys.executable).parent


class Steps:
    """Commands that are run on a device through a proxy, and what came of each."""

    def __init__(self, device: Device, proxy: Proxy) -> None:
        self._device, self._proxy = device, proxy
        self.rows: list[dict[str, Any]] = []

    def run(self, name: str, *command: object, limit: int | None = None, cut_while_working: bool = False) -> Any:
        """Run a command; give its document, None when it failed."""
        self._proxy.sent, self._proxy.limit = 0, limit
        words = [*map(str, command), "--json"]
        full = [str(BIN / "edgevision"), *words, *map(str, self._device.options(self._proxy.port))]
        began = time.monotonic()
        process = subprocess.Popen(full, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        cut = began
        if cut_while_working:
            until(self._device.working, 300, "the start there")
            time.sleep(1)
            cut = time.monotonic()
            self._proxy.cut()
        out, err = process.communicate(timeout=600)
        now = time.monotonic()
        until(lambda: not self._device.processes(), 30, "the end of what ran there")
        row = {
            "name": name,
            "command": ["edgevision", *words],
            "status": process.returncode,
            "seconds": round(now - began, 1),
            "ended_there_s": round(time.monotonic() - cut, 1) if cut_while_working else None,
            "sent_bytes": self._proxy.sent,
            "said": err.strip(),
        }
        self.rows.append(row)
        return json.loads(out) if process.returncode in (0, 3) and out else None


def measure(artifact: Path, device: Device) -> dict[str, Any]:
    proxy = proxy_to(device)
    steps = Steps(device, proxy)
    with tempfile.TemporaryDirectory() as folder:
        house = Path(folder) / "wheels"
        words = ("devices", "wheelhouse", *device.options(), "--out", house, "--json")
        made = subprocess.run([BIN / "edgevision", *map(str, words)], capture_output=True, text=True, check=True)
        size = json.loads(made.stdout)["bytes"]
        wheels: Sequence[object] = ("--wheelhouse", house)
        steps.run("verify, cut while it sends", "verify", artifact, *wheels, limit=size // 2)
        verified = steps.run("verify, again", "verify", artifact, *wheels)
        steps.run("verify, a third time", "verify", artifact, *wheels)
        steps.run(
            "benchmark, cut while it measures", "benchmark", artifact, "--min-duration", 120, *wheels,
            cut_while_working=True,
        )  # fmt: skip
        measured = steps.run("benchmark, again", "benchmark", artifact, *wheels)
        steps.run("verify, and clean", "verify", artifact, *wheels, "--clean")
    proxy.close()
    return {
        "wheelhouse_bytes": size,
        "steps": steps.rows,
        "verdict": verified["verdict"] if verified else None,
        "p50_ms": round(measured["entries"][0]["latency"]["p50_ms"], 3) if measured else None,
        "samples": len(measured["entries"][0]["latency"]["samples_ms"]) if measured else 0,
        "left_on_device": device.private.exists(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    options = parser.parse_args()
    if SERVER is None:
        parser.error("no OpenSSH server here: apt-get install openssh-server")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder:
        device = start_device(Path(folder))
        try:
            print(json.dumps(measure(options.artifact, device), indent=2))
        finally:
            device.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
