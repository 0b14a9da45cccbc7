"""What ``trtexec`` is told, by the release that it is of."""

from __future__ import annotations

from collections.abc import Sequence

from edgevision.converters.tensorrt.settings import STRONG_TYPING, Recipe, Version

BUILD_ONLY_SINCE: Sequence[tuple[Version, str]] = (((8, 6, 0), "--skipInference"), ((8, 5, 0), "--buildOnly"))
BRANCHES: tuple[Version, ...] = ((11, 0, 0), (10, 0, 0), (8, 6, 0), (8, 5, 0))
"""Releases from which on the arguments change, newest first."""


def trtexec_arguments(
    recipe: Recipe, version: Version, onnx: str, engine: str, *, table: str | None = None
) -> list[str]:
    """Return the arguments that build an engine.

    Args:
        recipe: What is built.
        version: The release of ``trtexec``.
        onnx: The ONNX file.
        engine: Where the engine goes.
        table: The calibration table, where int8 ranges come from one.
    """
    settings = recipe.settings
    arguments = [f"--onnx={onnx}", f"--saveEngine={engine}"]
    arguments.append(next(flag for since, flag in BUILD_ONLY_SINCE if version >= since))
    if version < STRONG_TYPING:
        arguments += _types(recipe, table)
    if recipe.scheme == "float32":
        arguments.append("--noTF32")
    if settings.dla is not None:
        arguments.append(f"--useDLACore={settings.dla}")
        arguments += ["--allowGPUFallback"] * settings.gpu_fallback
    if settings.sparse_weights:
        arguments.append("--sparsity=enable")
    if settings.workspace_mib is not None:
        arguments.append(f"--memPoolSize=workspace:{settings.workspace_mib}")
    if settings.timing_cache is not None:
        arguments.append(f"--timingCacheFile={settings.timing_cache}")
    return arguments


def _types(recipe: Recipe, table: str | None) -> list[str]:
    """Return the flags that say which types kernels may compute in; what is not int8 may be half."""
    if recipe.scheme == "float32":
        return []
    if recipe.int8_from is None:
        return ["--fp16"]
    return ["--int8", "--fp16", *([f"--calib={table}"] if table is not None else [])]
