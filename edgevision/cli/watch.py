"""``edgevision watch``: cameras, a model, rules and sinks, from a configuration, until it is stopped."""

from __future__ import annotations

import logging
import queue
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command
from edgevision.cli.options import FloatRange
from edgevision.cli.output import note, show, table
from edgevision.cli.quiet import Settings

if TYPE_CHECKING:
    from edgevision.pipeline.watching import Watch

LOOK_S = 0.2


def _print_example(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(files("edgevision.pipeline.config").joinpath("example.toml").read_text(encoding="utf-8"), nl=False)
        context.exit()


@command(
    "watch",
    "edgevision watch yard.toml",
    "edgevision watch yard.toml --check",
    "edgevision watch yard.toml --duration 60 --json",
    "edgevision watch --example > yard.toml",
)
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--example", is_flag=True, is_eager=True, expose_value=False, callback=_print_example,
    help="Print a configuration with every key there is, and its default, and exit.",
)
@click.option("--check", is_flag=True, help="Read the configuration, load the model, try places and port; run nothing.")
@click.option("--duration", type=FloatRange(min=0, min_open=True), help="Seconds after which to end.")
def watch(config: Path, check: bool, duration: float | None) -> None:
    """Watch the cameras of CONFIG, a TOML document, until recordings end or a signal comes.

    SIGTERM and SIGINT end it in order: what is under way is handled, and events that no sink has yet stay in the spool.
    SIGHUP reads CONFIG anew: cameras that did not change go on, and one that makes no sense changes nothing.
    """
    from edgevision.errors import SourceError
    from edgevision.pipeline.watching import Watch
    from edgevision.processes import leave_no_core

    if check:
        _check(config)
        return
    leave_no_core()
    with _signals() as signals, _logged(), Watch(config) as watching:
        if watching.status_url is not None:
            note(f"status page: {watching.status_url}")
        _wait(watching, signals, duration)
    state = watching.state()
    show({"config": str(config), **state}, _text(state))
    failed = [
        f"{name}: {one['reason']}" for name, one in state["cameras"].items() if one["failures"] and not one["live"]
    ]
    if failed:
        raise SourceError("not every recording was looked at to its end", got="; ".join(failed))


def _check(config: Path) -> None:
    from edgevision.pipeline.checking import check

    found = check(config)
    cameras = [camera.name for camera in found.config.cameras]
    second = [stage.name for stage in found.config.second_stages]
    sinks = [sink.name for sink in found.config.sinks]
    for text in found.notes:
        note(f"edgevision: {text}")
    parts = {"cameras": cameras, "second_stages": second, "sinks": sinks}
    text = "; ".join(f"{what.replace('_', ' ')}: {', '.join(names) or 'none'}" for what, names in parts.items())
    show({"config": str(config), **parts, "notes": list(found.notes)}, f"{config}: ready to run; {text}")


def _wait(watching: Watch, signals: queue.SimpleQueue[int], duration: float | None) -> None:
    """Return when recordings have ended, time is up, or a signal says so."""
    from edgevision.errors import EdgeVisionError

    end = None if duration is None else time.monotonic() + duration
    while not watching.join(LOOK_S):
        if end is not None and time.monotonic() >= end:
            return
        while not signals.empty():
            if signals.get() != signal.SIGHUP:
                return
            try:
                watching.reload()
                note("the configuration was read anew")
            except EdgeVisionError as exc:
                note(f"edgevision: the configuration in use goes on: {exc}")


@contextmanager
def _signals() -> Iterator[queue.SimpleQueue[int]]:
    """Within the block, put signals into a queue instead of ending the process."""
    came: queue.SimpleQueue[int] = queue.SimpleQueue()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, frame: came.put(number)) for number in numbers}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _logged() -> Iterator[None]:
    """Within the block, write what the pipeline logs to stderr, a line each; with ``--debug`` all of it."""
    logger, handler = logging.getLogger("edgevision.pipeline"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = logger.level
    debug = click.get_current_context().ensure_object(Settings).debug
    logger.setLevel(logging.DEBUG if debug else logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _text(state: dict[str, Any]) -> str:
    rows = []
    for name, camera in state["cameras"].items():
        age = camera["stages"].get("age", {}).get("p50_ms")
        lost = ", ".join(f"{count} {reason}" for reason, count in camera["dropped"].items() if count) or "none"
        shown = "–" if age is None else f"{age:.0f}"
        rows.append((name, camera["received"], camera["results"], camera["late"], lost, shown, camera["events"]))
    lines = [table(["camera", "frames", "looked at", "late", "not looked at", "age ms", "events"], rows)]
    if own := state["own_events"]:
        lines += ["", f"and {own} events of the pipeline itself, such as lost cameras and exchanged models"]
    if capture := state.get("capture"):
        trouble = f"; {capture['trouble']}" if capture["trouble"] else ""
        written = f"{capture['written']} pictures, {capture['lost']} frames could not be written"
        lines += ["", f"captured: {written}{trouble}"]
    return "\n".join(lines)
