"""Whether a model fits a device, before anything is deployed: operators, shapes, numbers, memory, installation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgevision.devices.edgetpu import ACCELERATOR, predict_mapping
from edgevision.devices.profile import DeviceProfile, Way
from edgevision.devices.rules.sets import rule_set
from edgevision.graphs import Graph
from edgevision.mapping import CPU, GPU, NOWHERE, MappingReport, Placement

RUNS, PARTLY, NO = "runs", "runs partly on CPU", "does not run"
PARTLY_GPU = "runs partly on GPU"
"""Of a DLA: what it does not take runs on the GPU beside it, as TensorRT's GPU fallback has it."""
VERDICTS = (RUNS, PARTLY_GPU, PARTLY, NO)
PYTHON_FLOOR, GLIBC_FLOOR = (3, 10), (2, 27)
"""What edgevision asks for, and what the wheels of ai-edge-litert are built for."""
LEGACY_PYTHON = (3, 11)
"""The newest Python with a tflite-runtime wheel, which is all that 32-bit Arm has."""
_FLOATS, _NUMBERS = ("float32", "float16", "bfloat16", "float64"), ("float32", "float16", "int8", "uint8", "int16")


@dataclass(frozen=True)
class Reason:
    """Something that a check found.

    Attributes:
        kind: "operator", "format", "numbers", "memory", "storage" or "install".
        text: What it is.
        where: The operator's kind, place and name; None where it is the whole model.
        rewrite: What helps; None where nothing is known to.
    """

    kind: str
    text: str
    where: str | None = None
    rewrite: str | None = None


@dataclass(frozen=True)
class Check:
    """Whether one model fits one device.

    Attributes:
        profile: The device.
        verdict: One of `VERDICTS`.
        way: How it would run; None where the format has no way.
        reasons: Why it does not run, or not all of it on the accelerator; and what the installation needs.
        mapping: Where each operator runs; None where the format has no way.
    """

    profile: str
    verdict: str
    way: Way | None
    reasons: tuple[Reason, ...]
    mapping: MappingReport | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "profile": self.profile,
            "verdict": self.verdict,
            "runtime": self.way and self.way.runtime,
            "target": self.way and self.way.target,
            "reasons": [asdict(reason) for reason in self.reasons],
            "mapping": self.mapping and self.mapping.to_dict(),
        }


def check_model(graph: Graph, profile: DeviceProfile) -> Check:
    """Say whether a model runs on a device; of several ways to run it there, the best is told.

    Args:
        graph: The model, from `edgevision.graphs.read_graph`.
        profile: The device.
    """
    ways = [way for way in profile.ways if way.format == graph.format or _compiled_for(graph, way)]
    if not ways:
        formats = sorted({way.format for way in profile.ways})
        reason = Reason(
            "format", f"nothing there runs {graph.format}: {', '.join(formats)}", None,
            f"convert the model: edgevision convert MODEL --to {formats[0]}",
        )  # fmt: skip
        return Check(profile.name, NO, None, (reason, *_install(profile)), None)
    checks = [_check_way(graph, profile, way) for way in ways]
    return min(checks, key=lambda check: VERDICTS.index(check.verdict))


def _compiled_for(graph: Graph, way: Way) -> bool:
    return (graph.format, way.target) in (("edgetpu", "edgetpu"), ("vela", "ethos-u"))


def _check_way(graph: Graph, profile: DeviceProfile, way: Way) -> Check:
    mapping = _mapping(graph, way)
    reasons = [
        Reason("operator", placed.reason or "", f"{placed.kind} {placed.index} ({placed.name})", placed.rewrite)
        for placed in mapping.placements
        if placed.reason
    ]
    refused = bool(reasons)
    partly = PARTLY_GPU if way.rest == GPU else PARTLY
    verdict = RUNS if not refused else partly if way.fallback and mapping.mapped else NO
    limits = [*(() if way.fallback else _numbers(graph, profile)), *_memory(graph, profile)]
    if limits:
        verdict = NO
    install = () if profile.kind == "microcontroller" else _install(profile)
    return Check(profile.name, verdict, way, (*limits, *reasons, *install), mapping)


