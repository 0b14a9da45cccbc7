"""Whether a model fits a device, before anything is deployed: operators, shapes, numbers, memory, installation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from edgevision.devices.compiled import explain_compiled
from edgevision.devices.fit import GENERATED, Fit, Need, fit, need_of
from edgevision.devices.prediction import predict
from edgevision.devices.profile import DeviceProfile, Way
from edgevision.graphs import Graph
from edgevision.mapping import GPU, NOWHERE, MappingReport

RUNS, PARTLY, NO = "runs", "runs partly on CPU", "does not run"
PARTLY_GPU = "runs partly on GPU"
"""Of a DLA: what it does not take runs on the GPU beside it, as TensorRT's GPU fallback has it."""
VERDICTS = (RUNS, PARTLY_GPU, PARTLY, NO)
PYTHON_FLOOR, GLIBC_FLOOR = (3, 10), (2, 27)
"""What edgevision asks for, and what the wheels of ai-edge-litert are built for."""
LEGACY_PYTHON = (3, 11)
"""The newest Python with a tflite-runtime wheel, which is all that 32-bit Arm has."""
LEGACY_GLIBC = (2, 34)
"""What tflite-runtime's wheels for 32-bit Arm are built for ("manylinux_2_34_armv7l")."""
COMPILED = ("edgetpu", "vela")
"""Formats of files that a vendor's compiler made for an accelerator."""
CONVERTED = {"tflite": ("openvino",), "onnx": ("openvino", "tensorrt", "tensorrt-plan")}
"""Format of a file -> other formats that edgevision makes of it; Keras models become any."""
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
        fit: What it takes of a microcontroller; None for other devices.
    """

    profile: str
    verdict: str
    way: Way | None
    reasons: tuple[Reason, ...]
    mapping: MappingReport | None
    fit: Fit | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "profile": self.profile,
            "verdict": self.verdict,
            "runtime": self.way and self.way.runtime,
            "target": self.way and self.way.target,
            "reasons": [asdict(reason) for reason in self.reasons],
            "mapping": self.mapping and self.mapping.to_dict(),
            "fit": self.fit and self.fit.to_dict(),
        }


def check_model(graph: Graph, profile: DeviceProfile, need: Need | None = None) -> Check:
    """Say whether a model runs on a device; of several ways to run it there, the best is told.

    Args:
        graph: The model, from `edgevision.graphs.read_graph`.
        profile: The device.
        need: What the model takes there; by default its tensors and its file.
    """
    ways = [way for way in profile.ways if way.format == graph.format or _compiled_for(graph, way)]
    if not ways:
        formats = sorted({way.format for way in profile.ways})
        reason = Reason("format", f"nothing there runs {graph.format}: {', '.join(formats)}", None,
                        _other_format(graph.format, formats[0]))  # fmt: skip
        return Check(profile.name, NO, None, (reason, *_install(profile)), None)
    need = need or need_of(graph)
    checks = [_check_way(graph, profile, way, need) for way in ways]
    best = min(checks, key=lambda check: VERDICTS.index(check.verdict))
    return replace(best, fit=fit(profile, need)) if profile.kind == "microcontroller" else best


def _other_format(format_: str, wanted: str) -> str:
    """What to do about a file whose format a device does not run."""
    if format_ in COMPILED:
        return "a compiled file is not converted back: check the model that it was compiled from"
    model = "the model" if wanted in CONVERTED.get(format_, ()) else "the model that this file was made from"
    return f"convert {model}: edgevision convert MODEL --to {wanted}"


def operator_reasons(mapping: MappingReport) -> tuple[Reason, ...]:
    """Return why operators are not where they were meant to be."""
    return tuple(
        Reason("operator", placed.reason, f"{placed.kind} {placed.index} ({placed.name})", placed.rewrite)
        for placed in mapping.placements
        if placed.reason
    )


def _compiled_for(graph: Graph, way: Way) -> bool:
    return (graph.format, way.target) in (("edgetpu", "edgetpu"), ("vela", "ethos-u"))


def _check_way(graph: Graph, profile: DeviceProfile, way: Way, need: Need) -> Check:
    if graph.format in COMPILED:
        mapping = explain_compiled(graph, way.rules)
    else:
        mapping = predict(graph, way.rules, way.target, left=way.rest if way.fallback else NOWHERE)
    reasons = operator_reasons(mapping)
    refused = bool(reasons)
    partly = PARTLY_GPU if way.rest == GPU else PARTLY
    verdict = RUNS if not refused else partly if way.fallback and mapping.mapped else NO
    limits = [*(() if way.fallback else _numbers(graph, profile)), *_memory(need, profile)]
    if limits:
        verdict = NO
    install = () if profile.kind == "microcontroller" else _install(profile)
    return Check(profile.name, verdict, way, (*limits, *reasons, *install), mapping)


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


def _memory(need: Need, profile: DeviceProfile) -> list[Reason]:
    ram, flash = profile.get("ram_bytes"), profile.get("flash_bytes")
    generated = need.basis == GENERATED
    found = []
    stored = need.constant_bytes + need.code_bytes
    if flash is not None and stored > flash:
        what = "constants and room for code have" if generated else "the file has"
        text = f"{what} {stored:,} bytes, the flash {flash:,}"
        found.append(Reason("storage", text, None, "quantize, prune channels, or add external flash"))
    needed = need.ram_bytes if flash is not None else need.ram_bytes + stored
    if ram is not None and needed > ram:
        what = "the arena of generated firmware takes" if generated else "tensors alone take"
        text = f"{what if flash is not None else 'file and tensors take'} {needed:,} bytes, the memory has {ram:,}"
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
    arm32 = profile.get("architecture") in ("armv7l", "armv6l")
    if glibc is not None and arm32 and glibc < LEGACY_GLIBC:
        text = f"{image} has glibc {profile.get('glibc')}; tflite-runtime's wheels for 32-bit Arm need 2.34 or newer"
        found.append(Reason("install", text, None, "use a newer image, or a 64-bit system"))
    elif glibc is not None and glibc < GLIBC_FLOOR:
        text = f"{image} has glibc {profile.get('glibc')}; the wheels of ai-edge-litert need 2.27 or newer"
        found.append(Reason("install", text, None, "use a container with a newer system"))
    if arm32:
        if python is not None and python > LEGACY_PYTHON:
            text = f"{image} has Python {profile.get('python')}; 32-bit Arm has wheels of tflite-runtime up to 3.11"
            found.append(Reason("install", text, None, "use a 64-bit system, or Python 3.11 (the image before it)"))
    elif profile.get("architecture") == "aarch64" and "atomics" not in profile.get("isa", ["atomics"]):
        text = "without ARMv8.1's atomics, ai-edge-litert's CompiledModel aborts; edgevision uses its Interpreter"
        found.append(Reason("install", text, None, None))
    return tuple(found)


def _version(text: str | None) -> tuple[int, ...] | None:
    return None if text is None else tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
