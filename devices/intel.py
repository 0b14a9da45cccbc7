"""Intel GPUs and NPUs: OpenVINO says what it can use, and the nodes say why it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from edgevision.devices.base import Device
from edgevision.devices.system import Node, System
from edgevision.optional import available, require

INTEL = "0x8086"
GPU_NAME, NPU_NAME = "Intel GPU", "Intel NPU"


def openvino_devices() -> Mapping[str, str] | None:
    """Return OpenVINO's devices here and their full names; None when OpenVINO is not installed."""
    if not available("openvino"):
        return None
    core = require("openvino").Core()
    return {name: core.get_property(name, "FULL_DEVICE_NAME") for name in core.available_devices}


def probe(system: System, usable: Mapping[str, str] | None) -> Iterator[Device]:
    """Yield the GPUs and NPUs.

    Args:
        system: Where.
        usable: What OpenVINO says there, as `openvino_devices`.
    """
    yield from _kind(system, "gpu", GPU_NAME, _gpus(system), usable)
    yield from _kind(system, "npu", NPU_NAME, system.nodes("/dev/accel/accel"), usable)


def _kind(
    system: System, kind: str, name: str, nodes: tuple[Node, ...], usable: Mapping[str, str] | None
) -> Iterator[Device]:
    seen = {key: text for key, text in (usable or {}).items() if key.partition(".")[0] == kind.upper()}
    for key, text in seen.items():
        yield Device(key.lower().replace(".", ":"), text, {"openvino": key}, runtimes=("openvino",))
    if seen:
        return
    if not nodes and not _npu_card(system, kind):
        yield Device.absent(kind, name, f"OpenVINO lists none, and there is no node of one{_asked(usable)}")
    elif not nodes:
        yield Device.unusable(
            kind, name, "node", "the bus has an NPU, /dev/accel/accel0 is missing: no driver",
            "use kernel 6.6 or newer with the module intel_vpu (sudo modprobe intel_vpu) and its firmware",
        )  # fmt: skip
    else:
        yield _refused(system, kind, name, nodes[0], usable)


def _refused(system: System, kind: str, name: str, node: Node, usable: Mapping[str, str] | None) -> Device:
    """Say why OpenVINO does not use a device that has a node."""
    facts = {"node": node.path}
    driver = _driver(system, node)
    if kind == "npu" and driver != "intel_vpu":
        return Device.unusable(
            kind, name, "driver", f"{node.path} belongs to the driver {driver or 'of nobody'}: no Intel NPU by itself",
            "nothing to do where the machine has another accelerator; for an Intel NPU: sudo modprobe intel_vpu", facts,
        )  # fmt: skip
    if not system.may_open(node):
        reason = f"{node.path} is for group {system.group_name(node.gid)}, which this user is not in"
        return Device.unusable(kind, name, "permission", reason, system.how_to_open(node), facts)
    if usable is None:
        return Device.unusable(
            kind, name, "driver", "OpenVINO is not installed", 'pip install "edgevision[openvino]"', facts
        )
    package, library = {
        "npu": ("intel-level-zero-npu and intel-fw-npu", "libze_intel_npu.so.1"),
        "gpu": ("intel-opencl-icd", "libigdrcl.so"),
    }[kind]
    if system.library(library) is None and not (kind == "gpu" and system.glob("etc/OpenCL/vendors/intel*.icd")):
        return Device.unusable(
            kind, name, "driver", f"the node is here, its driver's library is not ({library})", f"install {package}",
            facts,
        )  # fmt: skip
    return Device.unusable(
        kind, name, "driver", "node and library are here, OpenVINO lists no such device: their versions do not match",
        f"install {package} of the release that this OpenVINO names in its notes, then restart", facts,
    )  # fmt: skip


def _gpus(system: System) -> tuple[Node, ...]:
    nodes = system.nodes("/dev/dri/renderD")
    return tuple(node for node in nodes if system.text(f"{_sysfs(node)}/device/vendor") == INTEL)


def _sysfs(node: Node) -> str:
    return f"sys/class/{'drm' if 'dri' in node.path else 'accel'}/{Path(node.path).name}"


def _driver(system: System, node: Node) -> str | None:
    for line in system.text(f"{_sysfs(node)}/device/uevent").splitlines():
        if line.startswith("DRIVER="):
            return line.partition("=")[2]
    return None


def _npu_card(system: System, kind: str) -> bool:
    """Whether the bus has a processing accelerator (class 0x1200) of Intel."""
    folders = system.glob("sys/bus/pci/devices/*") if kind == "npu" else ()
    words = ((system.text(str(f.relative_to(system.root) / name)) for name in ("vendor", "class")) for f in folders)
    return any(vendor == INTEL and class_.startswith("0x1200") for vendor, class_ in words)


def _asked(usable: Mapping[str, str] | None) -> str:
    return " (OpenVINO is not installed)" if usable is None else ""
