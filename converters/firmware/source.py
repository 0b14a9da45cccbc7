"""The C source of a program: constants, the kernels that it uses, and the calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from edgevision.converters.firmware.lowering import Program
from edgevision.converters.firmware.step import Field, Step
from edgevision.lifetimes import Layout
from edgevision.tensors import Array

KERNELS = {
    "bilinear": (),
    "binary": ("scaled", "clamped", "terms"),
    "cmsis_binary": ("cmsis", "terms"),
    "cmsis_convolution": ("cmsis", "window"),
    "cmsis_dense": ("cmsis", "window", "cmsis_convolution"),
    "cmsis_depthwise": ("cmsis", "window"),
    "cmsis_pooling": ("cmsis", "window"),
    "cmsis_softmax": ("cmsis",),
    "convolution": ("scaled", "clamped", "window", "rows", "column", "columns"),
    "dense": ("scaled", "clamped", "rows", "column", "columns"),
    "depthwise": ("scaled", "clamped", "window", "rows"),
    "fill": (),
    "lookup": (),
    "mean": ("scaled", "clamped"),
    "move": (),
    "nearest": (),
    "pooling": ("clamped", "window"),
    "prelu": ("scaled", "clamped"),
    "softmax": ("clamped",),
    "transposed": ("scaled", "clamped", "window", "rows", "column"),
}
"""Kernel -> the files that it builds on, in the order that C needs them."""

_STRUCTS = {"cmsis_dense": "cmsis_convolution"}
"""Kernels that take another one's struct."""
_FAIL = "cmsis_"
"""Kernels that begin so return whether they failed."""
_PARTS = ("cmsis", "scaled", "once", "clamped", "terms", "window", "rows", "column", "columns")
_TYPES = {"int8": "int8_t", "int32": "int32_t", "uint8": "uint8_t"}
_WIDTH = 116


@dataclass(frozen=True)
class Names:
    """How the generated code calls itself.

    Attributes:
        name: Prefix of functions and types: a C identifier in lower case.
        labels: Class names in the order of the scores.
        model_sha256: Of the model file.
    """

    name: str
    labels: tuple[str, ...]
    model_sha256: str

    @property
    def upper(self) -> str:
        """Prefix of macros."""
        return self.name.upper()


def code(program: Program, arena: Layout, names: Names) -> str:
    """Return the text of ``<name>.c``."""
    steps = [(i, step) for i, (_, step) in enumerate(program.steps) if isinstance(step, Step)]
    kernels = kernels_of(step for _, step in steps)
    parts = [_fill(_text("templates", "head.c"), names)]
    if "rows" in kernels:
        parts.append(_text("templates", "simd.c"))
    taps = max((step.taps for _, step in steps), default=0)
    if taps:
        parts.append(f"#define DEPTHWISE_TAPS {taps}")
    parts += [_text("kernels", f"{kernel}.c") for kernel in kernels]
    constants: dict[str, str] = {}
    for name in dict.fromkeys(name for _, step in steps for name in step.reads):
        data = program.graph.values[name].data
        if data is not None:
            constants[name] = f"tensor_{len(constants)}"
            parts.append(array(constants[name], data))
    parts += [_step_constants(position, step) for position, step in steps]
    calls = "\n".join(_call(position, step, arena, constants) for position, step in steps)
    parts.append(f"static int32_t run(int8_t *arena)\n{{\n    int32_t failed = 0;\n{calls}\n    return failed;\n}}")
    parts.append(_ends(program, arena, names))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def header(program: Program, arena: Layout, names: Names) -> str:
    """Return the text of ``<name>.h``."""
    graph = program.graph
    sizes = {
        "INPUT": [graph.values[name].elements for name in graph.inputs],
        "OUTPUT": [graph.values[name].elements for name in graph.outputs],
    }
    lines = [f"#define {names.upper}_ARENA_SIZE {arena.plan.peak}U"]
    for side, found in sizes.items():
        lines.append(f"#define {names.upper}_{side}S {len(found)}U")
        lines += [f"#define {names.upper}_{side}_{i}_SIZE {size}U" for i, size in enumerate(found)]
    lines.append(f"#define {names.upper}_LABELS {len(names.labels)}U")
    return _fill(_text("templates", "header.h"), names).replace("@SIZES@", "\n".join(lines))


