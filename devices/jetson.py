"""NVIDIA Jetson modules: the board, its L4T release, and whether TensorRT and CUDA are of that release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edgevision.devices.base import Device
from edgevision.devices.system import System
from edgevision.jetson import parse_l4t

NAME = "NVIDIA Jetson"
NODES = ("/dev/nvhost-gpu", "/dev/nvgpu/igpu0/as", "/dev/nvmap")
TENSORRT_OF_L4T = {32: (7, 8), 34: (8,), 35: (8,), 36: (8, 10), 38: (10, 11)}
"""Major release of L4T -> major versions of TensorRT for its JetPacks (NVIDIA's JetPack archive; TensorRT 11.4.1
release notes, for JetPack 7.2.2)."""
NO_DLA = ("nano", "tx1", "tx2", "thor")
"""Modules without a deep-learning accelerator (DLA), by words of their names: Orin Nano has none either, nor has Thor
(Working with DLA, TensorRT 11.4.1)."""


def probe(system: System) -> Iterator[Device]:
    """Yield the GPU and DLAs of a Jetson; nothing where the board is no Jetson."""
    l4t = parse_l4t(system.text("etc/nv_tegra_release"))
    model = system.text("proc/device-tree/model")
    compatible = system.strings("proc/device-tree/compatible")
    if l4t is None and not any(name.startswith("nvidia,tegra") for name in compatible):
        yield Device.absent("jetson", NAME, "no /etc/nv_tegra_release, and no tegra in the device tree")
        return
    tensorrt = system.package("tensorrt", "libnvinfer11", "libnvinfer10", "libnvinfer8", "libnvinfer7")
    facts = {"l4t_version": l4t, "tensorrt_version": tensorrt, "cuda_version": system.package("cuda-toolkit", "cuda")}
    gpu = _gpu(system, model or NAME, facts)
    yield gpu
    if not any(word in model.lower() for word in NO_DLA):
        yield replace(gpu, device="dla", name=f"{model or NAME} DLA")


def _gpu(system: System, name: str, facts: dict[str, str | None]) -> Device:
    if facts["l4t_version"] is None:
        return Device.unusable(
            "gpu", name, "driver", "a Tegra board without L4T: /etc/nv_tegra_release is missing",
            "in a container: use an l4t image with --runtime nvidia; else flash a JetPack image", facts,
        )  # fmt: skip
    nodes = [node for node in map(system.node, NODES) if node is not None]
    if not nodes:
        return Device.unusable(
            "gpu", name, "node", f"none of {', '.join(NODES)} is here",
            "in a container: start it with --runtime nvidia; else look at dmesg | grep nvgpu", facts,
        )  # fmt: skip
    closed = next((node for node in nodes if not system.may_open(node)), None)
    if closed is not None:
        group = system.group_name(closed.gid)
        reason = f"{closed.path} is for group {group}, which this user is not in"
        return Device.unusable("gpu", name, "permission", reason, system.how_to_open(closed), facts)
    if facts["tensorrt_version"] is None:
        return Device.unusable("gpu", name, "driver", "TensorRT is not installed", "sudo apt install tensorrt", facts)
    major, l4t = int(facts["tensorrt_version"].split(".")[0]), int(facts["l4t_version"].split(".")[0])
    fitting = TENSORRT_OF_L4T.get(l4t)
    if fitting and major not in fitting:
        return Device.unusable(
            "gpu", name, "driver", f"TensorRT {facts['tensorrt_version']} is not of L4T {facts['l4t_version']}",
            f"install the TensorRT {' or '.join(map(str, fitting))} of this JetPack: sudo apt install nvidia-jetpack",
            facts,
        )  # fmt: skip
    return Device("gpu", name, facts, runtimes=("tensorrt",))
