"""Targets of channel pruning that have to be measured: bytes of the exported file, latency on a device."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgevision.benchmark import Candidate, benchmark
from edgevision.converters.channel_report import ChannelTarget
from edgevision.converters.formats import SCHEMES
from edgevision.errors import CalibrationError
from edgevision.export import export

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgevision.artifact import Artifact
    from edgevision.converters.keras_import import SourceModel
    from edgevision.data.dataset import ImageDataset

CALIBRATION_COUNT = 20
"""Images that ranges are measured on: neither size nor speed depends on them."""


def channel_target(
    kind: str,
    value: float,
    *,
    to: str = "tflite",
    scheme: str = "static_wi8_ai8",
    calibration_data: ImageDataset | None = None,
    runtime: str | None = None,
    device: str = "cpu",
    min_duration_s: float = 1.0,
) -> ChannelTarget:
    """Return a target with what measures it: each model that is tried is exported, and timed where that is wanted.

    Args:
        kind: ``macs``, ``parameters``, ``bytes`` or ``latency_ms``.
        value: The share that may remain, or above 1 the number; always milliseconds for ``latency_ms``.
        to: The format that counts.
        scheme: The numeric scheme that counts.
        calibration_data: Images, for a scheme that is calibrated.
        runtime: What runs it; None for the first that fits.
        device: Where it runs.
        min_duration_s: Seconds of measured inference for each model that is tried.

    Raises:
        ConfigError: An unknown kind, or a value that makes no sense.
        CalibrationError: The scheme is calibrated and there are no images.
    """
    if kind in ("bytes", "latency_ms") and SCHEMES[scheme].calibration and calibration_data is None:
        raise CalibrationError(
            f"a target in {kind} of {scheme} needs calibration data", next_step="give images, or another scheme"
        )

    @contextmanager
    def exported(source: SourceModel) -> Iterator[Artifact]:
        with tempfile.TemporaryDirectory() as folder:
            made = export(
                source,
                folder,
                to=(to,),
                scheme=scheme,
                calibration_data=calibration_data,
                calibration_count=CALIBRATION_COUNT,
            )
            yield made[0].artifact

    def size(source: SourceModel) -> float:
        with exported(source) as artifact:
            return artifact.bytes

    def latency(source: SourceModel) -> float:
        with exported(source) as artifact:
            report = benchmark([Candidate(artifact, runtime, device)], warmup_s=0.2, min_duration_s=min_duration_s)
        return report.entries[0].latency.p50_ms

    measures: dict[str, Callable[[Any], float]] = {"bytes": size, "latency_ms": latency}
    return ChannelTarget(kind, value, measures.get(kind))
