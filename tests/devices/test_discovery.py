"""Machines described in files: what is found on each, whether it can be used, why not, and what helps.

The descriptions follow the kernel's and the makers' documentation and users' reports; none was taken from a machine.
"""

import sys
from pathlib import Path

import pytest

from edgevision.devices import discover

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MACHINES = sorted((Path(__file__).parent / "machines").glob("*.toml"))


@pytest.fixture
def described(machine):
    """described(file) -> (its root, what OpenVINO says there, what is expected)."""

    def make(file):
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        return machine(data["files"]), data.get("openvino"), data["expect"]

    return make


@pytest.mark.parametrize("file", MACHINES, ids=lambda file: file.stem)
def test_verdict_reason_and_fix(described, file):
    root, openvino, expected = described(file)
    found = {device.device: device for device in discover(root, openvino=openvino)}
    for row in expected:
        device = found[row["device"]]
        assert (device.state, device.stage) == (row["state"], row.get("stage"))
        assert row.get("reason", "") in (device.reason or "")
        assert row.get("fix", "") in (device.fix or "")
        assert (device.reason is None) == (device.state == "available")
    # Nothing is found that the machine does not have.
    here = {name for name, device in found.items() if device.state != "absent"} - {"cpu", "board"}
    assert here == {row["device"] for row in expected if row["state"] != "absent"} - {"board"}


def test_two_edge_tpus_on_usb_are_counted(machine):
    files = {}
    for index in range(2):
        folder = f"sys/bus/usb/devices/2-{index + 1}"
        files |= {f"{folder}/idVendor": "18d1", f"{folder}/idProduct": "9302", f"{folder}/busnum": "2"}
        files |= {f"{folder}/devnum": str(index + 3)}
    files["nodes.txt"] = "666 0 0 /dev/bus/usb/002/003\n666 0 0 /dev/bus/usb/002/004\n"
    files["usr/lib/libedgetpu.so.1"] = "library"
    names = [device.device for device in discover(machine(files)) if device.name.startswith("Coral")]
    assert names == ["coral:usb:0", "coral:usb:1"]


def test_a_machine_that_makes_no_sense(machine):
    root = machine({"nodes.txt": "what\n999 x y /dev/apex_0\n", "querycap/video0": "00", "proc/self/status": "Uid:"})
    states = {device.state for device in discover(root)}
    assert states == {"available", "absent"}
