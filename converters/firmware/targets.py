"""Processors that firmware is generated for, and the boards that QEMU emulates them on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One processor.

    Attributes:
        flags: What the compiler is told.
        machine: QEMU's board with this processor.
        code: Where code and constants lie on it, and how many bytes there are.
        data: Where variables lie, likewise.
        clock_hz: What SysTick counts there.
    """

    flags: tuple[str, ...]
    machine: str
    code: tuple[int, int]
    data: tuple[int, int]
    clock_hz: int


def _mps2(machine: str, *flags: str) -> Target:
    return Target(("-mthumb", *flags), machine, (0x00000000, 4 << 20), (0x20000000, 4 << 20), 25_000_000)


TARGETS = {
    "cortex-m3": _mps2("mps2-an385", "-mcpu=cortex-m3"),
    "cortex-m4": _mps2("mps2-an386", "-mcpu=cortex-m4", "-mfloat-abi=soft"),
    "cortex-m7": _mps2("mps2-an500", "-mcpu=cortex-m7", "-mfloat-abi=soft"),
    "cortex-m33": Target(
        ("-mcpu=cortex-m33", "-mthumb", "-mfloat-abi=soft"),
        "mps2-an505",
        code=(0x10000000, 4 << 20),
        data=(0x38000000, 2 << 20),
        clock_hz=20_000_000,
    ),
    "cortex-m55": Target(
        ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"),
        "mps3-an547",
        code=(0x00000000, 512 << 10),
        data=(0x31000000, 2 << 20),
        clock_hz=32_000_000,
    ),
}
"""Name -> processor; addresses and clocks are those of Arm's FPGA images as QEMU models them."""
