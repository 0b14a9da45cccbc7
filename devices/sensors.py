"""What a machine says of its state: clock rates, temperatures, load, and time that others took, from /proc and /sys.

What is not exposed is None or empty, never guessed. In a container the numbers are those of the whole machine, but for
the time that the container's quota took.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgevision.devices.cpu import cgroup_folders, read_text

TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class MachineState:
    """One look at the machine. Times grow from look to look; None where the system does not tell.

    Attributes:
        load_average: Processes that ran or waited to, averaged over the last minute.
        cpu_s: Time of all cores since the start, working or not.
        busy_s: The part of it in which they worked for this system.
        steal_s: The part of it that a hypervisor gave to others.
        own_s: CPU time of this process and of its children that ended.
        waited_s: For how long this thread was ready to run and no core was free.
        throttled_s: For how long the container's quota stopped its cores; None where no cgroup says so.
        frequency_mhz: Clock rate of the fastest core now.
        temperatures_c: Name of each thermal zone ("x86_pkg_temp", "CPU-therm") -> its temperature.
    """

    load_average: float | None
    cpu_s: float | None
    busy_s: float | None
    steal_s: float | None
    own_s: float
    waited_s: float | None
    throttled_s: float | None
    frequency_mhz: float | None
    temperatures_c: Mapping[str, float]


def machine_state(root: str | Path = "/") -> MachineState:
    """Look at the machine whose file system ``root`` is; only "/" has processes of ours."""
    root = Path(root)
    words = read_text(root / "proc/loadavg").split()
    cpu_s, busy_s, steal_s = _cpu_times(root)
    used = os.times()
    return MachineState(
        load_average=_number(words[0]) if words else None,
        cpu_s=cpu_s,
        busy_s=busy_s,
        steal_s=steal_s,
        own_s=used.user + used.system + used.children_user + used.children_system,
        waited_s=_waited(root),
        throttled_s=_throttled(root),
        frequency_mhz=max(current_frequencies_mhz(root), default=None),
        temperatures_c=dict(temperatures_c(root)),
    )


def current_frequencies_mhz(root: Path) -> list[float]:
    """Clock rates of the cores now; empty where neither cpufreq nor /proc/cpuinfo tells them."""
    return _cpufreq_mhz(root, "scaling_cur_freq") or [
        value
        for line in read_text(root / "proc/cpuinfo").splitlines()
        if line.startswith("cpu MHz") and (value := _number(line.partition(":")[2])) is not None
    ]


def maximum_frequency_mhz(root: Path) -> float | None:
    """The highest rate that any core is made for; None where cpufreq does not tell."""
    return max(_cpufreq_mhz(root, "cpuinfo_max_freq"), default=None)


def temperatures_c(root: Path) -> Iterator[tuple[str, float]]:
    """Every thermal zone that can be read, as (name, degrees Celsius); the second of one name is called "name 2"."""
    seen: dict[str, int] = {}
    for zone in sorted(root.glob("sys/class/thermal/thermal_zone*"), key=_place):
        value = _number(read_text(zone / "temp"))
        if value is not None:
            name = read_text(zone / "type").strip() or zone.name
            seen[name] = seen.get(name, 0) + 1
            yield name if seen[name] == 1 else f"{name} {seen[name]}", value / 1000


def _cpufreq_mhz(root: Path, name: str) -> list[float]:
    files = root.glob(f"sys/devices/system/cpu/cpu[0-9]*/cpufreq/{name}")
    return [value / 1000 for file in files if (value := _number(read_text(file))) is not None]


def _cpu_times(root: Path) -> tuple[float | None, float | None, float | None]:
    """Time of all cores: in all, at work, and stolen, in seconds."""
    words = read_text(root / "proc/stat").partition("\n")[0].split()
    if len(words) < 9 or words[0] != "cpu" or not all(word.isdigit() for word in words[1:]):
        return None, None, None
    # user nice system idle iowait irq softirq steal; what guests took is in user already (proc(5)).
    user, nice, system, idle, iowait, irq, softirq, steal = (int(word) / TICKS_PER_S for word in words[1:9])
    busy = user + nice + system + irq + softirq
    return busy + idle + iowait + steal, busy, steal


def _waited(root: Path) -> float | None:
    """Second word of schedstat: nanoseconds on a run queue (Documentation/scheduler/sched-stats.rst)."""
    thread = f"proc/self/task/{threading.get_native_id()}" if root == Path("/") else "proc/self"
    words = read_text(root / thread / "schedstat").split()
    return int(words[1]) / 1e9 if len(words) == 3 and words[1].isdigit() else None


def _throttled(root: Path) -> float | None:
    for version, folder in cgroup_folders(root, "cpu"):
        rows = dict(line.split(" ", 1) for line in read_text(folder / "cpu.stat").splitlines() if " " in line)
        value = rows.get("throttled_usec" if version == 2 else "throttled_time", "")
        if value.isdigit():
            return int(value) / (1e6 if version == 2 else 1e9)
    return None


def _place(zone: Path) -> tuple[int, str]:
    digits = "".join(filter(str.isdigit, zone.name))
    return int(digits or 0), zone.name


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
