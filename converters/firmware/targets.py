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


_MPS2 = {"code": (0x00000000, 4 << 20), "data": (0x20000000, 4 << 20), "clock_hz": 25_000_000}

TARGETS = {
    "cortex-m3": Target(("-mcpu=cortex-m3", "-mthumb"), "mps2-an385", **_MPS2),
    "cortex-m4": Target(("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft"), "mps2-an386", **_MPS2),
    "cortex-m7": Target(("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=soft"), "mps2-an500", **_MPS2),
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
