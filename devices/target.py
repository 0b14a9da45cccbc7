"""The kind of machine that wheels are chosen for: its architecture, C library and Python."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgevision.documents import check_fields
from edgevision.errors import ConfigError, check_choice

MACHINES = ("x86_64", "aarch64", "armv7l")
OLDEST_PYTHON = (3, 10)
_VERSION = re.compile(r"[0-9]{1,2}\.[0-9]{1,3}")
# The C library that wheels with the older names of manylinux ask for (PEP 513, 571, 599); not on every machine.
_OLD_NAMES = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}


@dataclass(frozen=True)
class Target:
    """A kind of Linux machine.

    Attributes:
        machine: Its architecture, as ``uname -m`` says it.
        python: Version of its Python, without the last number ("3.11").
        glibc: Version of its GNU C library ("2.36"): wheels built for a newer one do not load.
    """

    machine: str
    python: str
    glibc: str

    def __post_init__(self) -> None:
        check_choice("architecture of the device", self.machine, MACHINES)
        for what, value in (("Python", self.python), ("glibc", self.glibc)):
            if not isinstance(value, str) or not _VERSION.fullmatch(value):
                raise ConfigError(f"{what} of the device", got=repr(value), allowed="a version such as 3.11")
        if _numbers(self.python) < OLDEST_PYTHON:
            raise ConfigError("Python of the device", got=self.python, allowed="3.10 or newer")

    def __str__(self) -> str:
        return f"{self.machine}-python{self.python}-glibc{self.glibc}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Target:
        """Read the JSON form; raises ConfigError."""
        return cls(**check_fields("target", data, required=("machine", "python", "glibc")))

    def fits(self, device: Target) -> bool:
        """Whether wheels for this target run on ``device``: the same but for a C library that may be newer there."""
        same = (self.machine, self.python) == (device.machine, device.python)
        return same and _numbers(self.glibc) <= _numbers(device.glibc)

    def platforms(self) -> list[str]:
        """Return the platform tags of wheels that run there, the newest first (PEP 600 and before).

        >>> Target("aarch64", "3.11", "2.18").platforms()
        ['manylinux_2_18_aarch64', 'manylinux_2_17_aarch64', 'manylinux2014_aarch64', 'linux_aarch64']
        """
        oldest = 5 if self.machine == "x86_64" else 17
        names = []
        for minor in range(_numbers(self.glibc)[1], oldest - 1, -1):
            names.append(f"manylinux_2_{minor}_{self.machine}")
            if (2, minor) in _OLD_NAMES:
                names.append(f"{_OLD_NAMES[2, minor]}_{self.machine}")
        return [*names, f"linux_{self.machine}"]

    def markers(self) -> dict[str, str]:
        """Return the environment that requirements' markers are evaluated in (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }


def _numbers(version: str) -> tuple[int, int]:
    major, minor = version.split(".")
    return int(major), int(minor)
