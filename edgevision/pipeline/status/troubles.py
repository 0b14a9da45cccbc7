"""What is wrong with a pipeline now, in words, as the page says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgevision.pipeline.degradation import FULL


def troubles(state: Mapping[str, Any]) -> list[str]:
    """Return what is wrong, a sentence each; none where nothing is.

    Args:
        state: `edgevision.pipeline.watching.Watch.state`; of what is not in it nothing is said.
    """
    return [*_models(state), *_cameras(state["cameras"]), *_disk(state), *_sinks(state)]


def has_ended(camera: Mapping[str, Any]) -> bool:
    """Whether a camera's state is that of a recording that was read to its end."""
    return not (camera["connected"] or camera["failures"] or camera["live"]) and camera["openings"] > 0


def _models(state: Mapping[str, Any]) -> Iterator[str]:
    if state["worker_stuck"]:
        yield "the thread that runs the model does not come round"
    worker = state.get("worker", {})
    if worker.get("gone_s"):
        yield f"nothing is detected: the model's process has been gone for {worker['gone_s']:.0f} s: {worker['reason']}"
    for name, stage in state.get("second_stages", {}).items():
        if stage["away"]:
            yield f"{name}: no second looks: its model's process is gone: {stage['away']}"


def _cameras(cameras: Mapping[str, Any]) -> Iterator[str]:
    for name, camera in cameras.items():
        if not camera["connected"] and not has_ended(camera):
            yield f"{name}: no frames: {camera['reason']}"
        if camera["level"] != FULL.name:
            yield f"{name}: degraded to {camera['level']}"
        for what, why in camera.get("unkept", {}).items():
            yield f"{name}: {what} are not kept: {why}"


def _disk(state: Mapping[str, Any]) -> Iterator[str]:
    spool = state.get("spool", {})
    if spool.get("disk_error"):
        yield f"{spool['in_memory']} events are in memory only: {spool['disk_error']}"
    if trouble := state.get("capture", {}).get("trouble"):
        yield f"no pictures are captured: {trouble}"


def _sinks(state: Mapping[str, Any]) -> Iterator[str]:
    waiting = state.get("spool", {}).get("waiting", {})
    for name, sink in state.get("sinks", {}).items():
        if sink["error"]:
            yield f"{name} fails, {waiting.get(name, 0)} messages wait for it: {sink['error']}"