def _mapping(graph: Graph, way: Way) -> MappingReport:
    if graph.format in ("edgetpu", "vela"):
        targets = {"edgetpu-custom-op": "edgetpu", "ethos-u": "ethos-u"}
        placed = tuple(Placement(n.index, n.kind, n.name, targets.get(n.kind, CPU)) for n in graph.nodes)
        return MappingReport(way.target, "compiled", placed)
    if way.target == ACCELERATOR:
        return predict_mapping(graph)
    rules = rule_set(way.rules)
    placements = []
    for node in graph.nodes:
        refused = rules.refusal(graph, node)
        if refused is None:
            placements.append(Placement(node.index, node.kind, node.name, way.target))
        else:
            target = way.rest if way.fallback else NOWHERE
            placements.append(Placement(node.index, node.kind, node.name, target, refused.reason, refused.rewrite))
    return MappingReport(way.target, "predicted", tuple(placements))


def _numbers(graph: Graph, profile: DeviceProfile) -> list[Reason]:
    allowed = profile.get("numeric_formats")
    if allowed is None:
        return []
    used = {value.dtype for node in graph.nodes for value in graph.outputs_of(node)} & set(_NUMBERS)
    lacking = sorted(used - set(allowed))
    if not lacking:
        return []
    fix = "quantize the model: edgevision quantize MODEL --data …" if set(lacking) & set(_FLOATS) else None
    return [Reason("numbers", f"it computes in {', '.join(allowed)}; the model needs {', '.join(lacking)}", None, fix)]


def _memory(graph: Graph, profile: DeviceProfile) -> list[Reason]:
    ram, flash, peak = profile.get("ram_bytes"), profile.get("flash_bytes"), graph.peak_bytes()
    found = []
    if flash is not None and graph.file_bytes > flash:
        text = f"the file has {graph.file_bytes:,} bytes, the flash {flash:,}"
        found.append(Reason("storage", text, None, "quantize, prune channels, or add external flash"))
    needed = peak if flash is not None else peak + graph.file_bytes
    if ram is not None and needed > ram:
        what = "tensors alone" if flash is not None else "file and tensors"
        text = f"{what} take {needed:,} bytes, the memory has {ram:,}"
        found.append(Reason("memory", text, None, "a smaller input, or fewer channels where the tensors are largest"))
    return found


def _install(profile: DeviceProfile) -> tuple[Reason, ...]:
    """What stands in the way of the base install on the stock image."""
    found = []
    python, glibc = _version(profile.get("python")), _version(profile.get("glibc"))
    image = profile.get("image", "the stock image")
    if python is not None and python < PYTHON_FLOOR:
        found.append(Reason(
            "install", f"{image} has Python {profile.get('python')}; edgevision needs 3.10 or newer", None,
            "install in a container with Python 3.10 or newer, or build a newer Python there",
        ))  # fmt: skip
    if glibc is not None and glibc < GLIBC_FLOOR:
        text = f"{image} has glibc {profile.get('glibc')}; the wheels of ai-edge-litert need 2.27 or newer"
        found.append(Reason("install", text, None, "use a container with a newer system"))
    if profile.get("architecture") in ("armv7l", "armv6l"):
        if python is not None and python > LEGACY_PYTHON:
            text = f"{image} has Python {profile.get('python')}; 32-bit Arm has wheels of tflite-runtime up to 3.11"
            found.append(Reason("install", text, None, "use a 64-bit system, or Python 3.11"))
    elif profile.get("architecture") == "aarch64" and "atomics" not in profile.get("isa", ["atomics"]):
        text = "without ARMv8.1's atomics, ai-edge-litert's CompiledModel aborts; edgevision uses its Interpreter"
        found.append(Reason("install", text, None, None))
    return tuple(found)


def _version(text: str | None) -> tuple[int, ...] | None:
    return None if text is None else tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
