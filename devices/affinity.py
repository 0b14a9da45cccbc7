"""Which cores this process may run on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from edgevision.errors import BackendUnavailableError, ConfigError


@contextmanager
def pinned(cores: Sequence[int] | None) -> Iterator[None]:
    """Keep every thread of this process, and what it starts, on these cores until the block ends.

    Args:
        cores: Their numbers, as Linux counts them; None changes nothing.

    Raises:
        ConfigError: None at all, or one that this process may not use.
        BackendUnavailableError: The system cannot do that.
    """
    if cores is None:
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise BackendUnavailableError("this system does not pin processes to cores", next_step="leave the cores open")
    allowed = os.sched_getaffinity(0)
    if not cores or not set(cores) <= allowed:
        got = ", ".join(map(str, cores)) or "none"
        raise ConfigError("cores to pin to", got=got, allowed=[str(core) for core in sorted(allowed)])
    before = {thread: os.sched_getaffinity(thread) for thread in _threads()}
    for thread in before:
        _allow(thread, set(cores))
    try:
        yield
    finally:
        for thread in _threads():  # those that were started meanwhile go where the process may
            _allow(thread, before.get(thread, allowed))


def _threads() -> list[int]:
    with suppress(OSError):
        return [int(entry.name) for entry in Path("/proc/self/task").iterdir()]
    return [0]


def _allow(thread: int, cores: set[int]) -> None:
    with suppress(ProcessLookupError):  # it has ended meanwhile
        os.sched_setaffinity(thread, cores)
