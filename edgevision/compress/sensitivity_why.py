"""Why a layer loses, in words and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edgevision.compress.sensitivity_report import LayerSensitivity
    from edgevision.compress.sensitivity_weights import Altered, Change
    from edgevision.tensors import Array

FAINT_DB, FAINT_SHARE = 25.0, 0.05
"""Noise below this at the output, which changes fewer answers than this, needs no reason."""
FAR = 8
"""How many times the others something is that is worth a word."""
SOME = 0.2
"""A share of weights that is worth a word."""
TINY = 1e-12


@dataclass(frozen=True)
class Evidence:
    """What is known about a unit.

    Attributes:
        change: What its weights became.
        outputs: What it makes of a few images, in float.
        made: Range of each tensor that it makes.
        taken: Who made each tensor that it takes -> its range.
    """

    change: Change
    outputs: Array
    made: Sequence[tuple[float, float]]
    taken: Mapping[str, tuple[float, float]]


def quantization_reason(evidence: Evidence, report: LayerSensitivity, granularity: str) -> str:
    """Say what makes a quantized layer lose; "" where it loses next to nothing."""
    changed = 1 - (report.effect.agreement.value or 0.0)
    if report.output_sqnr_db is None or (report.output_sqnr_db > FAINT_DB and changed < FAINT_SHARE):
        return ""
    weights = np.inf if report.weights_sqnr_db is None else report.weights_sqnr_db
    activations = np.inf if report.activations_sqnr_db is None else report.activations_sqnr_db
    return _weights(evidence, granularity) if weights < activations else _activations(evidence)


def pruning_reason(evidence: Evidence) -> str:
    """Say how much of the weights went away."""
    before = sum(float(np.square(part.before.astype(np.float64)).sum()) for part in evidence.change)
    gone = sum(float(np.square(part.before.astype(np.float64) - part.after).sum()) for part in evidence.change)
    return f"the zeros were {gone / max(before, TINY):.1%} of the kernel's energy"


def _weights(evidence: Evidence, granularity: str) -> str:
    part = max(evidence.change, key=lambda part: _lost(part.before, part.after))
    highest = part.folded.max(axis=0)
    between = _ratio(highest)
    within = float((highest / np.maximum(np.median(part.folded, axis=0), TINY)).max())
    zeros = float(np.mean((part.after == 0) & (part.before != 0)))
    to_zero = f"; {zeros:.0%} of the weights round to 0" if zeros >= SOME else ""
    if granularity == "per_tensor" and between >= FAR:
        return f"one output channel's weights are {between:.3g} times the others', with one scale for all{to_zero}"
    if within >= FAR and zeros >= SOME:
        return f"a weight is {within:.3g} times the median of its channel{to_zero}"
    faint, inputs = _faint_inputs(part)
    if faint:
        return f"the weights of {faint} of {inputs} input channels are too small for the scale{to_zero}"
    return f"its weights in 8 bits{to_zero}"


def _faint_inputs(part: Altered) -> tuple[int, int]:
    """Return how many input channels lose more than a quarter of their weights' energy, and how many there are."""
    others = tuple(axis for axis in range(part.before.ndim) if axis != part.before.ndim - 2)
    before = part.before.astype(np.float64)
    energy = np.square(before).sum(axis=others)
    lost = np.square(before - part.after).sum(axis=others)
    return int((lost > 0.25 * energy).sum()), energy.size


def _activations(evidence: Evidence) -> str:
    low, high = max(evidence.made, key=lambda limits: limits[1] - limits[0])
    values = np.abs(evidence.outputs.astype(np.float64))
    there = values[values > 0]
    median = float(np.median(there)) if there.size else 0.0
    text = f"activations span {high - low:.3g}, their median is {median:.2g}"
    channels = _ratio(values.reshape(-1, values.shape[-1]).max(axis=0))
    if channels >= FAR:
        text += f"; one channel reaches {channels:.3g} times the others"
    spans = {name: high - low for name, (low, high) in evidence.taken.items()}
    if len(spans) > 1 and max(spans.values()) >= FAR * min(spans.values()):
        wide, narrow = max(spans, key=lambda name: spans[name]), min(spans, key=lambda name: spans[name])
        text += f"; {wide} spans {spans[wide]:.3g}, {narrow} {spans[narrow]:.3g}"
    return text


def _ratio(highest: Array) -> float:
    """The largest of some channels' highest values, in multiples of their median."""
    there = highest[highest > TINY]
    return float(there.max() / np.median(there)) if there.size else 1.0


def _lost(before: Array, after: Array) -> float:
    wide = before.astype(np.float64)
    return float(np.square(wide - after).sum() / max(float(np.square(wide).sum()), TINY))
