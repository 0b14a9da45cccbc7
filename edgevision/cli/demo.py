"""``edgevision demo``: the whole way on shipped images."""

from __future__ import annotations

from pathlib import Path

import click

from edgevision.cli.command import command
from edgevision.cli.options import FloatRange, out_option, overwrite_option, seed_option
from edgevision.cli.output import check_failed, note, show, working


@command("demo", "edgevision demo", "edgevision demo --out runs/demo --overwrite --test-images 200")
@click.option(
    "--calibration-count",
    type=click.IntRange(min=1, max=1600),
    default=500,
    show_default=True,
    help="Shipped training images to calibrate on.",
)
@click.option(
    "--test-images",
    type=click.IntRange(min=10, max=1000),
    default=1000,
    show_default=True,
    help="Shipped test images to evaluate on.",
)
@click.option(
    "--min-duration", type=FloatRange(min=0), default=2.0, show_default=True, help="Seconds of measurement each."
)
@seed_option
@out_option("runs/demo")
@overwrite_option
def demo(calibration_count: int, test_images: int, min_duration: float, seed: int, out: Path, overwrite: bool) -> None:
    """Take the shipped ResNet-8 and images the whole way: prune, quantize, export, verify, benchmark, report.

    It writes OUT/artifacts and OUT/report, and needs the extras compress, openvino and report. Exit status 3 when an
    artifact does not keep its parity contract.
    """
    import time

    from edgevision.demo import run_demo
    from edgevision.report import terminal_table

    started = time.monotonic()
    with working("demo") as line:

        def say(step: str) -> None:
            line.say(step)
            note(f"{time.monotonic() - started:4.0f} s  {step}")

        result = run_demo(
            out,
            calibration_count=calibration_count,
            test_images=test_images,
            min_duration_s=min_duration,
            seed=seed,
            overwrite=overwrite,
            say=say,
        )
    listed = "\n".join(str(path) for path in result.files)
    show({"report": result.report.to_dict(), "files": [str(path) for path in result.files]},
         f"{terminal_table(result.report)}\n\n{listed}")  # fmt: skip
    if not result.verified:
        check_failed("an artifact does not keep its parity contract; edgevision verify ARTIFACT says how")