def kernels_of(steps: Iterable[Step]) -> list[str]:
    """Return the files in ``kernels/`` that steps need, those that others build on first."""
    steps = tuple(steps)
    used = {step.kernel for step in steps}
    needed = {part for step in steps for part in (*KERNELS[step.kernel], *step.parts)}
    return [part for part in _PARTS if part in needed] + sorted(used | (needed & KERNELS.keys()))


def array(name: str, data: Array, *, linkage: str = "static ") -> str:
    """Return the definition of a constant array."""
    flat = np.ascontiguousarray(data).reshape(-1)
    texts = [_number(int(value)) for value in flat.tolist()]
    lines, line = [], "   "
    for text in texts:
        if len(line) + len(text) + 2 > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {text},"
    lines.append(line)
    return f"{linkage}const {_TYPES[flat.dtype.name]} {name}[{len(texts)}] = {{\n" + "\n".join(lines) + "\n};"


def text_constant(text: str) -> str:
    """Return a C string literal: what is not plain ASCII as octal escapes of its UTF-8 bytes."""
    plain = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode())
    return f'"{plain}"'


def _number(value: int) -> str:
    return "(-2147483647 - 1)" if value == -(1 << 31) else str(value)


def _text(folder: str, name: str) -> str:
    return (files("edgevision.converters.firmware") / folder / name).read_text(encoding="utf-8")


def _fill(text: str, names: Names) -> str:
    return text.replace("@name@", names.name).replace("@NAME@", names.upper)


def _step_constants(position: int, step: Step) -> str:
    arrays: list[str] = []
    fields = _struct(f"step_{position}", step.fields, arrays)
    return "\n".join(
        [*arrays, f"static const struct {_STRUCTS.get(step.kernel, step.kernel)} step_{position} = {fields};"]
    )


def _struct(prefix: str, fields: Mapping[str, Field], arrays: list[str], indent: int = 1) -> str:
    lines = []
    for key, value in fields.items():
        if isinstance(value, np.ndarray):
            arrays.append(array(f"{prefix}_{key}", value))
            shown = f"{prefix}_{key}"
        elif isinstance(value, Mapping):
            shown = _struct(prefix, value, arrays, indent + 1)
        elif isinstance(value, tuple):
            shown = "{" + ", ".join(map(_number, value)) + "}"
        else:
            shown = _number(int(value))
        lines.append(f"{'    ' * indent}.{key} = {shown},")
    return "{\n" + "\n".join(lines) + "\n" + "    " * (indent - 1) + "}"


def _call(position: int, step: Step, arena: Layout, constants: Mapping[str, str]) -> str:
    arguments = [f"&step_{position}"]
    arguments += [constants.get(name) or f"&arena[{arena.tensors[name]}]" for name in step.reads]
    arguments.append(f"&arena[{arena.tensors[step.writes]}]")
    if step.scratch_bytes is not None:
        arguments.append(f"&arena[{arena.scratch.get(position, 0)}]")
    failing = "failed |= " if step.kernel.startswith(_FAIL) else ""
    return f"    {failing}{step.kernel}({', '.join(arguments)});"


def _ends(program: Program, arena: Layout, names: Names) -> str:
    graph = program.graph

    def places(ends: tuple[str, ...]) -> str:
        return ", ".join(str(arena.tensors[name]) for name in ends)

    labels = ", ".join(map(text_constant, names.labels)) or "NULL"
    filled = _fill(_text("templates", "ends.c"), names)
    replacements = {
        "@INPUT_PLACES@": places(graph.inputs),
        "@OUTPUT_PLACES@": places(graph.outputs),
        "@LABELS@": labels,
        "@LABEL_ROOM@": str(max(1, len(names.labels))),
        "@SHA256@": ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(names.model_sha256)),
    }
    for mark, text in replacements.items():
        filled = filled.replace(mark, text)
    return filled
