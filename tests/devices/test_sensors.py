"""The state of described machines, and of this one."""

import time

import pytest

from edgevision.devices.sensors import TICKS_PER_S, machine_state, maximum_frequency_mhz


def test_a_machine_that_tells_everything(machine):
    root = machine(
        {
            "proc/loadavg": "1.50 0.70 0.30 2/345 6789\n",
            "proc/stat": "cpu  100 20 30 1000 50 3 7 40 60 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n",
            "proc/self/schedstat": "123456 2500000000 99\n",
            "proc/self/cgroup": "0::/box\n",
            "sys/fs/cgroup/box/cpu.stat": "usage_usec 5\nnr_throttled 3\nthrottled_usec 1250000\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "2400000\n",
            "sys/devices/system/cpu/cpu1/cpufreq/cpuinfo_max_freq": "3400000\n",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "51234\n",
            "sys/class/thermal/thermal_zone1/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone1/temp": "-1000\n",
            "sys/class/thermal/thermal_zone2/type": "broken\n",
        }
    )
    state = machine_state(root)
    assert (state.load_average, state.waited_s, state.throttled_s) == (1.5, 2.5, 1.25)
    # Guests' 60 ticks are in the user's 100 already.
    ticks = (state.cpu_s * TICKS_PER_S, state.busy_s * TICKS_PER_S, state.steal_s * TICKS_PER_S)
    assert ticks == pytest.approx((1250, 160, 40))
    assert (state.frequency_mhz, maximum_frequency_mhz(root)) == (2400, 3400)
    assert state.temperatures_c == {"cpu-thermal": 51.234, "cpu-thermal 2": -1.0}


def test_cgroups_of_the_first_version_and_frequencies_of_cpuinfo(machine):
    root = machine(
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/box\n",
            "sys/fs/cgroup/cpu/box/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 4000000000\n",
            "proc/cpuinfo": "processor : 0\ncpu MHz\t\t: 2445.432\n\nprocessor : 1\ncpu MHz\t\t: 1000.000\n",
        }
    )
    assert (machine_state(root).throttled_s, machine_state(root).frequency_mhz) == (4.0, 2445.432)
    assert maximum_frequency_mhz(root) is None


def test_a_machine_that_tells_nothing(tmp_path):
    state = machine_state(tmp_path)
    told = (state.load_average, state.cpu_s, state.busy_s, state.steal_s, state.waited_s, state.throttled_s)
    assert (*told, state.frequency_mhz, state.temperatures_c) == (None,) * 7 + ({},)


def test_this_machine_sees_our_own_work():
    before, end = machine_state(), time.process_time() + 0.2
    while time.process_time() < end:
        pass
    after = machine_state()
    assert after.own_s - before.own_s >= 0.15
    if before.busy_s is not None:
        assert after.busy_s - before.busy_s >= 0.1 and after.cpu_s > before.cpu_s
