"""How well tracks agree with the truth: MOTA, IDF1 and HOTA, as MOTChallenge counts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgevision.errors import ConfigError, InputError
from edgevision.metrics.tracking_clear import Clear, clear
from edgevision.metrics.tracking_hota import Hota, hota
from edgevision.metrics.tracking_identity import Identity, identity
from edgevision.metrics.tracking_pairs import FramePairs
from edgevision.tasks.boxes import box_iou
from edgevision.tensors import Array


@dataclass(frozen=True)
class IdentifiedBoxes:
    """What there is, or is said to be, in one frame.

    Attributes:
        ids: (N,) integers, each once.
        boxes: (N, 4), x1 y1 x2 y2 in pixels.
    """

    ids: Array
    boxes: Array

    def __post_init__(self) -> None:
        ids, boxes = np.asarray(self.ids), np.asarray(self.boxes, np.float64)
        if ids.ndim != 1 or boxes.shape != (len(ids), 4):
            raise InputError(
                "identified boxes", got=f"ids {list(ids.shape)}, boxes {list(boxes.shape)}", allowed="[N] and [N, 4]"
            )
        if len(set(ids.tolist())) != len(ids):
            raise InputError("identified boxes: an id stands twice in one frame", got=sorted(ids.tolist()))
        if not np.isfinite(boxes).all():
            raise InputError("identified boxes: boxes are finite", got="NaN or infinity")
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "boxes", boxes)


@dataclass(frozen=True)
class TrackingMetrics:
    """Three views of one sequence.

    Attributes:
        clear: Detection errors and switched identities, frame by frame: MOTA.
        identity: How much of each true track one predicted track has: IDF1.
        hota: Detection and association, weighed alike: HOTA.
        frames: Number of frames.
        min_iou: Overlap from which on boxes agree, in ``clear`` and ``identity``.
    """

    clear: Clear
    identity: Identity
    hota: Hota
    frames: int
    min_iou: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def tracking_metrics(
    truth: Sequence[IdentifiedBoxes], predicted: Sequence[IdentifiedBoxes], *, min_iou: float = 0.5
) -> TrackingMetrics:
    """Compare tracks with the truth, frame by frame in the order of time; of one class.

    Raises:
        InputError: Not as many frames predicted as there are true ones.
        ConfigError: min_iou is not above 0 and at most 1.
    """
    if len(truth) != len(predicted):
        raise InputError("tracking: predicted frames", got=len(predicted), allowed=f"{len(truth)}, as of the truth")
    if not 0 < min_iou <= 1:
        raise ConfigError("tracking: min_iou", got=min_iou, allowed="above 0, at most 1")
    true_rows, predicted_rows = _rows(truth), _rows(predicted)
    pairs = [
        FramePairs(
            np.array([true_rows[name] for name in true.ids.tolist()], np.int64),
            np.array([predicted_rows[name] for name in said.ids.tolist()], np.int64),
            box_iou(true.boxes, said.boxes),
        )
        for true, said in zip(truth, predicted, strict=True)
    ]
    sizes = len(true_rows), len(predicted_rows)
    return TrackingMetrics(
        clear(pairs, sizes, min_iou), identity(pairs, sizes, min_iou), hota(pairs, sizes), len(truth), min_iou
    )


def _rows(frames: Sequence[IdentifiedBoxes]) -> dict[Any, int]:
    """Number the ids, from 0."""
    names = dict.fromkeys(name for frame in frames for name in frame.ids.tolist())
    return {name: row for row, name in enumerate(names)}
