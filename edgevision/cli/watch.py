"""``edgevision watch``: cameras, a model, rules and sinks, from a configuration, until it is stopped."""

from __future__ import annotations

import logging
import queue
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command
from edgevision.cli.options import FloatRange
from edgevision.cli.output import note, show, table

if TYPE_CHECKING:
    from edgevision.pipeline.watching import Watch

LOOK_S = 0.2


@command(
    "watch",
    "edgevision watch yard.toml",
    "edgevision watch yard.toml --check",
    "edgevision watch yard.toml --duration 60 --json",
)
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Read the configuration and load the model, and run nothing.")
@click.option("--duration", type=FloatRange(min=0, min_open=True), help="Seconds after which to end.")
def watch(config: Path, check: bool, duration: float | None) -> None:
    """Watch the cameras of CONFIG, a TOML document, until recordings end or a signal comes.

    SIGTERM and SIGINT end it in order: what is under way is handled, and events that no sink has yet stay in the spool.
    SIGHUP reads CONFIG anew: cameras that did not change go on, and one that makes no sense changes nothing.
    """
    from edgevision.errors import SourceError
    from edgevision.pipeline.watching import Watch

    with _signals() as signals, _logged():
        watching = Watch(config)
        if check:
            watching.stop()
            cameras, second, sinks = (
                [one.name for one in several]
                for several in (watching.config.cameras, watching.config.second_stages, watching.config.sinks)
            )
            show({"config": str(config), "cameras": cameras, "second_stages": second, "sinks": sinks},
                 f"{config}: {len(cameras)} cameras, {len(second)} second stages, {len(sinks)} sinks")  # fmt: skip
            return
        with watching:
            if watching.status_port is not None:
                note(f"status page: port {watching.status_port}")
            _wait(watching, signals, duration)
            state = watching.state()
    show({"config": str(config), **state}, _text(state))
    failed = [
        f"{name}: {one['reason']}" for name, one in state["cameras"].items() if one["failures"] and not one["live"]
    ]
    if failed:
        raise SourceError("not every recording was looked at to its end", got="; ".join(failed))


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
    """Within the block, write what the pipeline logs to stderr, a line each."""
    logger, handler = logging.getLogger("edgevision.pipeline"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = logger.level
    logger.setLevel(logging.INFO)
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
    return table(["camera", "frames", "looked at", "late", "not looked at", "age ms", "events"], rows)
