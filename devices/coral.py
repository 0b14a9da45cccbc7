"""Edge TPUs: on USB, whose identity changes once firmware is loaded, and on PCIe behind the driver gasket/apex."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgevision.devices.base import Device
from edgevision.devices.system import Node, System
from edgevision.libedgetpu import LIBRARY, PACKAGES, TFLITE, mismatch, remedy

USB_NAME, PCI_NAME = "Coral USB Accelerator", "Coral Edge TPU (PCIe)"
BEFORE_FIRMWARE, AFTER_FIRMWARE = "1a6e:089a", "18d1:9302"
PCI_ID = "0x1ac1:0x089a"
GASKET_API = "1.1.4"
"""Version of the driver that today's libedgetpu is made for; the library refuses another one."""


def probe(system: System) -> Iterator[Device]:
    """Yield the Edge TPUs, or that there is none."""
    found = [*_usb(system), *_pci(system)]
    yield from found or [
        Device.absent("coral:usb", USB_NAME, f"no USB device {BEFORE_FIRMWARE} or {AFTER_FIRMWARE}, no /dev/apex_0")
    ]


def _usb(system: System) -> Iterator[Device]:
    index = 0
    for folder in system.glob("sys/bus/usb/devices/*"):
        identity = f"{_word(system, folder, 'idVendor')}:{_word(system, folder, 'idProduct')}"
        if identity in (BEFORE_FIRMWARE, AFTER_FIRMWARE):
            yield _one_usb(system, f"coral:usb:{index}", folder, identity)
            index += 1


def _word(system: System, folder: Path, name: str) -> str:
    return system.text(str(folder.relative_to(system.root) / name))


def _one_usb(system: System, device: str, folder: Path, identity: str) -> Device:
    speed = _word(system, folder, "speed")
    facts: dict[str, object] = {"usb_id": identity, "speed_mbit_s": int(speed) if speed.isdigit() else None}
    bus, number = (_word(system, folder, name).zfill(3) for name in ("busnum", "devnum"))
    node = system.node(f"/dev/bus/usb/{bus}/{number}")
    if node is None:
        return Device.unusable(
            device, USB_NAME, "node", f"the bus shows {identity}, /dev/bus/usb/{bus}/{number} is missing",
            "in a container: pass --privileged -v /dev/bus/usb:/dev/bus/usb; the node changes with the firmware",
            facts,
        )  # fmt: skip
    if not system.may_open(node):
        rule = " (package libedgetpu1-std brings 60-libedgetpu1-std.rules: group plugdev)"
        return _no_permission(system, device, USB_NAME, node, facts, rule)
    refused = _library_refused(system, device, USB_NAME, facts)
    if refused is not None:
        return refused
    if identity == BEFORE_FIRMWARE and _had_its_chance(system):
        return Device.unusable(
            device, USB_NAME, "driver", f"stuck at {BEFORE_FIRMWARE}: the firmware was sent and it did not come back",
            "unplug it and plug it in again, into a USB 3 port with its own cable and no hub; in a virtual machine "
            f"pass {AFTER_FIRMWARE} through as well", facts,
        )  # fmt: skip
    if identity == BEFORE_FIRMWARE:
        facts["note"] = f"no firmware yet: the first use loads it, and it becomes {AFTER_FIRMWARE}"
    return Device(device, USB_NAME, facts)


def _had_its_chance(system: System) -> bool:
    """Whether the kernel's log has a reset of the device that went wrong: where the firmware was sent."""
    lines = system.text("var/log/kern.log").splitlines()
    failed = ("device descriptor read", "device not accepting address", "unable to enumerate", "error -71")
    return any("usb" in line and any(text in line for text in failed) for line in lines)


def _pci(system: System) -> Iterator[Device]:
    cards = [folder for folder in system.glob("sys/bus/pci/devices/*") if _pci_id(system, folder) == PCI_ID]
    nodes = system.nodes("/dev/apex_")
    for node in nodes:
        index = node.path.rpartition("_")[2]
        yield _one_pci(system, f"coral:pci:{index}", node, f"sys/class/apex/apex_{index}")
    for without in range(len(nodes), len(cards)):
        yield Device.unusable(
            f"coral:pci:{without}", PCI_NAME, "node", "the bus has the card, /dev/apex_* is missing: no driver",
            "install the driver gasket-dkms for this kernel, then: sudo modprobe apex"
            if "apex" not in system.modules
            else "the driver is loaded and took no card: look at dmesg | grep apex; on a Raspberry Pi 5, the device "
            "tree needs pcie-32bit-dma",
        )  # fmt: skip


def _pci_id(system: System, folder: Path) -> str:
    return f"{_word(system, folder, 'vendor')}:{_word(system, folder, 'device')}"


def _one_pci(system: System, device: str, node: Node, sysfs: str) -> Device:
    driver = system.text("sys/module/gasket/version")
    temperature = system.text(f"{sysfs}/temp")
    facts: dict[str, object] = {
        "driver_version": driver or None,
        "status": system.text(f"{sysfs}/status") or None,
        "temperature_c": int(temperature) / 1000 if temperature.isdigit() else None,
    }
    if not system.may_open(node):
        rule = ' (SUBSYSTEM=="apex", MODE="0660", GROUP="apex")'
        return _no_permission(system, device, PCI_NAME, node, facts, rule)
    refused = _library_refused(system, device, PCI_NAME, facts)
    if refused is not None:
        return refused
    if driver and driver != GASKET_API:
        return Device.unusable(
            device, PCI_NAME, "driver", f"the driver gasket is {driver}, libedgetpu is made for {GASKET_API}",
            "install gasket-dkms and libedgetpu1-std of the same release, then restart", facts,
        )  # fmt: skip
    if facts["status"] == "DEAD":
        return Device.unusable(
            device, PCI_NAME, "driver", "the driver says DEAD: the card does not answer",
            "cool it and restart; look at dmesg | grep apex", facts,
        )  # fmt: skip
    return Device(device, PCI_NAME, facts)


def _no_permission(system: System, device: str, name: str, node: Node, facts: dict[str, object], rule: str) -> Device:
    reason = f"{node.path} is for group {system.group_name(node.gid)} (mode {node.mode:o}), which this user is not in"
    return Device.unusable(device, name, "permission", reason, system.how_to_open(node, rule), facts)


def _library_refused(system: System, device: str, name: str, facts: dict[str, object]) -> Device | None:
    """Say that libedgetpu is not here, or crashes with the tflite-runtime that is; None when neither is so."""
    if system.library(LIBRARY) is None:
        fix = "install libedgetpu1-std, or a build of libedgetpu for the TensorFlow Lite that is used"
        return Device.unusable(device, name, "driver", f"{LIBRARY} is not installed", fix, facts)
    package, tflite = system.package(*PACKAGES), system.distribution(TFLITE)
    facts |= {"libedgetpu_version": package, "tflite_runtime_version": tflite}
    wrong = mismatch(package, tflite) if package and tflite else None
    if wrong is None or tflite is None:
        return None
    return Device.unusable(device, name, "driver", f"{wrong}: this pair crashes", remedy(tflite), facts)
