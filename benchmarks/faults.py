"""Faults, one after the other, that happen to `edgevision watch`: is it back in time, is every event there, once?

    python benchmarks/faults.py [FAULT ...] [--json]

Each fault has a run of its own with two RTSP cameras of GStreamer (with password), mosquitto (with password), a
webhook's receiver, recordings and the status page (with token): all real processes. The cause lasts some seconds. Then
it is measured how long it takes until everything works again, how many results a second the other camera has
meanwhile, which events the subscriber has of those in the file of events, and whether a password is to be seen in
logs, errors, metrics, pages, arguments and environments of processes, the spool, events, recordings. Exit status 3
where a bound does not hold.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSEGV, SIGSTOP
from typing import Any

from fault_parts import missing, wait_for
from fault_rig import Rig, fill, rate, small_disk
from fault_stream import COMPILER, Garbler, clock_of, set_clock

BOUND_S = 10.0
DISK_BYTES = "3m"


@dataclass(frozen=True)
class Fault:
    """Something that happens.

    Attributes:
        name: What it is called.
        begin: Lets it happen.
        end: Ends the cause.
        works: Says whether everything works again.
        says: What the log says when it begins, a regular expression.
        again: What it says when it is over.
        lasts_s: Seconds for which the cause lasts.
        place: What it needs: "", "disk", "clock", "proxy" or "digest".
        pauses: Whether the other camera may wait meanwhile: they share the model.
    """

    name: str
    begin: Callable[[Rig], Any]
    end: Callable[[Rig], Any]
    works: Callable[[Rig], bool]
    says: str
    again: str
    lasts_s: float = 4.0
    place: str = ""
    pauses: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a fault.

    Attributes:
        fault: Its name.
        recovery_s: Seconds from the end of the cause until everything worked again.
        steady_before: Results a second of the other camera before it.
        steady_meanwhile: The same while the cause lasted.
        expected: Messages in the file of events.
        received: Those that the subscriber has.
        posted: Those that the webhook's receiver has.
        waiting: Those that wait in the spool for one of the two, after the end of the command.
        lost: Those that one of the two does not have, and that do not wait for it.
        doubled: Messages that are there twice under other ids, or that do not follow each other.
        repeated: Messages that came again under the same id, and are dropped by it.
        secrets: Where a password is to be seen.
        began_line: What the log said first.
        ended_line: What it said when it was over.
        exit_code: Of the command, at the end.
    """

    fault: str
    recovery_s: float
    steady_before: float
    steady_meanwhile: float
    expected: int
    received: int
    posted: int
    waiting: int
    lost: int
    doubled: int
    repeated: int
    secrets: tuple[str, ...]
    began_line: str
    ended_line: str
    exit_code: int

    def misses(self, fault: Fault) -> list[str]:
        """What does not hold."""
        found = [] if self.recovery_s <= BOUND_S else [f"works again after {self.recovery_s:.1f} s"]
        found += [f"{self.lost} events lost"] * bool(self.lost) + [f"{self.doubled} doubled"] * bool(self.doubled)
        found += list(self.secrets) + [f"exit status {self.exit_code}"] * bool(self.exit_code)
        if not fault.pauses and self.steady_meanwhile < 0.8 * self.steady_before:
            found.append(f"the other camera: {self.steady_meanwhile} results a second, {self.steady_before} before")
        return found + ["no line in the log"] * (not self.began_line or not self.ended_line)


def run(fault: Fault, folder: Path) -> Outcome:
    """Let a fault happen to a rig of its own."""
    with ExitStack() as stack:
        disk, proxy, environment = None, None, None
        if fault.place == "disk":
            disk = folder / "disk"
            if why := small_disk(disk, DISK_BYTES):
                raise SystemExit(f"{fault.name}: {why}")
            stack.callback(subprocess.run, ["umount", "-l", str(disk)], check=True)
        if fault.place == "clock":
            environment = clock_of(folder)
        rig = Rig(folder, disk=disk, method=fault.place * (fault.place == "digest"), environment=environment)
        if fault.place == "proxy":
            proxy = stack.enter_context(Garbler(rig.faulty.port))
            rig.camera_port, rig.proxy = proxy.port, proxy
        with rig:
            return _happen(fault, rig)


def _happen(fault: Fault, rig: Rig) -> Outcome:
    before = rate(rig, "steady", 3.0)
    start = len(rig.log())
    fault.begin(rig)
    meanwhile = rate(rig, "steady", fault.lasts_s)
    seen = rig.secrets()
    fault.end(rig)
    rig.results_then = None
    works_s = wait_for(lambda: fault.works(rig), 30, f"{fault.name}: works again\n{rig.log()[-3000:]}")
    wait_for(lambda: re.search(fault.again, rig.log()[start:]), 10, f"{fault.again} in\n{rig.log()[start:]}")
    time.sleep(1.5)
    seen += rig.secrets()
    code = rig.stop_watch()
    if code:
        print(rig.log()[-4000:], file=sys.stderr)
    judged = rig.judged()
    end = time.monotonic() + 10
    while judged["lost"] and time.monotonic() < end:
        time.sleep(0.2)
        judged = rig.judged()
    seen += rig.secrets()
    judged.pop("unknown")
    return Outcome(
        fault.name, round(works_s, 2), round(before, 1), round(meanwhile, 1), **judged,
        secrets=tuple(sorted(set(seen))), began_line=_line(fault.says, rig.log()[start:]),
        ended_line=_line(fault.again, rig.log()[start:]), exit_code=code,
    )  # fmt: skip


