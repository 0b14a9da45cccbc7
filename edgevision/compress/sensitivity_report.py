"""What was found out about the layers of a model, ranked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgevision.metrics.intervals import Proportion
from edgevision.metrics.paired import Effect


@dataclass(frozen=True)
class LayerSensitivity:
    """One layer changed, with the batch norm and activation computed with it, and all others left in float.

    Signal-to-noise ratios are 10·log10(Σx² / Σ(x − x̂)²); None where nothing changed.

    Attributes:
        layer: Its name, as recipes name it; with channels, the layers that lose them, joined by " + ".
        kind: Its class.
        parameters: Weights in it.
        macs: Multiply-accumulate operations of one inference; None when the input's size is open.
        sqnr_db: Of its own output; None with channels.
        output_sqnr_db: Of the model's output, before its softmax.
        weights_sqnr_db: The same with its weights changed alone.
        activations_sqnr_db: The same with its output rounded alone; None when only weights change.
        effect: On the model's answers.
        why: What makes it lose, in words; "" where it loses next to nothing.
    """

    layer: str
    kind: str
    parameters: int
    macs: int | None
    sqnr_db: float | None
    output_sqnr_db: float | None
    weights_sqnr_db: float | None
    activations_sqnr_db: float | None
    effect: Effect
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True)
class SensitivityReport:
    """How much each layer of a model minds being changed, the most sensitive first.

    Attributes:
        model: Its name.
        what: ``quantize``, ``prune`` or ``channels``.
        settings: How it was asked: format, scheme, granularity or target_sparsity, seed.
        images: Labelled images that it was judged on.
        calibration_images: Images that ranges were measured on.
        float_accuracy: Of the model as it is, on those images.
        together: The effect of all layers changed at once, in simulation.
        layers: The layers, ranked.
        skipped: (layer, reason) for each layer with weights that was not judged.
    """

    model: str
    what: str
    settings: dict[str, Any]
    images: int
    calibration_images: int
    float_accuracy: Proportion
    together: Effect
    layers: tuple[LayerSensitivity, ...]
    skipped: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "skipped": [list(entry) for entry in self.skipped]}
