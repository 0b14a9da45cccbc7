"""Boards by their device tree, and the accelerators that come with them: Hailo, Rockchip's NPU, i.MX 8M Plus's."""

from __future__ import annotations

from collections.abc import Iterator

from edgevision.devices.base import Device
from edgevision.devices.system import System

ROCKCHIP_NPUS = ("rk3588", "rk3588s", "rk3576", "rk3568", "rk3566", "rk3562")
HAILO_PCI = "0x1e60"


def probe(system: System) -> Iterator[Device]:
    """Yield what board this is, when the device tree names one that is known, and what accelerators it has."""
    compatible = system.strings("proc/device-tree/compatible")
    name = system.text("proc/device-tree/model")
    if any(entry.startswith("raspberrypi,") for entry in compatible):
        yield Device("board", name or "Raspberry Pi", {"compatible": list(compatible)})
    yield from _hailo(system)
    yield from _rockchip(system, compatible)
    yield from _imx8mp(system, compatible)


def _hailo(system: System) -> Iterator[Device]:
    name = "Hailo"
    cards = [
        folder for folder in system.glob("sys/bus/pci/devices/*")
        if system.text(str(folder.relative_to(system.root) / "vendor")) == HAILO_PCI
    ]  # fmt: skip
    node = system.node("/dev/hailo0")
    if not cards and node is None:
        yield Device.absent("hailo", name, "no PCIe device of Hailo, and no /dev/hailo0")
        return
    driver, library = system.text("sys/module/hailo_pci/version"), system.package("hailort")
    facts = {"driver_version": driver or None, "hailort_version": library}
    if node is None:
        yield Device.unusable(
            "hailo", name, "node", "the bus has it, /dev/hailo0 is missing: no driver",
            "sudo apt install hailo-all (Raspberry Pi OS) or hailort-pcie-driver, then restart", facts,
        )  # fmt: skip
    elif not system.may_open(node):
        reason = f"{node.path} is for group {system.group_name(node.gid)}, which this user is not in"
        yield Device.unusable("hailo", name, "permission", reason, system.how_to_open(node), facts)
    elif library is None:
        yield Device.unusable("hailo", name, "driver", "HailoRT is not installed", "sudo apt install hailort", facts)
    elif driver and driver.split("-")[0] != library.split("-")[0]:
        yield Device.unusable(
            "hailo", name, "driver", f"the driver is {driver}, HailoRT is {library}: it refuses another version",
            "install hailort and its driver of one version, then restart", facts,
        )  # fmt: skip
    else:
        yield Device("hailo", name, {**facts, "note": "edgevision checks models for it and does not run them"})


def _rockchip(system: System, compatible: tuple[str, ...]) -> Iterator[Device]:
    chip = next((e.partition(",")[2] for e in compatible if e.startswith("rockchip,rk")
                 and e.partition(",")[2] in ROCKCHIP_NPUS), None)  # fmt: skip
    if chip is None:
        yield Device.absent("rknpu", "Rockchip NPU", "no Rockchip processor with an NPU in the device tree")
        return
    name = f"Rockchip NPU ({chip})"
    driver = system.text("sys/kernel/debug/rknpu/version") or system.text("sys/module/rknpu/version")
    facts = {"driver_version": driver or None}
    if not driver and not system.exists("sys/module/rknpu"):
        yield Device.unusable(
            "rknpu", name, "driver", "the kernel has no driver rknpu (the mainline driver is another: rocket)",
            "use the maker's kernel (5.10 or 6.1) with rknpu 0.9.6 or newer", facts,
        )  # fmt: skip
    elif system.library("librknnrt.so") is None:
        fix = "put librknnrt.so of the rknn-toolkit2 that makes the model into /usr/lib"
        yield Device.unusable("rknpu", name, "driver", "librknnrt.so is not installed", fix, facts)
    else:
        yield Device("rknpu", name, {**facts, "note": "edgevision checks models for it and does not run them"})


def _imx8mp(system: System, compatible: tuple[str, ...]) -> Iterator[Device]:
    if "fsl,imx8mp" not in compatible:
        yield Device.absent("vxnpu", "i.MX 8M Plus NPU", "no fsl,imx8mp in the device tree")
        return
    name, node = "i.MX 8M Plus NPU", system.node("/dev/galcore")
    if node is None:
        fix = "use NXP's kernel with galcore, and an image with imx-gpu-viv"
        yield Device.unusable("vxnpu", name, "node", "/dev/galcore is missing: no driver", fix)
    elif not system.may_open(node):
        reason = f"{node.path} is for group {system.group_name(node.gid)}, which this user is not in"
        yield Device.unusable("vxnpu", name, "permission", reason, system.how_to_open(node))
    elif system.library("libvx_delegate.so*") is None:
        fix = "install tensorflow-lite-vx-delegate of the image's release"
        yield Device.unusable("vxnpu", name, "driver", "libvx_delegate.so is not installed", fix)
    else:
        yield Device("vxnpu", name, {"note": "runs through option delegate of the runtime tflite"})
