"""Is what the camera shows still what it showed at first? A running statistic against a baseline.

Two-sided tabular CUSUM charts (E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954; ISO 7870-4:2021) of
means over some seconds: frames of one camera are far from independent of each other, such means are less so. With an
allowance of 0.5 and a limit of 10 standard deviations, a chart of independent normal values is wrong once in about
70,000 of them (D. Siegmund's approximation), eight days of means over 10 s; a shift by one standard deviation is found
after about 20.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgevision.documents import check_fields, check_schema
from edgevision.errors import ConfigError

SCHEMA = 1
FEWEST = 20
"""Means that a baseline is made of, at least; a statistic with fewer is not watched."""
SMALLEST = {"brightness": 1.0, "confidence": 0.01, "objects": 0.1}
"""Least standard deviation that is reckoned with: where nothing ever changed, the least change is no alarm."""


MODELS = 8
"""What is usual is remembered for so many models beside the one that looks."""


@dataclass(frozen=True)
class DriftSettings:
    """What counts as drift.

    Attributes:
        baseline_s: Seconds from the first frame of a camera that tell what is usual.
        interval_s: Seconds over which frames are averaged.
        allowance: Standard deviations of the baseline by which means may be off without adding up.
        limit: Standard deviations that have to add up beyond that.
    """

    baseline_s: float = 3600.0
    interval_s: float = 10.0
    allowance: float = 0.5
    limit: float = 10.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < float("inf"):
                raise ConfigError(f"capture: drift: {name}", got=value, allowed="more than 0")
        if self.baseline_s < FEWEST * self.interval_s:
            raise ConfigError(
                "capture: drift: baseline_s", got=self.baseline_s, allowed=f"{FEWEST} times interval_s, or more"
            )


@dataclass(frozen=True)
class Baseline:
    """What is usual for a camera and a model.

    Attributes:
        model: Name of the model.
        usual: Statistic -> mean and standard deviation of its means.
    """

    model: str
    usual: Mapping[str, tuple[float, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"schema": SCHEMA, "model": self.model, "usual": {name: list(both) for name, both in self.usual.items()}}

    @classmethod
    def from_dict(cls, data: Any) -> Baseline:
        """Read the JSON form; raises ConfigError."""
        check_schema("baseline", data, SCHEMA)
        known = check_fields("baseline", data, required=("schema", "model", "usual"))
        try:
            usual = {str(name): (float(mean), float(deviation)) for name, (mean, deviation) in known["usual"].items()}
        except (AttributeError, TypeError, ValueError) as exc:
            raise ConfigError("baseline: usual", got=repr(known["usual"])[:60]) from exc
        return cls(str(known["model"]), usual)


@dataclass
class Cusum:
    """Two one-sided charts of one statistic, in standard deviations.

    Attributes:
        above: What has added up above the baseline.
        below: And below it.
    """

    above: float = 0.0
    below: float = 0.0

    def add(self, deviations: float, settings: DriftSettings) -> None:
        """Take in a mean, by so many standard deviations off the baseline's.

        A chart goes up to twice the limit, so that it comes down in a bounded time when all is as usual again.
        """
        top = 2 * settings.limit
        self.above = min(top, max(0.0, self.above + deviations - settings.allowance))
        self.below = min(top, max(0.0, self.below - deviations - settings.allowance))

    @property
    def height(self) -> float:
        """The higher of the two."""
        return max(self.above, self.below)


class DriftMonitor:
    """Watches one camera, whichever model looks at it: each has a baseline of its own, which it has again when it is
    back after another one, a smaller variant or one on probation, had its turn."""

    def __init__(self, settings: DriftSettings, baseline: Baseline | None = None) -> None:
        """Begin; with what is usual for one model, where that is known."""
        self._settings = settings
        self._name: str | None = None if baseline is None else baseline.model
        self._now = _OneModel(settings, baseline)
        self._others: dict[str | None, _OneModel] = {}

    @property
    def baseline(self) -> Baseline | None:
        """What is usual for the model that looks; None while that is being learnt."""
        return self._now.baseline

    @property
    def drifting(self) -> Mapping[str, float]:
        """Statistics that went beyond the limit and are not below half of it yet, each with the last mean."""
        return self._now.drifting

    def add(self, time_s: float, model: str, values: Mapping[str, float]) -> bool:
        """Take in a frame's statistics; return whether `baseline` or `drifting` changed for this model.

        Args:
            time_s: When it was captured, seconds of a monotonic clock.
            model: Name of the model.
            values: Statistic -> its value, finite; one that a frame does not have is left out.
        """
        if model != self._name:
            self._others[self._name] = self._now
            known = self._others.pop(model) if model in self._others else _OneModel(self._settings, None)
            self._name, self._now = model, known
            self._now.go_on(time_s)
            if len(self._others) > MODELS:
                del self._others[next(iter(self._others))]
        return self._now.add(time_s, model, values)


class _OneModel:
    """What is usual with one model, and how far it is off."""

    def __init__(self, settings: DriftSettings, baseline: Baseline | None) -> None:
        self.baseline = baseline
        self.drifting: dict[str, float] = {}
        self._settings = settings
        self._charts: dict[str, Cusum] = defaultdict(Cusum)
        self._sums: dict[str, list[float]] = defaultdict(list)
        self._learnt: dict[str, list[float]] = defaultdict(list)
        self._began_s = self._interval_s = self._last_s = float("nan")

    def go_on(self, time_s: float) -> None:
        """Have its turn again: the time since its last frame is not its own."""
        self._began_s += time_s - self._last_s
        self._interval_s = time_s
        self._sums.clear()

    def add(self, time_s: float, model: str, values: Mapping[str, float]) -> bool:
        if not time_s - self._began_s >= 0:  # the first frame, or a clock that began anew
            self._began_s = self._interval_s = time_s
        self._last_s = time_s
        changed = time_s - self._interval_s >= self._settings.interval_s and self._end_interval(time_s, model)
        for name, value in values.items():
            self._sums[name].append(value)
        return changed

    def _end_interval(self, time_s: float, model: str) -> bool:
        means = {name: float(np.mean(values)) for name, values in self._sums.items() if values}
        self._sums.clear()
        self._interval_s = time_s
        if self.baseline is None:
            for name, mean in means.items():
                self._learnt[name].append(mean)
            return time_s - self._began_s >= self._settings.baseline_s and self._learn(model)
        before = set(self.drifting)
        for name, mean in means.items():
            if name in self.baseline.usual:
                usual, deviation = self.baseline.usual[name]
                self._charts[name].add((mean - usual) / deviation, self._settings)
                # Half the limit ends it: a chart that trembles at the limit is one drift, not many.
                limit = self._settings.limit / (2 if name in before else 1)
                self.drifting.pop(name, None)
                if self._charts[name].height > limit:
                    self.drifting[name] = mean
        return set(self.drifting) != before

    def _learn(self, model: str) -> bool:
        enough = {name: means for name, means in self._learnt.items() if len(means) >= FEWEST}
        if not enough:  # too few frames came; it goes on
            return False
        usual = {
            name: (float(np.mean(means)), max(SMALLEST.get(name, 1e-6), float(np.std(means, ddof=1))))
            for name, means in enough.items()
        }
        self.baseline = Baseline(model, usual)
        self._learnt.clear()
        return True
