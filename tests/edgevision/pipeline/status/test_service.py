"""What systemd is told, through a real socket."""

import os
import socket
import time

import pytest

from edgevision.pipeline.status.service import Service


@pytest.fixture
def systemd(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(0.5)
        yield listener, {"NOTIFY_SOCKET": str(tmp_path / "notify")}


def heard(listener, seconds=0.0):
    found, end = [], time.monotonic() + seconds
    while True:
        try:
            found.append(listener.recv(4096).decode())
        except TimeoutError:
            return found
        if seconds and time.monotonic() > end:
            return found


def test_ready_status_and_stopping(systemd):
    listener, environment = systemd
    service = Service(lambda: True, environment)
    service.ready()
    service.status("3 cameras\nconnected")
    service.stopping()
    assert heard(listener) == ["READY=1", "STATUS=3 cameras connected", "STOPPING=1"]
    assert service.interval_s is None


def test_the_watchdog_is_fed_only_while_everything_goes_on(systemd):
    listener, environment = systemd
    alive = [True]
    service = Service(lambda: alive[0], {**environment, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": str(os.getpid())})
    assert service.interval_s == 0.05
    service.ready()
    assert heard(listener, 0.4).count("WATCHDOG=1") >= 4
    alive[0] = False
    time.sleep(0.1)
    heard(listener, 0.01)
    assert "WATCHDOG=1" not in heard(listener)
    service.stopping()


def test_a_watchdog_of_another_process_is_not_ours(systemd):
    _, environment = systemd
    assert Service(lambda: True, {**environment, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}).interval_s is None


def test_without_systemd_nothing_happens(tmp_path):
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}, {"NOTIFY_SOCKET": "@edgevision-nobody"}):
        service = Service(lambda: True, environment)
        service.ready()
        service.stopping()
