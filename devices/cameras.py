"""Cameras: V4L2 nodes that capture, by VIDIOC_QUERYCAP, and CSI sensors that only libcamera drives."""

from __future__ import annotations

from collections.abc import Iterator

from edgevision.devices.base import Device
from edgevision.devices.system import Node, System, unpack_querycap

CAPTURE = 0x00000001 | 0x00001000
"""V4L2_CAP_VIDEO_CAPTURE, and its form for several planes."""
MEMORY_TO_MEMORY = 0x00004000 | 0x00008000
RAW_DRIVERS = ("unicam", "rp1-cfe", "mxc-isi", "rkisp1", "rkcif")
"""Drivers of CSI receivers, whose nodes give raw sensor data: an image takes libcamera."""


def probe(system: System) -> Iterator[Device]:
    """Yield the cameras, or that there is none."""
    found = [camera for node in system.nodes("/dev/video") for camera in _camera(system, node)]
    yield from found or [Device.absent("camera", "camera", "no /dev/video node captures")]


def _camera(system: System, node: Node) -> Iterator[Device]:
    index = node.path.removeprefix("/dev/video")
    device, name = f"camera:{index}", system.text(f"sys/class/video4linux/video{index}/name") or node.path
    if not system.may_open(node):
        reason = f"{node.path} is for group {system.group_name(node.gid)}, which this user is not in"
        yield Device.unusable(device, name, "permission", reason, system.how_to_open(node))
        return
    answer = system.querycap(node.path)
    if answer is None:
        fix = "another program may hold it: fuser -v " + node.path + "; else plug it in again"
        yield Device.unusable(device, name, "driver", "the driver does not answer VIDIOC_QUERYCAP", fix)
        return
    known = unpack_querycap(answer)
    capabilities = int(str(known.pop("capabilities")))
    if not capabilities & CAPTURE or capabilities & MEMORY_TO_MEMORY:
        return  # metadata of a camera, or a codec
    facts = {"node": node.path, **known}
    if any(str(known["driver"]).startswith(driver) for driver in RAW_DRIVERS):
        if system.library("libcamera.so*") is None:
            yield Device.unusable(
                device, str(known["card"]), "driver", "a CSI sensor, which gives raw data only, without libcamera",
                "sudo apt install libcamera-tools gstreamer1.0-libcamera", facts,
            )  # fmt: skip
            return
        facts["note"] = "a CSI sensor: open it through libcamera"
    yield Device(device, str(known["card"]), facts)
