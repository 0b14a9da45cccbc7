"""Whether a measurement was quiet, from evidence: what the machine said of itself, and what the samples show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from edgevision.benchmark.conditions import Conditions
from edgevision.documents import check_fields

QUIET, NOISY, UNKNOWN = "quiet", "noisy", "unknown"

MOST_OTHERS = 0.10
MOST_STEAL = 0.01
MOST_WAITED = 0.02
MOST_THROTTLED = 0.001
MOST_FREQUENCY_CHANGE = 0.05
MOST_DRIFT = 0.05
MOST_SPREAD = 0.10
"""Distance between the quartiles over the median."""

BLOCKS = 20
"""Samples are cut into so many parts in a row; medians of parts that follow each other ought not to hang together."""

ENOUGH = 2 * BLOCKS
"""With fewer samples nothing is said of them."""

WANDERING = 0.03
"""How far the medians of parts may lie apart (the quartiles' distance, over the median) and still hang together."""


@dataclass(frozen=True)
class Noise:
    """How far the figures of a measurement can be trusted.

    Attributes:
        verdict: "noisy" where there is any reason, "unknown" where the samples are too few to see any, else "quiet".
        reasons: What was seen that ought not to be, as clauses with figures.
        not_exposed: What the machine does not tell, so that it could not be looked at.
    """

    verdict: str
    reasons: tuple[str, ...]
    not_exposed: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"verdict": self.verdict, "reasons": list(self.reasons), "not_exposed": list(self.not_exposed)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Noise:
        """Read the JSON form; raises ConfigError."""
        data = check_fields("noise", data, required=[item.name for item in fields(cls)])
        return cls(str(data["verdict"]), tuple(data["reasons"]), tuple(data["not_exposed"]))

    def __str__(self) -> str:
        """Return it in a sentence or two."""
        otherwise = "too few samples to see any" if self.verdict == UNKNOWN else "nothing was amiss"
        text = f"{self.verdict}: {'; '.join(self.reasons) or otherwise}"
        return text + (f" (not exposed here: {', '.join(self.not_exposed)})" if self.not_exposed else "")


def judge(conditions: Conditions, latencies_ms: Mapping[str, Sequence[float]], before: Sequence[str] = ()) -> Noise:
    """Judge a measurement.

    Args:
        conditions: The machine meanwhile.
        latencies_ms: What people call a candidate -> its samples, in their order.
        before: What was not quiet before it began, in words.
    """
    reasons = [*_of_machine(conditions), *before]
    for name, samples in latencies_ms.items():
        reasons += [f"{name}: {reason}" if len(latencies_ms) > 1 else reason for reason in _of_samples(samples)]
    enough = all(len(samples) >= ENOUGH for samples in latencies_ms.values())
    verdict = NOISY if reasons else QUIET if enough else UNKNOWN
    return Noise(verdict, tuple(reasons), conditions.not_exposed)


def _of_machine(seen: Conditions) -> Iterator[str]:
    if seen.others_share is not None and seen.others_share > MOST_OTHERS:
        yield f"other processes took {seen.others_share:.0%} of the cores' time"
    if seen.steal_share is not None and seen.steal_share > MOST_STEAL:
        yield f"the hypervisor took {seen.steal_share:.1%} of the cores' time (steal)"
    if seen.waited_share is not None and seen.waited_share > MOST_WAITED:
        yield f"the measuring thread waited for a core {seen.waited_share:.1%} of the time"
    if seen.throttled_s is not None and seen.throttled_s > MOST_THROTTLED * seen.duration_s:
        yield f"the container's quota stopped it for {seen.throttled_s:.2f} s"
    low, high = seen.frequency_low_mhz, seen.frequency_high_mhz
    if low is not None and high and (high - low) / high > MOST_FREQUENCY_CHANGE:
        yield f"the clock rate went between {low:.0f} and {high:.0f} MHz"


def _of_samples(samples_ms: Sequence[float]) -> Iterator[str]:
    samples = np.asarray(samples_ms, np.float64)
    middle = float(np.median(samples))
    if len(samples) < ENOUGH or middle <= 0:
        return
    spread = _quartile_distance(samples) / middle
    if spread > MOST_SPREAD:
        yield f"half of the samples lie over a range of {spread:.0%} of the median"
    medians = np.array([np.median(part) for part in np.array_split(samples, BLOCKS)])
    third = BLOCKS // 3
    drift = float(np.median(medians[-third:]) / np.median(medians[:third])) - 1
    if abs(drift) > MOST_DRIFT:
        yield f"latency drifted by {drift:+.0%} from the first third to the last"
    correlation = autocorrelation(medians.tolist())
    if correlation > 2 / BLOCKS**0.5 and _quartile_distance(medians) / middle > WANDERING:
        yield f"latency wandered: the medians of neighbouring parts hang together (r = {correlation:.2f})"


def autocorrelation(values: Sequence[float]) -> float:
    """Return how far values hang together with those before them, -1 to 1; 0 where all are the same.

    >>> round(autocorrelation([1, 2, 3, 4, 5, 6]), 2), round(autocorrelation([1, -1, 1, -1]), 2)
    (0.5, -0.75)
    """
    away = np.asarray(values, np.float64) - np.mean(values)
    whole = float(np.sum(away**2))
    return float(np.sum(away[1:] * away[:-1])) / whole if whole else 0.0


def _quartile_distance(values: np.ndarray[Any, Any]) -> float:
    low, high = np.percentile(values, (25, 75))
    return float(high - low)
