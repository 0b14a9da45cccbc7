"""A connection that is cut: a clear error, nothing that runs on, and the next run goes on where this one ended."""

import asyncio
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from edgevision.devices import board, onboard, ssh

pytestmark = pytest.mark.slow

LONG = ("--warmup", 0, "--min-duration", 120)
QUICK = ("--warmup", 0, "--min-duration", 0.1, "--min-count", 20)
ENDS_S = 20
"""What runs on a device ends within so many seconds of the cut; this machine may be busy with other things."""


@pytest.fixture
def ready(device, run, sealed, wheelhouse) -> list[object]:
    """The words for a device that edgevision is installed on."""
    result = run("verify", sealed, *device.options(), "--wheelhouse", wheelhouse.folder)
    assert result.exit_code == 0, result.stderr
    return ["--wheelhouse", wheelhouse.folder]


def stopped(process: subprocess.Popen, seconds: float) -> tuple[int, str]:
    """How a process ended, and what it said."""
    out, err = process.communicate(timeout=seconds)
    assert out == b""
    return process.returncode, err.decode()


def test_what_arrived_is_not_sent_again(run, fresh, sealed, wheelhouse, proxy_to):
    options = ("--wheelhouse", wheelhouse.folder)
    proxy = proxy_to(fresh)
    proxy.limit = wheelhouse.bytes // 2
    began = time.monotonic()
    result = run("verify", sealed, *fresh.options(proxy.port), *options)
    assert result.exit_code == 1 and time.monotonic() - began < 60
    assert f"the connection to 127.0.0.1 port {proxy.port} was cut" in result.stderr
    assert "run the same command again to go on" in result.stderr
    arrived = sum(path.stat().st_size for path in (fresh.private / "blobs").iterdir())
    assert arrived > wheelhouse.bytes // 4

    proxy.limit, proxy.sent = None, 0
    result = run("verify", sealed, *fresh.options(proxy.port), *options)
    assert result.exit_code == 0, result.stderr
    again = 8 * 2**20  # the ends of the files that were on their way, and what the kernels had buffered
    assert proxy.sent < wheelhouse.bytes - arrived + again
    assert not list((fresh.private / "blobs").glob("*.part"))


def test_a_cut_while_it_measures_leaves_nothing_running(run, start, device, ready, sealed, proxy_to, until):
    proxy = proxy_to(device)
    command = start("benchmark", sealed, *LONG, *device.options(proxy.port), *ready)
    until(device.working, 60, "the start of the benchmark there")
    proxy.cut()
    status, said = stopped(command, 30)
    assert status == 1 and "was cut" in said and len(said.splitlines()) == 1
    until(lambda: not device.processes(), ENDS_S, "the end of what ran there")
    assert run("benchmark", sealed, *QUICK, *device.options(proxy.port), *ready).exit_code == 0


def test_the_server_that_dies_takes_what_it_started_along(start, device, ready, sealed, until):
    command = start("benchmark", sealed, *LONG, *device.options(), *ready)
    until(device.working, 60, "the start of the benchmark there")
    for entry in Path("/proc").glob("[0-9]*"):
        if is_session_of(device, int(entry.name)):
            os.kill(int(entry.name), signal.SIGKILL)
    status, said = stopped(command, 30)
    assert status == 1 and "was cut" in said
    until(lambda: not device.processes(), ENDS_S, "the end of what ran there")


def is_session_of(device, process: int) -> bool:
    """Whether a process is the server's for one connection: its parent is the one that listens."""
    try:
        parent = re.search(r"PPid:\t(\d+)", Path(f"/proc/{process}/status").read_text())
        return parent is not None and str(device.folder / "sshd_config") in (
            Path(f"/proc/{parent[1]}/cmdline").read_text().replace("\0", " ")
        )
    except OSError:
        return False


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_command_that_is_stopped_here_is_stopped_there(start, device, ready, sealed, until, number, status):
    command = start("benchmark", sealed, *LONG, *device.options(), *ready)
    until(device.working, 60, "the start of the benchmark there")
    command.send_signal(number)
    ended, said = stopped(command, 20)
    assert ended == status and "Traceback" not in said
    until(lambda: not device.processes(), ENDS_S, "the end of what ran there")


def test_silence_is_a_cut_on_both_sides(run, device, ready, sealed, proxy_to, until, monkeypatch):
    """No goodbye comes from a cable that is pulled: each side has to notice by itself."""
    monkeypatch.setattr(ssh, "KEEPALIVE_S", 1)
    monkeypatch.setattr(ssh, "KEEPALIVES", 2)
    text = board.program()
    assert f"SILENCE_S = {onboard.SILENCE_S}" in text
    monkeypatch.setattr(board, "program", lambda: text.replace(f"SILENCE_S = {onboard.SILENCE_S}", "SILENCE_S = 8.0"))
    proxy, asked = proxy_to(device), board.OpenBoard.ask

    async def ask(self, request, **arguments):
        if request == "run":
            asyncio.get_running_loop().call_later(3, proxy.silent.set)
        return await asked(self, request, **arguments)

    monkeypatch.setattr(board.OpenBoard, "ask", ask)
    began = time.monotonic()
    result = run("benchmark", sealed, *LONG, *device.options(proxy.port), *ready)
    assert result.exit_code == 1 and "was cut" in result.stderr, result.stderr
    assert time.monotonic() - began < 60
    until(lambda: not device.processes(), ENDS_S, "the end of what ran there")
