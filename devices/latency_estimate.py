"""How long a microcontroller may take for generated firmware: a range from instructions counted in an emulator."""

from __future__ import annotations

from dataclasses import dataclass

from edgevision.devices.profile import DeviceProfile


@dataclass(frozen=True)
class CoreCost:
    """What a multiply-accumulate operation costs on a processor.

    Attributes:
        instructions: The least and the most for one MAC, over MLPerf Tiny's int8 models as `edgevision firmware`
            generates them: counted by QEMU with one instruction a tick (docs/results.md), gcc 12.2 at -O2.
        cycles: Cycles of an instruction, from code and data without wait states to caches that miss now and then. This
            is our reading of the processor's manual, not a measurement.
        source: What the cycles are read from.
    """

    instructions: tuple[float, float]
    cycles: tuple[float, float]
    source: str


CORES = {
    "cortex-m3": CoreCost((3.2, 5.4), (1.0, 1.8), "Cortex-M3 TRM: 1 cycle, loads 2, long products 3 to 5"),
    "cortex-m4": CoreCost((2.1, 3.2), (1.0, 1.6), "Cortex-M4 TRM: 1 cycle, loads 2 unless pipelined"),
    "cortex-m7": CoreCost((2.1, 3.2), (0.6, 1.3), "Cortex-M7 TRM: two instructions a cycle where they do not wait"),
    "cortex-m33": CoreCost((2.1, 3.2), (1.0, 1.6), "Cortex-M33 TRM: 1 cycle, loads 2 unless pipelined"),
    "cortex-m55": CoreCost((0.28, 1.4), (1.0, 2.0), "Cortex-M55 TRM: vector instructions take 2 cycles, others 1"),
}  # fmt: skip
"""Processor -> its costs."""


def estimated_ms(profile: DeviceProfile, macs: int) -> tuple[float, float] | None:
    """Return the least and the most milliseconds of one inference; None where processor or clock are not known.

    An estimate: no board was measured. Models that are mostly something else than convolutions and fully connected
    layers take longer.
    """
    core, clock = CORES.get(profile.get("architecture", "")), profile.get("clock_hz")
    if core is None or clock is None:
        return None
    low, high = (
        1e3 * macs * instructions * cycles / clock
        for instructions, cycles in zip(core.instructions, core.cycles, strict=True)
    )
    return low, high
