"""What is captured, and how much of it at most."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgevision.errors import ConfigError
from edgevision.pipeline.capture.drift import DriftSettings
from edgevision.pipeline.recording import Retention

KEPT = Retention(max_bytes=2_000_000_000, max_days=30.0)


@dataclass(frozen=True)
class CaptureSettings:
    """What is captured.

    Attributes:
        folder: Where.
        low_confidence: A frame is captured that has an object whose score is in this band, the upper end excluded;
            None: none is for that.
        drift: When frames are unlike those before; None: none is captured for that.
        random: Share of all frames that is captured whatever they show, 0 to 1.
        crops: Whether objects are cut out, into a folder per class, instead of whole frames with boxes.
        max_per_hour: Most pictures of one camera in any hour.
        min_interval_s: Seconds from one frame that is captured to the next of its camera, at least.
        retention: The oldest go beyond it, but for those that have labels.
        min_free_bytes: Nothing is captured while there are fewer on the disk.
    """

    folder: Path
    low_confidence: tuple[float, float] | None = (0.3, 0.5)
    drift: DriftSettings | None = field(default_factory=DriftSettings)
    random: float = 0.0002
    crops: bool = False
    max_per_hour: int = 60
    min_interval_s: float = 30.0
    retention: Retention = KEPT
    min_free_bytes: int = 1_000_000_000

    def __post_init__(self) -> None:
        band = self.low_confidence
        if band is not None and not 0 <= band[0] < band[1] <= 1:
            raise ConfigError("capture: low_confidence", got=list(band), allowed="[from, to] within 0 to 1")
        if not 0 <= self.random <= 1:
            raise ConfigError("capture: random", got=self.random, allowed="a share of the frames, 0 to 1")
        if self.max_per_hour < 1 or self.min_free_bytes < 0:
            got = f"{self.max_per_hour}, {self.min_free_bytes}"
            raise ConfigError("capture: max_per_hour, min_free_bytes", got=got, allowed="1 or more, 0 or more")
        if not 0 <= self.min_interval_s < float("inf"):
            raise ConfigError("capture: min_interval_s", got=self.min_interval_s, allowed="0 or more")
        if band is None and self.drift is None and not self.random:
            raise ConfigError("capture: no reason for any picture", next_step="set low_confidence, drift or random")