def _line(what: str, log: str) -> str:
    """The first line of a log that has something in it, without its time."""
    found = next((line for line in log.splitlines() if re.search(what, line)), "")
    return re.sub(r"^[-\d]+ [\d:,]+ ", "", found)


def _sees(rig: Rig) -> bool:
    """Whether the camera has had five results since this was asked first after the cause ended."""
    state = rig.state().get("cameras", {}).get("faulty")
    if state is None or not state["connected"]:
        return False
    if rig.results_then is None:
        rig.results_then = state["results"]
    return bool(state["results"] >= rig.results_then + 5)


def _delivers(rig: Rig) -> bool:
    """Whether every sink works and has what waited."""
    state = rig.state()
    working = all(sink["error"] is None for sink in state.get("sinks", {"": {"error": ""}}).values())
    return working and max(state["spool"]["waiting"].values()) <= 2


def _disk_works(rig: Rig) -> bool:
    spool = rig.state()["spool"]
    return spool["disk_error"] is None and not spool["in_memory"]


def _model_works(rig: Rig) -> bool:
    return not rig.state()["worker"]["reason"] and _sees(rig)


def _kill(number: int) -> Callable[[Rig], Any]:
    import os

    return lambda rig: os.kill(rig.worker(), number)


def _nothing(rig: Rig) -> None:
    """The cause is over by itself."""


def _restart(rig: Rig, **how: Any) -> None:
    rig.faulty.kill()
    rig.faulty.start(**how)


LOST = r"WARNING faulty: (lost|refused|stalled): "
AGAIN = r"WARNING faulty: works again"
FAULTS = {
    fault.name: fault
    for fault in (
        Fault("camera killed", lambda rig: rig.faulty.kill(), lambda rig: rig.faulty.start(), _sees, LOST, AGAIN),
        Fault(
            "camera frozen", lambda rig: rig.faulty.send(SIGSTOP), lambda rig: rig.faulty.send(SIGCONT), _sees,
            LOST, AGAIN, lasts_s=6.0,
        ),
        Fault(
            "camera with another resolution", lambda rig: rig.faulty.kill(),
            lambda rig: rig.faulty.start(640, 480), _sees, LOST, r"faulty: resized: 320x240 before, 640x480 now",
            lasts_s=2.0,
        ),
        Fault(
            "wrong password", lambda rig: _restart(rig, password="another"), _restart, _sees,
            r"faulty: refused: .*(401|nauthorized)", AGAIN,
        ),
        Fault(
            "wrong password, digest", lambda rig: _restart(rig, password="another"), _restart, _sees,
            r"faulty: refused: .*(401|nauthorized)", AGAIN, place="digest",
        ),
        Fault(
            "damaged packets", lambda rig: rig.proxy.garble(True), lambda rig: rig.proxy.garble(False), _sees,
            r"WARNING faulty: damaged: ", r"faulty: (works again|whole again)", place="proxy",
        ),
        Fault(
            "broker killed", lambda rig: rig.broker.kill(), lambda rig: rig.broker.start(), _delivers,
            r"WARNING sink mqtt: fails", r"sink mqtt: works again", lasts_s=6.0,
        ),
        Fault(
            "broker frozen", lambda rig: rig.broker.send(SIGSTOP), lambda rig: rig.broker.send(SIGCONT), _delivers,
            r"WARNING sink mqtt: fails", r"sink mqtt: works again", lasts_s=8.0,
        ),
        Fault(
            "webhook's receiver killed", lambda rig: rig.receiver.kill(), lambda rig: rig.receiver.start(), _delivers,
            r"WARNING sink webhook: fails", r"sink webhook: works again", lasts_s=6.0,
        ),
        Fault(
            "disk full", lambda rig: fill(rig.disk), lambda rig: (rig.disk / "filler").unlink(), _disk_works,
            r"ERROR spool .* could not be written: ", r"spool .*: works again", lasts_s=8.0, place="disk",
        ),
        Fault(
            "clock jumps by 3 hours", lambda rig: set_clock(rig.folder, 10800),
            lambda rig: set_clock(rig.folder, 0), _sees, r"WARNING clock: .*\+10800",
            r"WARNING clock: .*-10800", place="clock",
        ),
        *(
            Fault(
                f"model's process {how}", _kill(number), _nothing, _model_works, r"WARNING worker: .*anew",
                r"WARNING worker: works again", lasts_s=0.1, pauses=True,
            )
            for how, number in (("killed", SIGKILL), ("crashed", SIGSEGV), ("frozen", SIGSTOP))
        ),
    )
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", help=f"which: {', '.join(FAULTS)} (default: all)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.faults) - set(FAULTS):
        parser.error(f"no fault {', '.join(sorted(unknown))}; allowed: {', '.join(FAULTS)}")
    if why := missing():
        parser.error(f"not installed: {why}")
    documents, held = [], True
    for name in options.faults or FAULTS:
        if FAULTS[name].place == "clock" and COMPILER is None:
            print(f"{name}: LEFT OUT, there is no C compiler: apt install gcc", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            outcome = run(FAULTS[name], Path(folder))
        misses = outcome.misses(FAULTS[name])
        documents.append({**asdict(outcome), "misses": misses})
        held &= not misses
        if not options.json:
            print(json.dumps(documents[-1], indent=2, ensure_ascii=False), flush=True)
    if options.json:
        print(json.dumps(documents))
    return 0 if held else 3


if __name__ == "__main__":
    sys.exit(main())
