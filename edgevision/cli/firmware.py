"""``edgevision firmware``: an int8 model as C code for a microcontroller, or any as a C++ project for Linux."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edgevision.cli.command import command
from edgevision.cli.options import Choice, model_argument, out_option, overwrite_option
from edgevision.cli.output import facts, show, table, working
from edgevision.errors import ConfigError

if TYPE_CHECKING:
    from edgevision.manifest import Manifest

BACKENDS = ("c99", "cmsis-nn")
ROUNDINGS = ("tflite-micro", "litert")
TARGETS = ("cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
LINUX = "linux"
FILTERS = ("linear_fixed", "nearest")


class Bytes(click.ParamType):  # type: ignore[type-arg]
    """A number of bytes: 131072 or 128K or 1M, of 1024 each."""

    name = "bytes"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what stands for the value in the help."""
        return "N[K|M]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; a usage error for anything else."""
        found = re.fullmatch("([0-9]{1,9})([KM]?)", str(value))
        if found is None:
            self.fail(f"got {value}; allowed: a number of bytes, such as 131072 or 128K", param, ctx)
        return int(found[1]) << {"": 0, "K": 10, "M": 20}[found[2]]


class Frames(click.ParamType):  # type: ignore[type-arg]
    """Formats of camera frames with commas between them, or ``none``."""

    name = "frames"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what stands for the value in the help."""
        return "A,B|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the names, none for ``none``."""
        return () if value == "none" else tuple(part.strip() for part in str(value).split(","))


@command(
    "firmware",
    "edgevision firmware runs/resnet8-tflite-static_wi8_ai8 --name cam --filter linear_fixed --max-ram 128K",
)
@model_argument()
@click.option("--name", default="model", show_default=True, help="Prefix of files, functions and types.")
@click.option(
    "--target", type=Choice((*TARGETS, LINUX)), default="cortex-m7", show_default=True,
    help="Processor to measure for; linux: a C++ project instead.",
)  # fmt: skip
@click.option(
    "--rounding", type=Choice(ROUNDINGS), default=ROUNDINGS[0], show_default=True,
    help="Whose results it has: litert rounds fully connected layers once.",
)  # fmt: skip
@click.option(
    "--backend", type=Choice(BACKENDS), default=BACKENDS[0], show_default=True,
    help="What computes: cmsis-nn calls a CMSIS-NN that you supply when you build the firmware.",
)  # fmt: skip
@click.option("--max-ram", type=Bytes(), help="The most bytes that the arena may have.")
@click.option("--max-flash", type=Bytes(), help="The most bytes that code and constants may have.")
@click.option(
    "--frames",
    type=Frames(),
    help="Camera formats to take: gray8, rgb565, rgb888, yuyv, nv12.  [default: all, if the preprocessing is known]",
)
@click.option(
    "--filter", "filter", type=Choice(FILTERS), help="Resize frames with this instead of the declared filter."
)
@out_option("runs")
@overwrite_option
def firmware(model: Path, out: Path, **options: Any) -> None:
    """Write MODEL as code for a camera: C99 for a microcontroller, or with --target linux a C++ project.

    For a microcontroller, MODEL is an int8 .tflite file or the artifact of one; OUT/NAME-c-static_wi8_ai8 gets it.

    The code allocates nothing, needs memcpy and memset alone, and computes bit for bit what TFLite Micro computes, or
    with --rounding litert what LiteRT's reference kernels do.
    Where the preprocessing is known, NAME_io.c computes it for camera frames, bit for bit what evaluate and predict
    compute; it has to be declared with a filter that needs integers alone, or --filter declares one for the firmware.
    Beside it: a selftest with golden vectors and frames, CMake and board files, and firmware.json with RAM, flash and
    operations. Flash includes the code where arm-none-eabi-gcc is installed.

    With --target linux, MODEL is an artifact of format openvino, onnx or tflite for classification or detection, of
    any scheme; OUT/NAME-linux gets a CMake project: one small C interface (include/ev.h) over OpenVINO's C runtime or
    LiteRT's C library, examples for V4L2 and GStreamer, a selftest, and the model. --name, --out and --overwrite apply.
    """
    if options["target"] == LINUX:
        _linux(model, out, options)
        return
    from edgevision.converters.firmware import firmware as generate

    with working("generating"):
        made = generate(model, out, **options)
    report = made.report
    measured, frames = report["measured"], report["frames"]
    summary = {
        "artifact": made.artifact.path,
        "RAM": f"{report['ram']['arena_bytes']:,} bytes" + (", the least possible" if report["ram"]["optimal"] else ""),
        "constants": f"{report['constant_bytes']:,} bytes",
        "flash": f"{measured['flash_bytes']:,} bytes ({report['target']}, gcc {measured['compiler']})"
        if measured
        else None,
        "MACs": f"{report['macs']:,}",
        "frames": _frames(frames) if frames else "none: left to the caller",
        "boxes": _boxes(made.artifact.manifest, frames),
    }
    rows = [
        [row["kind"], row["output"].split(";")[0][-40:], f"{row['macs']:,}", f"{row['constant_bytes']:,}"]
        for row in report["layers"]
    ]
    text = f"{facts(summary)}\n\n{table(['operator', 'output', 'MACs', 'constant bytes'], rows)}"
    show({"artifact": str(made.artifact.path), "firmware": report}, text)


def _linux(model: Path, out: Path, options: dict[str, Any]) -> None:
    from edgevision.converters.linux import linux_project

    context = click.get_current_context()
    for name in ("rounding", "backend", "max_ram", "max_flash", "frames", "filter"):
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option} is for microcontrollers, not for --target linux", next_step="leave it out")
    with working("generating"):
        made = linux_project(model, out, name=options["name"], overwrite=options["overwrite"])
    manifest = made.manifest
    litert = " -DEDGEVISION_LITERT=FOLDER" if manifest.format == "tflite" else ""
    summary = {
        "project": made.path,
        "runs on": "LiteRT's C library" if litert else "OpenVINO's C runtime",
        "results": ", ".join(part for part in (manifest.task, manifest.decoding.get("decoder")) if part),
        "build": f"cmake -S {made.path} -B build{litert} && cmake --build build && cmake --build build --target test",
    }
    show({"artifact": str(made.path), "firmware": {"target": LINUX, "name": options["name"]}}, facts(summary))


def _frames(report: dict[str, Any]) -> str:
    declared, measured = report["preprocessing"], report["measured"]
    flash = f", {measured['flash_bytes']:,} bytes of flash" if measured else ""
    size = f"{declared['height']}x{declared['width']}"
    return f"{', '.join(report['formats'])}: {declared['resize']} to {size} with {declared['filter']}{flash}"


def _boxes(manifest: Manifest, frames: dict[str, Any] | None) -> str | None:
    if manifest.task != "detection":
        return None
    decoder = manifest.decoding.get("decoder", "no decoder")
    return decoder if frames and frames["detection"] else f"none: left to the caller ({decoder})"
