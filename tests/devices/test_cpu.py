"""Facts about processors, read from this machine and from descriptions of others."""

import os
import platform

import pytest

from edgevision.devices import cpu_facts, discover

PC = """processor\t: {n}
vendor_id\t: GenuineIntel
model name\t: Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz
physical id\t: 0
core id\t\t: {core}
flags\t\t: fpu lm sse4_1 sse4_2 avx f16c fma avx2 hypervisor

"""
PI = """processor\t: {n}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd08

"""


def test_a_pc(machine):
    root = machine(
        {
            "proc/cpuinfo": "".join(PC.format(n=n, core=n // 2) for n in range(8)),
            "proc/meminfo": "MemTotal:        8052380 kB\nMemFree: 1 kB\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
        }
    )
    facts = cpu_facts(root)
    assert (facts.name, facts.board) == ("Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz", None)
    assert facts.architecture == "x86_64"
    assert (facts.logical_cores, facts.physical_cores, facts.usable_cores) == (8, 4, 8)
    assert facts.features == ("sse4_1", "sse4_2", "avx", "f16c", "fma", "avx2")
    assert facts.memory_bytes == 8052380 * 1024
    assert (facts.cpu_limit_cores, facts.memory_limit_bytes, facts.governor) == (None, None, "powersave")


def test_a_board(machine):
    root = machine(
        {
            "proc/cpuinfo": "".join(PI.format(n=n) for n in range(4)) + "Revision\t: c03114\n",
            "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
        }
    )
    facts = cpu_facts(root)
    assert (facts.name, facts.board) == ("Cortex-A72", "Raspberry Pi 4 Model B Rev 1.4")
    assert (facts.architecture, facts.features) == ("aarch64", ("asimd",))
    assert (facts.logical_cores, facts.physical_cores) == (4, 4)


def test_limits_of_a_container_with_cgroup_2(machine):
    root = machine(
        {
            "proc/cpuinfo": "".join(PC.format(n=n, core=n) for n in range(8)),
            "proc/self/cgroup": "0::/slice/box\n",
            "sys/fs/cgroup/slice/box/cpu.max": "max 100000\n",
            "sys/fs/cgroup/slice/cpu.max": "250000 100000\n",
            "sys/fs/cgroup/slice/box/memory.max": "536870912\n",
            "sys/fs/cgroup/slice/memory.max": "max\n",
        }
    )
    facts = cpu_facts(root)
    assert (facts.cpu_limit_cores, facts.usable_cores) == (2.5, 2)
    assert facts.memory_limit_bytes == 512 << 20


@pytest.mark.parametrize(("quota", "cores", "usable"), [("50000", 0.5, 1), ("-1", None, 4)])
def test_limits_of_a_container_with_cgroup_1(machine, quota, cores, usable):
    root = machine(
        {
            "proc/cpuinfo": "".join(PI.format(n=n) for n in range(4)),
            "proc/self/cgroup": "5:memory:/box\n4:cpu,cpuacct:/box\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": quota,
            "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "1073741824",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        }
    )
    facts = cpu_facts(root)
    assert (facts.cpu_limit_cores, facts.usable_cores, facts.memory_limit_bytes) == (cores, usable, 1 << 30)


def test_a_machine_that_tells_nothing(tmp_path):
    facts = cpu_facts(tmp_path)
    assert (facts.name, facts.logical_cores, facts.features, facts.memory_bytes) == ("unknown", 1, (), None)


def test_this_machine():
    cpu = discover()[0]
    assert (cpu.device, cpu.state) == ("cpu", "available")
    assert cpu.name == cpu.facts["name"]
    assert cpu.facts["architecture"] == platform.machine()
    assert 1 <= cpu.facts["usable_cores"] <= len(os.sched_getaffinity(0))
    assert cpu.facts["memory_bytes"] > 0
    assert cpu.to_dict()["facts"]["features"] == list(cpu.facts["features"])
