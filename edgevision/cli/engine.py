"""Options of TensorRT engines, of convert and quantize."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.options import Body, Choice, Decorator, refuse_options

if TYPE_CHECKING:
    from edgevision.converters.tensorrt.settings import EngineSettings

ENGINES = ("tensorrt", "tensorrt-plan")
OPTIONS = (
    "dla", "gpu_fallback", "int8_from", "sparse_weights", "workspace_mib", "timing_cache", "tensorrt_version",
)  # fmt: skip


def engine_options(function: Body) -> Body:
    """``--dla N --no-gpu-fallback --int8-from S --sparse-weights --workspace-mib N --timing-cache F …``."""
    options: list[Decorator] = [
        click.option("--dla", type=click.IntRange(0, 15), metavar="CORE", help="TensorRT: build for this DLA core."),
        click.option(
            "--gpu-fallback/--no-gpu-fallback", default=True, show_default=True,
            help="TensorRT with --dla: layers that the DLA lacks run on the GPU, or are an error.",
        ),
        click.option(
            "--int8-from", type=Choice(["qdq", "table", "calibrator"]),
            help="TensorRT: int8 ranges from the ONNX file, a calibration table, or TensorRT's own calibrator (the "
            "last two up to TensorRT 10).  [default: qdq; table for a DLA up to TensorRT 10]",
        ),
        click.option("--sparse-weights", is_flag=True, help="TensorRT: use 2:4 sparse weights (Ampere, newer)."),
        click.option(
            "--workspace-mib", type=click.IntRange(min=1), metavar="N", help="TensorRT: scratch memory.  [default: all]"
        ),
        click.option("--timing-cache", metavar="FILE", help="TensorRT: keep what was timed, for faster builds."),
        click.option("--tensorrt-version", metavar="V", help="tensorrt-plan: the device's TensorRT, such as 10.3."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def engine_settings(to: Sequence[str], values: dict[str, Any]) -> EngineSettings | None:
    """Take the options out of ``values`` and return them; None where no format is an engine."""
    from edgevision.converters.tensorrt.settings import EngineSettings

    chosen = {name: values.pop(name) for name in OPTIONS}
    if not set(to) & set(ENGINES):
        refuse_options(OPTIONS, "is for TensorRT", got=f"--to {', '.join(to)}", allowed=" or ".join(ENGINES))
        return None
    return EngineSettings(**chosen)
