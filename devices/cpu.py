"""Facts about the processor, as Linux tells them in /proc and /sys."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FEATURES = (
    "sse4_1", "sse4_2", "avx", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni",
    "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16",
    "neon", "vfpv4", "asimd", "asimdhp", "asimddp", "atomics", "bf16", "i8mm", "sve", "sve2",
)  # fmt: skip
"""Instruction sets that decide how fast a model runs, or whether a package runs at all, as /proc/cpuinfo names them."""

VNNI = ("avx_vnni", "avx512_vnni", "amx_int8")
"""Those of x86 that sum products of int8 in 32 bits; without them pairs of products are added in 16, and saturate."""

_ARM_PARTS = {
    "0xc07": "Cortex-A7", "0xc08": "Cortex-A8", "0xc09": "Cortex-A9", "0xc0f": "Cortex-A15", "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35", "0xd05": "Cortex-A55", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72", "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76", "0xd0c": "Neoverse-N1", "0xd40": "Neoverse-V1",
    "0xd41": "Cortex-A78", "0xd42": "Cortex-A78AE", "0xd49": "Neoverse-N2",
}  # fmt: skip

# cgroup v1 writes "no limit" as the largest multiple of a page in 63 bits.
_NO_LIMIT_BYTES = 1 << 60


@dataclass(frozen=True)
class CpuFacts:
    """What is known about a processor; None where the system does not tell.

    Attributes:
        name: The processor ("Intel(R) Xeon(R) …", "Cortex-A72").
        board: The board that it sits on, from the device tree; None on a PC.
        architecture: As ``uname -m`` says it ("x86_64", "aarch64").
        logical_cores: Cores that the system schedules on.
        physical_cores: Cores without their second threads.
        usable_cores: Cores that this process may use: its affinity and the container's quota, at least 1.
        features: Those of `FEATURES` that it has, in that order.
        memory_bytes: The machine's memory.
        cpu_limit_cores: The container's quota in cores ("1.5"); None without one.
        memory_limit_bytes: The container's limit; None without one.
        governor: How the first core's frequency is chosen ("performance", "ondemand"); None without frequency scaling.
    """

    name: str
    board: str | None
    architecture: str
    logical_cores: int
    physical_cores: int
    usable_cores: int
    features: tuple[str, ...]
    memory_bytes: int | None
    cpu_limit_cores: float | None
    memory_limit_bytes: int | None
    governor: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "features": list(self.features)}


def cpu_facts(root: str | Path = "/") -> CpuFacts:
    """Read the facts.

    Args:
        root: The file system to read; another one than "/" is a description of another machine, and nothing is then
            asked of this one. Files that are missing or make no sense leave None.
    """
    root = Path(root)
    here = root == Path("/")
    cores = list(_cores(read_text(root / "proc/cpuinfo")))
    first = cores[0] if cores else {}
    flags = set((first.get("flags") or first.get("Features") or "").split())
    logical = len(cores) or (os.cpu_count() or 1 if here else 1)
    quota = _cpu_limit(root)
    allowed = len(os.sched_getaffinity(0)) if here and hasattr(os, "sched_getaffinity") else logical
    return CpuFacts(
        name=_name(first),
        board=read_text(root / "proc/device-tree/model").strip("\0\n ") or None,
        architecture=platform.machine() if here else _architecture(first, flags),
        logical_cores=logical,
        physical_cores=_physical(cores) or logical,
        usable_cores=max(1, min(allowed, int(quota)) if quota is not None else allowed),
        features=tuple(name for name in FEATURES if name in flags),
        memory_bytes=_memory(root),
        cpu_limit_cores=quota,
        memory_limit_bytes=_memory_limit(root),
        governor=read_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None,
    )


def read_text(path: Path) -> str:
    """Return what a file says; nothing when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _cores(cpuinfo: str) -> Iterator[dict[str, str]]:
    for block in cpuinfo.split("\n\n"):
        rows = (line.partition(":") for line in block.splitlines())
        core = {key.strip(): value.strip() for key, _, value in rows}
        if "processor" in core:
            yield core


def _name(core: dict[str, str]) -> str:
    part = core.get("CPU part", "").lower()
    return (
        core.get("model name")
        or _ARM_PARTS.get(part)
        or core.get("Hardware")
        or (f"part {part}" if part else "unknown")
    )


def _architecture(core: dict[str, str], flags: set[str]) -> str:
    if "flags" in core:
        return "x86_64" if "lm" in flags else "i686"
    if "Features" in core:
        return "aarch64" if "asimd" in flags else "armv7l"
    return "unknown"


def _physical(cores: list[dict[str, str]]) -> int:
    return len({(core.get("physical id"), core["core id"]) for core in cores if "core id" in core})


def _memory(root: Path) -> int | None:
    for line in read_text(root / "proc/meminfo").splitlines():
        key, _, value = line.partition(":")
        if key == "MemTotal" and value.split()[:1] and value.split()[0].isdigit():
            return int(value.split()[0]) * 1024
    return None


def cgroup_folders(root: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """The cgroup of this process and those above it, as (version, folder): each may have a limit."""
    for line in read_text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            version, base = 2, root / "sys/fs/cgroup"
        elif controller in controllers.split(","):
            version, base = 1, root / "sys/fs/cgroup" / controller
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        for depth in range(len(parts), -1, -1):
            yield version, base.joinpath(*parts[:depth])


def _cpu_limit(root: Path) -> float | None:
    limits = []
    for version, folder in cgroup_folders(root, "cpu"):
        if version == 2:
            words = read_text(folder / "cpu.max").split()
        else:
            words = [read_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):
            limits.append(int(words[0]) / int(words[1]))
    return min(limits, default=None)


def _memory_limit(root: Path) -> int | None:
    limits = []
    for version, folder in cgroup_folders(root, "memory"):
        word = read_text(folder / ("memory.max" if version == 2 else "memory.limit_in_bytes")).strip()
        if word.isdigit() and int(word) < _NO_LIMIT_BYTES:
            limits.append(int(word))
    return min(limits, default=None)
