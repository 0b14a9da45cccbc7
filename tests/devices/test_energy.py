"""Energy from trees in the kernel's format: RAPL, the INA chips of hwmon, and the older driver of Jetsons."""

import os

import pytest

from edgevision.devices.energy import EnergyMeter


@pytest.fixture
def tree(tmp_path):
    """tree({path: text}) writes files below a root, and returns it; again for what changed."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return tmp_path

    return write


RAPL = {
    "sys/class/powercap/intel-rapl:0/name": "package-0",
    "sys/class/powercap/intel-rapl:0/energy_uj": 262143328000,
    "sys/class/powercap/intel-rapl:0/max_energy_range_uj": 262143328850,
    "sys/class/powercap/intel-rapl:0:0/name": "core",
    "sys/class/powercap/intel-rapl:0:0/energy_uj": 5,
    "sys/class/powercap/intel-rapl:1/name": "psys",
    "sys/class/powercap/intel-rapl:1/energy_uj": 7,
}
INA = "sys/class/hwmon/hwmon3"
ORIN = {
    f"{INA}/name": "ina3221",
    f"{INA}/in1_label": "VDD_IN",
    f"{INA}/in1_input": 5000,
    f"{INA}/curr1_input": 1200,
    f"{INA}/in2_label": "VDD_CPU_GPU_CV",
    f"{INA}/in2_input": 5000,
    f"{INA}/curr2_input": 400,
}


def test_a_package_counts_without_its_parts_and_over_the_end_of_its_counter(tree):
    meter = EnergyMeter(tree(RAPL))
    assert (meter.source, meter.absent) == ("package-0", None)
    tree({"sys/class/powercap/intel-rapl:0/energy_uj": 262143328600})
    assert meter.taken_j(1.0) == pytest.approx(600e-6)
    tree({"sys/class/powercap/intel-rapl:0/energy_uj": 1_000_000})
    assert meter.taken_j(1.0) == pytest.approx(1.000250)
    assert meter.taken_j(1.0) == 0


def test_two_packages_are_added(tree):
    second = {
        "sys/class/powercap/intel-rapl:2/name": "package-1",
        "sys/class/powercap/intel-rapl:2/energy_uj": 10,
    }
    meter = EnergyMeter(tree({**RAPL, **second}))
    assert meter.source == "package-0 + package-1"
    tree({"sys/class/powercap/intel-rapl:2/energy_uj": 2_000_010})
    assert meter.taken_j(1.0) == pytest.approx(2.0)
    tree({"sys/class/powercap/intel-rapl:2/energy_uj": 9})
    assert meter.taken_j(1.0) is None  # it began anew, and does not say where


def test_the_rail_of_the_whole_board_is_volts_times_amperes(tree):
    meter = EnergyMeter(tree(ORIN))
    assert meter.source == "rail VDD_IN"
    assert meter.taken_j(0.5) == pytest.approx(3.0)
    tree({f"{INA}/curr1_input": "garbage"})
    assert meter.taken_j(0.5) is None


def test_an_older_jetson(tree):
    folder = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    files = {f"{folder}/rail_name_0": "POM_5V_IN", f"{folder}/in_power0_input": 2500}
    meter = EnergyMeter(tree({**files, f"{folder}/rail_name_1": "POM_5V_GPU", f"{folder}/in_power1_input": 40}))
    assert (meter.source, meter.taken_j(2.0)) == ("rail POM_5V_IN", pytest.approx(5.0))


def test_one_ina_of_an_add_on_board(tree):
    meter = EnergyMeter(tree({f"{INA}/name": "ina226", f"{INA}/power1_input": 3_100_000}))
    assert (meter.source, meter.taken_j(1.0)) == ("rail ina226 power1", pytest.approx(3.1))


def test_rails_of_which_none_is_known_to_be_the_whole_are_not_added(tree):
    files = {name: text for name, text in ORIN.items() if not name.endswith("label")}
    meter = EnergyMeter(tree(files))
    assert meter.source is None and meter.taken_j(1.0) is None
    assert meter.absent == "none of the rails ina3221 in1, ina3221 in2 is known to be the whole board's"


def test_what_is_not_there_is_said(tree, tmp_path):
    assert (EnergyMeter(tmp_path).absent, EnergyMeter(tmp_path).taken_j(1.0)) == ("not exposed", None)
    battery = {f"{INA}/name": "BAT0", f"{INA}/power1_input": 9_000_000}
    assert EnergyMeter(tree(battery)).absent == "not exposed"


def test_a_counter_for_root_only_is_said(tree):
    meter = EnergyMeter(tree({**RAPL, "sys/class/powercap/intel-rapl:0/energy_uj": "" if os.getuid() == 0 else 1}))
    if os.getuid():
        os.chmod(tree({}) / "sys/class/powercap/intel-rapl:0/energy_uj", 0)
        meter = EnergyMeter(tree({}))
    assert meter.absent == "package-0 has a counter (RAPL) that this user may not read"
