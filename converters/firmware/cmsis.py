"""Steps that CMSIS-NN computes instead of generated kernels: calls of a library that the user of the firmware supplies.

Written for the interface of CMSIS-NN 4 to 7, whose results are those of TFLite Micro: the golden vectors stay the same.
Scratch memory is planned by what its ``…_get_buffer_size`` functions return for a processor; the generated code asks
them again, and `NAME_run` says ``NAME_ERROR_BACKEND`` where another version wants more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from edgevision.converters.firmware.fixed_point import multiplier_of
from edgevision.converters.firmware.lowering import Program
from edgevision.converters.firmware.step import Alias, Field, Step
from edgevision.converters.firmware.weighted import WIDE
from edgevision.graphs import Node

BACKENDS = ("c99", "cmsis-nn")
_VECTORS = ("cortex-m55",)
_DEPTHWISE_BLOCK = 124
"""Channels that its depthwise convolution gathers at once with vector instructions."""
_PIXEL: Mapping[str, int] = {
    "in_height": 1, "out_height": 1, "kernel_height": 1, "kernel_width": 1, "stride_height": 1, "stride_width": 1,
    "dilation_height": 1, "dilation_width": 1, "pad_top": 0, "pad_left": 0,
}  # fmt: skip


def with_cmsis(program: Program, target: str) -> Program:
    """Replace what CMSIS-NN has: convolutions, fully connected layers, pooling, sums, products, softmax."""
    steps = []
    for operator, step in program.steps:
        make = None if isinstance(step, Alias) else _STEPS.get(step.kernel)
        made = make(program, operator, cast(Step, step), target) if make is not None else None
        steps.append((operator, made or step))
    return replace(program, steps=tuple(steps))


def _convolution(program: Program, _: Node, step: Step, target: str) -> Step:
    window = cast(dict[str, int], step.fields["window"])
    depth = cast(dict[str, int], step.fields["rows"])["depth"]
    scratch = 4 * _up(depth, 16 if target in _VECTORS else 4)
    fields: dict[str, Field] = {"rows": _rows(step, window["in_zero_point"], scratch), "window": window}
    return replace(step, kernel="cmsis_convolution", fields=fields, scratch_bytes=scratch)


def _dense(program: Program, operator: Node, step: Step, target: str) -> Step:
    rows, columns = cast(dict[str, Any], step.fields["rows"]), cast(int, step.fields["columns"])
    zero_point = program.graph.values[step.reads[0]].zero_points[0]
    scratch = 4 * _up(rows["depth"], 4)
    window = {
        **_PIXEL,
        "in_width": columns,
        "out_width": columns,
        "in_channels": rows["depth"],
        "in_zero_point": zero_point,
    }
    one_scale = operator.kind == "FULLY_CONNECTED" and len(program.graph.values[operator.inputs[1]].scales) == 1
    made = _rows(step, zero_point, scratch)
    one_scale = one_scale and len({*zip(made["multipliers"].tolist(), made["shifts"].tolist(), strict=True)}) == 1
    return replace(
        step, kernel="cmsis_dense" if one_scale else "cmsis_convolution", fields={"rows": made, "window": window},
        scratch_bytes=scratch,
    )  # fmt: skip


def _depthwise(program: Program, _: Node, step: Step, target: str) -> Step:
    window = cast(dict[str, int], step.fields["window"])
    taps = window["kernel_height"] * window["kernel_width"]
    vectors = 4 * _DEPTHWISE_BLOCK * taps
    scratch = vectors if target in _VECTORS else 2 * window["in_channels"] * taps
    fields: dict[str, Field] = {
        "rows": _rows(step, window["in_zero_point"], scratch), "window": window,
        "multiplier": step.fields["multiplier"],
    }  # fmt: skip
    return replace(step, kernel="cmsis_depthwise", fields=fields, scratch_bytes=scratch, taps=0)


def _pooling(program: Program, _: Node, step: Step, target: str) -> Step:
    scratch = 4 * cast(dict[str, int], step.fields["window"])["in_channels"] if step.fields["average"] else 0
    fields = {**step.fields, "scratch_bytes": scratch}
    return replace(step, kernel="cmsis_pooling", fields=fields, scratch_bytes=scratch)


def _binary(program: Program, _: Node, step: Step, target: str) -> Step | None:
    """Sums and products of two computed or constant tensors of one shape; None for others."""
    shapes = {program.graph.values[name].sizes for name in (*step.reads, step.writes)}
    terms = cast(dict[str, int], step.fields["terms"])
    if len(shapes) > 1 or terms["sign"] == -1:
        return None
    return replace(step, kernel="cmsis_binary", fields={"terms": terms, "count": math.prod(shapes.pop())})


def _softmax(program: Program, operator: Node, step: Step, target: str) -> Step | None:
    scale = program.graph.values[step.reads[0]].scales[0]
    beta = float(np.float32(operator.attributes["beta"]))
    multiplier, shift = multiplier_of(min(beta * scale * (1 << 26), float((1 << 31) - 1)))
    if shift < 0:
        return None
    fields: dict[str, Field] = {
        "rows": step.fields["rows"], "length": step.fields["length"], "multiplier": multiplier, "shift": shift,
        "least_difference": -math.floor(31 * (1 << 26) / (1 << shift)),
    }  # fmt: skip
    return replace(step, kernel="cmsis_softmax", fields=fields)


_STEPS: Mapping[str, Callable[[Program, Node, Step, str], Step | None]] = {
    "convolution": _convolution,
    "dense": _dense,
    "depthwise": _depthwise,
    "pooling": _pooling,
    "binary": _binary,
    "softmax": _softmax,
}


def _rows(step: Step, zero_point: int, scratch: int) -> dict[str, Any]:
    """Return the fields of ``struct cmsis_rows``: the bias without the input's zero point, which the library takes."""
    rows = cast(dict[str, Any], step.fields["rows"])
    over = 0 if step.kernel == "depthwise" else 1
    bias = rows["scaling"][:, 0] + zero_point * rows["weights"].astype(np.int64).sum(axis=over)
    shifts = rows["scaling"][:, 2]
    return {
        "weights": rows["weights"], "bias": bias.astype(np.int32), "multipliers": rows["scaling"][:, 1].copy(),
        "shifts": np.where(shifts >= WIDE // 2, shifts - WIDE, shifts).astype(np.int32),
        "channels": rows["channels"], "zero_point": rows["zero_point"], "low": rows["low"], "high": rows["high"],
        "scratch_bytes": scratch,
    }  # fmt: skip


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
