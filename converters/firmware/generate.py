"""From an int8 model to an artifact of format ``c``: sources, selftest, build files and ``firmware.json``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgevision.artifact import Artifact, write_artifact
from edgevision.converters.firmware import size
from edgevision.converters.firmware.arena import plan_arena
from edgevision.converters.firmware.cmsis import BACKENDS, with_cmsis
from edgevision.converters.firmware.fixed_point import ROUNDINGS
from edgevision.converters.firmware.frames import FrameInput, frame_input, frame_sources
from edgevision.converters.firmware.lowering import Program, lower
from edgevision.converters.firmware.pieces import template
from edgevision.converters.firmware.selftest import selftest_sources
from edgevision.converters.firmware.source import Names, code, header
from edgevision.converters.firmware.specs import specs_of
from edgevision.converters.firmware.targets import TARGETS
from edgevision.documents import pretty_json
from edgevision.errors import ConfigError, IncompatibleModelError, check_choice
from edgevision.files import check_place, sha256_file
from edgevision.graphs import Graph, read_graph
from edgevision.lifetimes import Layout
from edgevision.manifest import LineageStep
from edgevision.optional import versions

SCHEMA = 1
REPORT = "firmware.json"
_LIBRARIES = {
    "c99": "",
    "cmsis-nn": "# The target of CMSIS-NN's own CMakeLists.txt: add it first.\n"
    "target_link_libraries(@name@ PUBLIC cmsis-nn)\n",
}
_KEYWORDS = {
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern", "float",
    "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed", "sizeof",
    "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while",
}  # fmt: skip


@dataclass(frozen=True)
class Firmware:
    """What was generated.

    Attributes:
        artifact: The artifact of format ``c``.
        report: What ``firmware.json`` says: RAM and flash in bytes, operations, in all and per operator.
    """

    artifact: Artifact
    report: Mapping[str, Any]


def firmware(
    model: str | Path | Artifact,
    out: str | Path,
    *,
    name: str = "model",
    target: str = "cortex-m7",
    rounding: str = ROUNDINGS[0],
    backend: str = BACKENDS[0],
    max_ram: int | None = None,
    max_flash: int | None = None,
    frames: Sequence[str] | None = None,
    filter: str | None = None,
    overwrite: bool = False,
) -> Firmware:
    """Generate C99 from an int8 ``.tflite`` model and write it as the artifact ``<out>/<name>-c-static_wi8_ai8``.

    The code allocates nothing, keeps no state outside of the arena that its caller gives, and computes bit for bit what
    TFLite Micro's reference kernels compute, or LiteRT's.

    Args:
        model: A ``.tflite`` file, or an artifact with one.
        out: The folder that gets the artifact.
        name: Prefix of files, functions and types: a C identifier in lower case.
        rounding: "tflite-micro" rounds twice everywhere, as TFLite Micro and CMSIS-NN do; "litert" rounds fully
            connected layers once, as LiteRT's reference kernels do.
        backend: "c99": nothing else is needed; "cmsis-nn": calls of a CMSIS-NN that is supplied when the firmware is
            built, where it has the operator. Code is not measured then.
        target: The processor that sizes are measured and the board example is made for, one of `targets.TARGETS`.
        max_ram: The most bytes that the arena may have.
        max_flash: The most bytes that code and constants may have; code counts where the target's compiler is here.
        frames: Formats of camera frames that ``<name>_preprocess`` takes, some of `frames.CAMERA_FORMATS`:
            all by default where the preprocessing is known; an empty sequence for none.
        filter: The filter that frames are resized with, one of `frames.FRAME_FILTERS`, instead of the one that the
            artifact's preprocessing has. The new artifact's preprocessing says so: evaluate it again.
        overwrite: Whether an artifact that is there may be replaced.

    Raises:
        ConfigError: A name or target that makes no sense, or a place that is taken.
        ArtifactError: The model file is damaged.
        IncompatibleModelError: Operators that are not supported, all of them with reasons; preprocessing that
            firmware does not compute; or it does not fit.
        BackendUnavailableError: No C compiler here to compute the golden vectors with.
    """
    _check_name(name)
    check_choice("target", target, TARGETS)
    check_choice("rounding", rounding, ROUNDINGS)
    check_choice("backend", backend, BACKENDS)
    if (rounding, backend) == ("litert", "cmsis-nn"):
        raise ConfigError(
            "rounding with the backend cmsis-nn", got=rounding, allowed="tflite-micro: CMSIS-NN rounds so"
        )
    place = Path(out) / f"{name}-c-static_wi8_ai8"
    check_place(place, overwrite)
    source = _opened(model)
    portable = lower(read_graph(source.model_file), source.model_file.name, rounding)
    program = with_cmsis(portable, target) if backend == "cmsis-nn" else portable
    arena = plan_arena(program)
    names = Names(name, source.manifest.labels or (), sha256_file(source.model_file))
    camera = _camera(source, program.graph, frames, filter)
    _check_labels(source, program.graph, names, camera)
    files = _sources(program, arena, names)
    measured = size.compiled(files, name, target) if backend == "c99" else None
    settings = {"target": target, "rounding": rounding, "backend": backend}
    around = {} if camera is None else frame_sources(camera, names)
    shown = None if camera is None else _frames_report(camera, {**files, **around}, names, target)
    report = {**_report(program, arena, names), **settings, "measured": measured, "frames": shown}
    _check_fits(report, max_ram, max_flash)
    if backend != "c99":  # which has the same answers, and compiles here
        arena = plan_arena(portable)
    here = files if backend == "c99" else _sources(portable, arena, names)
    files |= around
    files |= selftest_sources(source, portable, arena, names, here, camera)
    files |= _build_files(names, target, backend, camera)
    files[REPORT] = pretty_json(report)
    artifact = _write(source, program.graph, place, files, {"name": name, **settings}, camera, overwrite)
    return Firmware(artifact, report)


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]{0,30}", name) or name in _KEYWORDS:
        raise ConfigError("name of the firmware", got=repr(name), allowed="a C identifier in lower case, such as cam")


def _opened(model: str | Path | Artifact) -> Artifact:
    if isinstance(model, Artifact):
        found = model
    else:
        path = Path(model)
        found = Artifact.open(path) if path.is_dir() or path.name == "manifest.json" else Artifact.describe(path)
    if found.manifest.format != "tflite":
        raise IncompatibleModelError(
            f"{found.model_file}: firmware is made from int8 TFLite models", got=found.manifest.format,
            allowed="tflite", next_step="edgevision quantize the model that it was made from, --to tflite",
        )  # fmt: skip
    return found


def _camera(source: Artifact, graph: Graph, frames: Sequence[str] | None, filter_: str | None) -> FrameInput | None:
    manifest = source.manifest
    inputs, outputs = specs_of(graph, graph.inputs, manifest.inputs), specs_of(graph, graph.outputs, manifest.outputs)
    return frame_input(manifest, inputs, outputs, frames, filter_)


def _check_labels(source: Artifact, graph: Graph, names: Names, camera: FrameInput | None) -> None:
    if camera is not None and camera.detection is not None:
        classes, what = camera.detection.classes, "class"
    elif source.manifest.task == "detection":
        return  # how many classes there are is known to the decoder alone
    else:
        classes, what = graph.values[graph.outputs[0]].elements, "score"
    if names.labels and len(names.labels) != classes:
        raise ConfigError(
            "labels of the artifact", got=f"{len(names.labels)} labels", allowed=f"{classes}, one per {what}"
        )


def _frames_report(camera: FrameInput, files: Mapping[str, str], names: Names, target: str) -> dict[str, Any]:
    return {**camera.report(), "measured": size.compiled(files, f"{names.name}_io", target)}


def _report(program: Program, arena: Layout, names: Names) -> dict[str, Any]:
    graph = program.graph
    sides = {
        side: [
            {
                "name": tensor.name,
                "shape": list(tensor.sizes),
                "bytes": tensor.elements,
                "scale": tensor.scales[0] if tensor.scales else None,
                "zero_point": tensor.zero_points[0] if tensor.zero_points else None,
                "offset": arena.tensors[tensor.name],
            }
            for tensor in (graph.values[end] for end in ends)
        ]
        for side, ends in (("inputs", graph.inputs), ("outputs", graph.outputs))
    }
    return {
        "schema": SCHEMA,
        "name": names.name,
        "model_sha256": names.model_sha256,
        **sides,
        **size.report(program, arena),
    }


def _check_fits(report: Mapping[str, Any], max_ram: int | None, max_flash: int | None) -> None:
    ram = report["ram"]["arena_bytes"]
    if max_ram is not None and ram > max_ram:
        holders = ", ".join(f"{row['name']} {row['bytes']:,} B" for row in report["ram"]["holders"][:3])
        raise IncompatibleModelError(
            "the model does not fit: RAM", got=f"{ram:,} bytes ({holders} at once)", allowed=f"{max_ram:,} bytes",
            next_step="a smaller input or fewer channels: edgevision prune --method channels",
        )  # fmt: skip
    measured, frames = report["measured"], report["frames"]
    flash = measured["flash_bytes"] if measured else report["constant_bytes"]
    if frames is not None:
        flash += frames["measured"]["flash_bytes"] if measured else frames["constant_bytes"]
    if max_flash is not None and flash > max_flash:
        what = "code and constants" if measured else "constants alone"
        raise IncompatibleModelError(
            f"the model does not fit: flash, {what}", got=f"{flash:,} bytes", allowed=f"{max_flash:,} bytes",
            next_step="fewer channels: edgevision prune --method channels",
        )  # fmt: skip


def _sources(program: Program, arena: Layout, names: Names) -> dict[str, str]:
    return {f"{names.name}.c": code(program, arena, names), f"{names.name}.h": header(program, arena, names)}


def _build_files(names: Names, target: str, backend: str, camera: FrameInput | None) -> dict[str, str]:
    board = TARGETS[target]
    sources = [f"{names.name}.c"] if camera is None else [f"{names.name}.c", f"{names.name}_io.c"]
    marks = {
        "MACHINE": board.machine,
        "CODE_ORIGIN": f"0x{board.code[0]:08X}",
        "CODE_LENGTH": f"0x{board.code[1]:X}",
        "DATA_ORIGIN": f"0x{board.data[0]:08X}",
        "DATA_LENGTH": f"0x{board.data[1]:X}",
        "INSTRUCTIONS_PER_TICK": str(1_000_000_000 // board.clock_hz),
    }
    return {
        "CMakeLists.txt": template(
            "CMakeLists.txt", names, {"SOURCES": " ".join(sources), "LIBRARIES": _LIBRARIES[backend]}
        ),
        "examples/host_main.c": template("host_main.c", names, {}),
        "examples/board/main.c": template("board_main.c", names, marks),
        "examples/board/startup.c": template("startup.c", names, {}),
        "examples/board/board.ld": template("linker.ld", names, marks),
    }


def _write(
    source: Artifact,
    graph: Graph,
    place: Path,
    files: Mapping[str, str],
    settings: Mapping[str, str],
    camera: FrameInput | None,
    overwrite: bool,
) -> Artifact:
    manifest = source.manifest
    golden = source.golden()
    preprocessing = manifest.preprocessing if camera is None else camera.bound.preprocessing
    parameters: dict[str, Any] = dict(settings)
    if camera is not None and preprocessing != manifest.preprocessing:
        parameters["filter"] = camera.bound.preprocessing.filter
        golden = None if golden is None else replace(golden, float_outputs=())  # they were of other pixels
    step = LineageStep("firmware", parameters, versions("edgevision"))
    fields = {
        "format": "c",
        "name": settings["name"],
        "task": manifest.task,
        "labels": manifest.labels,
        "inputs": specs_of(graph, graph.inputs, manifest.inputs),
        "outputs": specs_of(graph, graph.outputs, manifest.outputs),
        "preprocessing": preprocessing,
        "decoding": manifest.decoding,
        "scheme": "static_wi8_ai8",
        "source_sha256": source.sha256,
        "lineage": (*manifest.lineage, step),
    }
    kept = None if golden is None else replace(golden, expected={})
    return write_artifact(place, fields, {key: text.encode() for key, text in files.items()}, kept, overwrite)
