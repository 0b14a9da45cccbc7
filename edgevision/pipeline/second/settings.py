"""What a second stage is told to do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from edgevision.errors import ConfigError, check_choice
from edgevision.tasks.embedding import UNKNOWN_BELOW

KINDS = ("classify", "identify")
LOOKS = {"classify": 1, "identify": 3}
LIKELY = 0.5


@dataclass(frozen=True)
class SecondStage:
    """A model that looks at the crops of tracks.

    Attributes:
        name: Unique in the pipeline; what attributes are called by.
        kind: "classify" (a classifier says what it is) or "identify" (an embedding model and a gallery say who it is).
        artifact: Path of the model.
        runtime: What runs it; None for the first that can.
        device: Where.
        threads: Threads; None for all cores.
        classes: Classes of the first model whose tracks it looks at; None for all.
        min_px: Least length of the shorter side of a track's box, pixels of the frame.
        min_score: Least score of the detection.
        min_sharpness: Least sharpness of the crop, see `edgevision.pipeline.second.crops.sharpness`.
        margin: So much more than the box is cut out on each side, as a share of that side.
        looks: So many looks at a track come soon one after the other.
        refresh_s: Seconds after which it is looked at again; None: never, but for a much better crop.
        max_batch: Crops of one frame that are looked at together; the others have to wait.
        budget_s: A crop that is older when its turn comes is left; of live sources.
        threshold: Least score of a label: mean probability for "classify", cosine for "identify".
        gallery: File of the known ones, for "identify".
        faces: Path of a detector of faces in the crop, for "identify"; None: the crop itself is what is known.
        min_face_px: Least length of the shorter side of a face, pixels of the frame.
        isolate: Whether its models run in processes of their own, which are started anew when they die or hang.
        answer_s: Such a process is killed when it does not answer for so many seconds.
    """

    name: str
    kind: str
    artifact: Path
    runtime: str | None = None
    device: str = "cpu"
    threads: int | None = 1
    classes: frozenset[int] | None = None
    min_px: float = 24.0
    min_score: float = 0.0
    min_sharpness: float = 0.0
    margin: float = 0.1
    looks: int = 1
    refresh_s: float | None = 5.0
    max_batch: int = 8
    budget_s: float = 1.0
    threshold: float = LIKELY
    gallery: Path | None = None
    faces: Path | None = None
    min_face_px: float = 24.0
    isolate: bool = True
    answer_s: float = 5.0

    def __post_init__(self) -> None:
        what = f"second_stages.{self.name}"
        check_choice(f"{what}: kind", self.kind, KINDS)
        for name in ("min_px", "min_score", "min_sharpness", "margin", "min_face_px"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{what}: {name}", got=getattr(self, name), allowed="0 or more")
        for name in ("looks", "max_batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{what}: {name}", got=getattr(self, name), allowed="1 or more")
        for name in ("refresh_s", "budget_s", "answer_s"):
            if getattr(self, name) is not None and not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{what}: {name}", got=getattr(self, name), allowed="seconds, more than 0")
        if not -1 <= self.threshold <= 1:
            raise ConfigError(f"{what}: threshold", got=self.threshold, allowed="-1 to 1")
        if (self.gallery is None) == (self.kind == "identify"):
            raise ConfigError(
                f"{what}: gallery", got=self.gallery, allowed="a gallery file for identify, none for classify"
            )


def usual_looks(kind: str) -> int:
    """Return how many looks a track gets at first, unless told."""
    return LOOKS.get(kind, 1)


def usual_threshold(kind: str) -> float:
    """Return the least score of a label, unless told."""
    return UNKNOWN_BELOW if kind == "identify" else LIKELY
