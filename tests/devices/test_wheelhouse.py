"""What wheels a device needs, and edgevision's own among them."""

import importlib.metadata
import json
import subprocess
import sys
import zipfile

import pytest

from edgevision.devices.own_wheel import own_distribution, own_files, own_wheel
from edgevision.devices.target import Target
from edgevision.devices.wheelhouse import Wheelhouse, _missing, _needs
from edgevision.errors import ConfigError

JETSON, PI_32 = Target("aarch64", "3.10", "2.35"), Target("armv7l", "3.11", "2.36")


@pytest.mark.parametrize(
    ("machine", "python", "glibc", "said"),
    [
        ("riscv64", "3.11", "2.36", "allowed: x86_64, aarch64, armv7l"),
        ("aarch64", "3.9", "2.36", "allowed: 3.10 or newer"),
        ("aarch64", "3", "2.36", "Python of the device"),
        ("aarch64", "3.11", "latest", "glibc of the device"),
    ],
)
def test_a_target_that_makes_no_sense(machine, python, glibc, said):
    with pytest.raises(ConfigError, match=said):
        Target(machine, python, glibc)


def test_wheels_run_where_the_c_library_is_no_older():
    wheels = Target("aarch64", "3.11", "2.31")
    assert wheels.fits(Target("aarch64", "3.11", "2.36")) and wheels.fits(wheels)
    assert not wheels.fits(Target("aarch64", "3.11", "2.28"))
    assert not wheels.fits(Target("aarch64", "3.12", "2.36")) and not wheels.fits(Target("x86_64", "3.11", "2.36"))


def test_platforms_reach_back_to_the_oldest_names():
    assert Target("x86_64", "3.11", "2.6").platforms() == [
        "manylinux_2_6_x86_64", "manylinux_2_5_x86_64", "manylinux1_x86_64", "linux_x86_64",
    ]  # fmt: skip
    assert "manylinux2014_aarch64" in JETSON.platforms() and "manylinux_2_36_aarch64" not in JETSON.platforms()


def test_markers_are_those_of_the_device():
    requirements = importlib.metadata.requires("edgevision")
    needs = {target: [need.name for need in _needs(requirements, target)] for target in (JETSON, PI_32)}
    assert "ai-edge-litert" in needs[JETSON] and "tomli" in needs[JETSON] and "tflite-runtime" not in needs[JETSON]
    assert "tflite-runtime" in needs[PI_32] and "ai-edge-litert" not in needs[PI_32] and "tomli" not in needs[PI_32]
    assert "asyncssh" not in needs[JETSON] and "tensorflow" not in needs[JETSON]


def make_wheel(folder, name, version, *requires):
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        archive.writestr(f"{name}-{version}.dist-info/METADATA", "\n".join(lines) + "\n")


def test_what_pip_left_out_for_this_machine_is_missed_for_the_device(tmp_path):
    make_wheel(tmp_path, "first", "1.0", 'second>=2; python_version < "3.11"', 'third; platform_machine == "armv7l"')
    assert _missing(tmp_path, JETSON) == ["second>=2"]
    make_wheel(tmp_path, "second", "1.5")
    assert _missing(tmp_path, JETSON) == ["second>=2"]
    make_wheel(tmp_path, "second", "2.1", 'fourth; extra == "more"')
    (tmp_path / "second-1.5-py3-none-any.whl").unlink()
    assert _missing(tmp_path, JETSON) == []


def test_our_wheel_is_the_same_twice_and_whole(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    wheel, again = own_wheel(tmp_path / "one"), own_wheel(tmp_path / "two")
    assert wheel.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (record,) = (name for name in names if name.endswith(".dist-info/RECORD"))
        recorded = {line.split(",")[0] for line in archive.read(record).decode().splitlines()}
    assert recorded == names and dict(own_files()).keys() < names
    assert {"edgevision/__init__.py", "edgevision/devices/onboard.py", "edgevision/runtimes/tflite.py"} < names
    assert {"edgevision/assets/cifar10_sample_test.zip", "edgevision/py.typed"} < names
    assert not [name for name in names if name.endswith(".pyc")]


def test_pip_installs_our_wheel(tmp_path):
    options = ("--no-index", "--no-deps", "--target", tmp_path / "site", own_wheel(tmp_path))
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *options], check=True)
    code = f"import sys; sys.path[:0] = [{str(tmp_path / 'site')!r}]; import edgevision.devices.cpu as cpu"
    command = [sys.executable, "-I", "-c", f"{code}; print(cpu.__file__)"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == str(tmp_path / "site/edgevision/devices/cpu.py")


@pytest.mark.parametrize("content", [None, "no JSON", '{"schema": 1}', '{"schema": 99}'])
def test_a_folder_that_is_no_wheelhouse(tmp_path, content):
    if content is not None:
        (tmp_path / "wheelhouse.json").write_text(content)
    with pytest.raises(ConfigError, match="wheelhouse"):
        Wheelhouse.open(tmp_path)


def test_a_wheelhouse_that_lost_a_wheel(tmp_path):
    house = Wheelhouse(tmp_path, JETSON, ("first-1.0-py3-none-any.whl",))
    (tmp_path / "wheelhouse.json").write_text(json.dumps(house.to_dict()))
    with pytest.raises(ConfigError, match=r"a wheel is missing: got first-1\.0"):
        Wheelhouse.open(tmp_path)
    make_wheel(tmp_path, "first", "1.0")
    assert Wheelhouse.open(tmp_path) == house


def test_what_a_build_left_in_the_working_directory_is_not_the_installation(tmp_path, monkeypatch):
    left = tmp_path / "edgevision.egg-info"
    left.mkdir()
    (left / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: edgevision\nVersion: 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert own_distribution().read_text("METADATA") is not None
