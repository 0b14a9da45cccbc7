"""What repeated measurements of several candidates say: ratios with intervals, and verdicts that may be "no idea"."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgevision.benchmark.noise import Noise
from edgevision.metrics.bootstrap import middle, middle_interval

SCHEMA = 2
KIND = "edgevision-comparison"
FEWEST_SITTINGS = 5
"""With fewer, nothing is said of how far apart they lie."""

MOST = 30.0
"""Logarithms of ratios end here: what lies beyond is no measurement."""

FASTER, SLOWER, EQUIVALENT, INSUFFICIENT = "faster", "slower", "equivalent", "insufficient evidence"
HELD_BY: Mapping[str, tuple[str, ...]] = {
    "faster": (FASTER,),
    "not-slower": (FASTER, EQUIVALENT),
    "equivalent": (EQUIVALENT,),
}
"""What may be expected of a candidate -> the verdicts with which it holds."""


@dataclass(frozen=True)
class Ratio:
    """A ratio of latencies and its interval.

    Attributes:
        value: The middle of the ratios that were measured, without a fifth of them at either end.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it as people read it; ends that say nothing are not written out."""
        ends = ("…" if not 0.01 < end < 100 else f"{end:.3f}" for end in (self.low, self.high))
        return f"{self.value:.3f} ({' to '.join(ends)})"

    @classmethod
    def of(cls, logarithms: Sequence[float], confidence: float, seed: int) -> Ratio:
        """Return what the logarithms of the ratios of several sittings say."""
        ends = middle_interval(logarithms, confidence=confidence, seed=seed)
        return cls(*(math.exp(max(-MOST, min(MOST, value))) for value in (middle(logarithms), *ends)))

    def within(self, margin: float) -> bool:
        """Whether the whole interval lies nearer to 1 than ``margin``."""
        return 1 - margin < self.low and self.high < 1 + margin


@dataclass(frozen=True)
class Compared:
    """One candidate against the first.

    Attributes:
        name: What people call it.
        p50_ms: Median over the sittings of its median latency.
        ratio: Its latency over that of the first candidate; None with too few sittings.
        verdict: "faster", "slower", "equivalent" or "insufficient evidence".
        reason: Why the evidence is insufficient; None where it is not.
    """

    name: str
    p50_ms: float
    ratio: Ratio | None
    verdict: str
    reason: str | None = None


@dataclass(frozen=True)
class Comparison:
    """All candidates against the first.

    Attributes:
        base: Name of the first.
        base_p50_ms: Its median latency.
        others: The others, in their order.
        control: The first against itself, in the same sittings: what the machine's unrest alone makes of a ratio.
        margin: Ratios nearer to 1 than this count as equal.
        confidence: Of all intervals together.
        sittings_ms: For each sitting the median latency of each candidate, in their order.
        protocol: How it was measured, in words.
        candidates: What was compared: artifact, scheme, SHA-256, runtime, device and options of each.
        environment: The machine, as `edgevision.benchmark.environment.fingerprint` says it.
        noise: Whether the machine was quiet; the samples' own unrest is in ``control``.
    """

    base: str
    base_p50_ms: float
    others: tuple[Compared, ...]
    control: Ratio | None
    margin: float
    confidence: float
    sittings_ms: tuple[tuple[float, ...], ...]
    protocol: str
    candidates: tuple[Mapping[str, Any], ...] = ()
    environment: Mapping[str, Any] | None = None
    noise: Noise | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        noise = None if self.noise is None else self.noise.to_dict()
        return {"schema": SCHEMA, "kind": KIND, **asdict(self), "noise": noise}

    def failing(self, expected: str) -> tuple[Compared, ...]:
        """Return the candidates of which something of `HELD_BY` was expected in vain."""
        return tuple(other for other in self.others if other.verdict not in HELD_BY[expected])


@dataclass(frozen=True)
class Sitting:
    """What the candidates took in one sitting, each loaded anew for it.

    Attributes:
        p50_ms: The median latency of each.
        logarithms: For each, the median over the rounds of the logarithm of its latency over the first one's.
        control: The same of the first one's earlier turns over its later turns.
    """

    p50_ms: tuple[float, ...]
    logarithms: tuple[float, ...]
    control: float


def concluded(
    names: Sequence[str], sittings: Sequence[Sitting], *, margin: float, confidence: float, seed: int, protocol: str
) -> Comparison:
    """Return what the sittings say.

    A candidate is faster or slower where its whole interval lies beyond the margin, equivalent where it lies within,
    and everything else is insufficient evidence: so are fewer than `FEWEST_SITTINGS`, and a machine on which the first
    candidate differs from itself by more than the margin. The confidence is that of all statements together
    (Bonferroni): with many candidates each interval is wider.
    """
    each = 1 - (1 - confidence) / max(1, len(names) - 1)
    control = None
    if len(sittings) >= FEWEST_SITTINGS:
        control = Ratio.of([sitting.control for sitting in sittings], confidence, seed)
    p50s = [statistics.median([sitting.p50_ms[place] for sitting in sittings]) for place in range(len(names))]
    others = []
    for place in range(1, len(names)):
        logarithms = [sitting.logarithms[place] for sitting in sittings]
        ratio = None if control is None else Ratio.of(logarithms, each, seed)
        others.append(Compared(names[place], p50s[place], ratio, *_verdict(ratio, control, margin, len(sittings))))
    times = tuple(sitting.p50_ms for sitting in sittings)
    return Comparison(names[0], p50s[0], tuple(others), control, margin, confidence, times, protocol)


def _verdict(ratio: Ratio | None, control: Ratio | None, margin: float, sittings: int) -> tuple[str, str | None]:
    if ratio is None or control is None:
        return INSUFFICIENT, f"{sittings} sittings fit into the time; {FEWEST_SITTINGS} are needed"
    if not control.within(margin):
        return INSUFFICIENT, f"the machine is unsteady: the first against itself is {control}"
    if ratio.high < 1 - margin:
        return FASTER, None
    if ratio.low > 1 + margin:
        return SLOWER, None
    if ratio.within(margin):
        return EQUIVALENT, None
    return INSUFFICIENT, f"the interval reaches over the margin of {margin:.1%}: measure for longer"
