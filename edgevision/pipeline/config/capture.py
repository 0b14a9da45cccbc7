"""The table ``[capture]``."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from edgevision.errors import ConfigError
from edgevision.pipeline.capture import CaptureSettings, DriftSettings
from edgevision.pipeline.capture.settings import KEPT
from edgevision.pipeline.config.table import Table
from edgevision.pipeline.recording import Retention


def capture_of(table: Table, score_threshold: float | None) -> CaptureSettings:
    """Read what is captured; what is not said keeps its default.

    Args:
        table: The table.
        score_threshold: The model's, where the document says one: no object has a lower score.

    Raises:
        ConfigError: An unknown key, or a value that makes no sense.
    """
    limits = Retention(table.whole("max_bytes", KEPT.max_bytes), table.number("max_days", KEPT.max_days))
    settings = CaptureSettings(
        table.path("folder"), retention=limits, drift=_drift(table.table("drift")), **_given(table)
    )  # fmt: skip
    table.finish()
    band = settings.low_confidence
    if band is not None and score_threshold is not None and band[1] <= score_threshold:
        raise ConfigError(
            f"{table.what}: low_confidence: the model gives no such scores", got=list(band),
            allowed=f"up to more than its score_threshold, {score_threshold:g}",
        )  # fmt: skip
    return settings


def _given(table: Table) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if "low_confidence" in table:
        given["low_confidence"] = table.span("low_confidence")
    table.know("low_confidence")
    for name in ("random", "min_interval_s"):
        if (number := table.number(name, None)) is not None:
            given[name] = number
    for name in ("max_per_hour", "min_free_bytes"):
        if (whole := table.whole(name, None)) is not None:
            given[name] = whole
    return {**given, "crops": table.flag("crops", False)}


def _drift(table: Table | None) -> DriftSettings | None:
    if table is None:
        return DriftSettings()
    watched = table.flag("watched", True)
    given = {one.name: table.number(one.name) for one in fields(DriftSettings) if one.name in table}
    table.know(*(one.name for one in fields(DriftSettings)))
    table.finish()
    return DriftSettings(**given) if watched else None
