"""Pinning holds for every thread and for children, and ends with its block."""

import os
import subprocess
import sys
import threading

import pytest

from edgevision.devices.affinity import pinned
from edgevision.errors import ConfigError


def test_threads_and_children_stay_on_the_cores_and_are_let_go():
    allowed = os.sched_getaffinity(0)
    core, done, identifiers = max(allowed), threading.Event(), []
    older = threading.Thread(target=done.wait)
    older.start()
    try:
        with pinned([core]):
            younger = threading.Thread(target=lambda: identifiers.append(os.sched_getaffinity(0)))
            younger.start()
            younger.join()
            assert os.sched_getaffinity(0) == os.sched_getaffinity(older.native_id) == identifiers[0] == {core}
            told = subprocess.check_output([sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"])
            assert told.decode().strip() == str({core})
        assert os.sched_getaffinity(0) == os.sched_getaffinity(older.native_id) == allowed
    finally:
        done.set()
        older.join()


@pytest.mark.parametrize("cores", [[], [99_999]])
def test_cores_that_cannot_be(cores):
    with pytest.raises(ConfigError, match="cores to pin to: got"), pinned(cores):
        raise AssertionError("the block runs")


def test_nothing_is_pinned_unless_asked():
    before = os.sched_getaffinity(0)
    with pinned(None):
        assert os.sched_getaffinity(0) == before
