"""Has it become slower than it was? Candidates against what an earlier document says of them, on the same machine."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.benchmark.comparing import SITTINGS, check_effort, known_of, measure, name_of
from edgevision.benchmark.comparison import FEWEST_SITTINGS, INSUFFICIENT, KIND, MOST, SCHEMA, Ratio
from edgevision.benchmark.measure import Candidate, Progress
from edgevision.benchmark.noise import NOISY, Noise
from edgevision.benchmark.result import KIND as BENCHMARK_KIND
from edgevision.benchmark.result import BenchmarkReport
from edgevision.documents import check_schema
from edgevision.errors import ConfigError
from edgevision.metrics.bootstrap import difference_interval, middle
from edgevision.metrics.student import against_one

REGRESSION_SCHEMA = 1
REGRESSION_KIND = "edgevision-regression"
HELD, REGRESSED = "held", "regressed"

SAME_MACHINE = ("name", "architecture", "features", "usable_cores", "cpu_limit_cores", "governor")
"""What must be as it was in the processor's facts; so must the affinity and the thread settings."""

_OF_COMMANDS = ("command", "ran_on")


@dataclass(frozen=True)
class BaselineEntry:
    """One model of an earlier document.

    Attributes:
        artifact: Its name.
        runtime: What ran it.
        device: Where.
        options: With which options.
        p50s_ms: Its median latency in each sitting; of a benchmark, which has one loading, in each part of it.
        one_loading: Whether it was loaded only once: by how much another loading would differ is then not in it, and
            the spread of the loadings it is compared with stands for that.
        sha256: Hash of its model file.
        scheme: Its numeric scheme; None when unknown.

    Raises:
        ConfigError: A latency that is none.
    """

    artifact: str
    runtime: str
    device: str
    options: Mapping[str, Any]
    p50s_ms: tuple[float, ...]
    one_loading: bool
    sha256: str | None = None
    scheme: str | None = None

    def __post_init__(self) -> None:
        if not self.p50s_ms or not all(math.isfinite(value) and value > 0 for value in self.p50s_ms):
            raise ConfigError("the baseline has latencies that are none", allowed="milliseconds, more than 0")


@dataclass(frozen=True)
class Baseline:
    """An earlier document.

    Attributes:
        entries: Its models.
        environment: Its machine; None where it does not say.
        noise: Whether the machine was quiet; None where it does not say.
    """

    entries: tuple[BaselineEntry, ...]
    environment: Mapping[str, Any] | None
    noise: Noise | None


@dataclass(frozen=True)
class Held:
    """One candidate against its baseline.

    Attributes:
        name: What people call it.
        baseline_p50_ms: Median of the baseline.
        p50_ms: Median now.
        ratio: Latency now over that of the baseline; None with too few sittings.
        verdict: "held", "regressed" or "insufficient evidence".
        reason: Why the evidence is insufficient; None where it is not.
    """

    name: str
    baseline_p50_ms: float
    p50_ms: float
    ratio: Ratio | None
    verdict: str
    reason: str | None


@dataclass(frozen=True)
class Regression:
    """All candidates against their baselines. Its JSON form can be the next baseline.

    Attributes:
        results: One for each candidate.
        max_regression: By how much it may be slower: 0.05 are five percent.
        confidence: Of all intervals together.
        candidates: Artifact, scheme, SHA-256, runtime, device and options of each.
        sittings_ms: For each sitting the median latency of each candidate.
        environment: The machine.
        noise: Whether it was quiet now.
        protocol: How it was measured, in words.
    """

    results: tuple[Held, ...]
    max_regression: float
    confidence: float
    candidates: tuple[Mapping[str, Any], ...]
    sittings_ms: tuple[tuple[float, ...], ...]
    environment: Mapping[str, Any]
    noise: Noise
    protocol: str

    @property
    def failing(self) -> tuple[Held, ...]:
        """Those of which it is not shown that they held."""
        return tuple(result for result in self.results if result.verdict != HELD)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        document = {"schema": REGRESSION_SCHEMA, "kind": REGRESSION_KIND, **asdict(self)}
        return {**document, "noise": self.noise.to_dict()}


def read_baseline(path: str | Path) -> Baseline:
    """Read what `edgevision benchmark --json` or `edgevision compare --json` wrote.

    Raises:
        ConfigError: It cannot be read, is another document, or is one from before candidates were named in it.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"the baseline {path} cannot be read: {exc}",
            next_step="write one: edgevision benchmark MODEL --json > FILE",
        ) from exc
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if kind not in (BENCHMARK_KIND, KIND, REGRESSION_KIND):
        raise ConfigError(f"{path} is no baseline", got=kind, allowed=(BENCHMARK_KIND, KIND, REGRESSION_KIND))
    try:
        baseline = _of_benchmark(data) if kind == BENCHMARK_KIND else _of_sittings(data)
        if baseline.environment is not None:
            _same_machine_facts(baseline.environment)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ConfigError(
            f"the baseline {path} is damaged, or older than candidates in documents: {type(exc).__name__}: {exc}",
            next_step="measure it again: edgevision benchmark MODEL --json",
        ) from exc
    return baseline


def _of_benchmark(data: Mapping[str, Any]) -> Baseline:
    # "command" is the command line's own word, "ran_on" that of another machine
    report = BenchmarkReport.from_dict({name: value for name, value in data.items() if name not in _OF_COMMANDS})
    entries = [
        BaselineEntry(
            e.artifact, e.runtime, e.device, dict(e.options), _parts(e.latency.samples_ms), True, e.sha256, e.scheme
        )
        for e in report.entries
    ]
    return Baseline(tuple(entries), report.environment, report.noise)


def _of_sittings(data: Mapping[str, Any]) -> Baseline:
    check_schema("baseline", data, SCHEMA if data["kind"] == KIND else REGRESSION_SCHEMA)
    columns = list(zip(*data["sittings_ms"], strict=True))
    entries = [
        BaselineEntry(
            row["artifact"], row["runtime"], row["device"], dict(row["options"]), tuple(map(float, column)), False,
            row["sha256"], row.get("scheme"),
        )
        for row, column in zip(data["candidates"], columns, strict=True)
    ]  # fmt: skip
    noise = None if data["noise"] is None else Noise.from_dict(data["noise"])
    return Baseline(tuple(entries), data["environment"], noise)


def against_baseline(
    candidates: Sequence[Candidate],
    baseline: Baseline,
    *,
    max_regression: float = 0.05,
    confidence: float = 0.95,
    budget_s: float = 20.0,
    seed: int = 0,
    pin: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Regression:
    """Measure candidates, and compare each with the entry of its name, runtime and device in a baseline.

    What was measured at another time is evidence only on the same machine in the same state, and no control tells how
    that changed meanwhile: on another processor, with other limits, governor, affinity or thread settings, and where
    the machine was noisy now or then, the verdict is "insufficient evidence".

    Args:
        candidates: What to measure, one or more; a single one goes with a baseline's single entry whatever its name.
        baseline: What they are compared with.
        max_regression: By how much they may be slower, as a share.
        confidence: Of each interval.
        budget_s: Seconds that all of it may take.
        seed: Of the order, of random inputs and of the resampling.
        pin: Numbers of the cores to run on.
        progress: Called with (done, total).

    Raises:
        ConfigError: No candidate, one that the baseline does not have or had with other options, or a value that
            makes no sense.
        EdgeVisionError: A candidate does not load or run.
    """
    if not candidates:
        raise ConfigError("compare: candidates", got=0, allowed="one or more")
    if not 0 <= max_regression < 10:
        raise ConfigError("compare: max_regression", got=max_regression, allowed="a share of 0 or more")
    check_effort(confidence, budget_s)
    known = known_of(candidates)
    entries = [_entry_for(one, baseline, single=len(candidates) == 1) for one in known]
    measured = measure(candidates, known, budget_s=budget_s, seed=seed, pin=pin, progress=progress)
    doubt = _other_machine(baseline.environment, measured.environment) or _noise(baseline.noise, measured.noise)
    results = []
    for place, (candidate, entry) in enumerate(zip(candidates, entries, strict=True)):
        now = [sitting.p50_ms[place] for sitting in measured.sittings]
        ratio = _ratio(now, entry, 1 - (1 - confidence) / len(candidates), seed)
        verdict, reason = _verdict(ratio, doubt, max_regression)
        before = statistics.median(entry.p50s_ms)
        results.append(Held(name_of(candidate), before, statistics.median(now), ratio, verdict, reason))
    once = ""
    if any(entry.one_loading for entry in entries):
        once = " A baseline of one loading: how far that may stray is taken from the loadings now (Student's t)."
    return Regression(
        results=tuple(results),
        max_regression=max_regression,
        confidence=confidence,
        candidates=measured.candidates,
        sittings_ms=tuple(sitting.p50_ms for sitting in measured.sittings),
        environment=measured.environment,
        noise=measured.noise,
        protocol=f"{measured.protocol} Intervals: trimmed bootstrap-t, {confidence:.4g} in all.{once}",
    )


def _parts(samples_ms: Sequence[float]) -> tuple[float, ...]:
    parts = np.array_split(np.asarray(samples_ms), min(SITTINGS, len(samples_ms)))
    return tuple(float(np.median(part)) for part in parts)


def _entry_for(known: Mapping[str, Any], baseline: Baseline, *, single: bool) -> BaselineEntry:
    place = ("artifact", "runtime", "device")
    wanted = tuple(known[name] for name in place)
    fitting = [entry for entry in baseline.entries if tuple(getattr(entry, name) for name in place) == wanted]
    if not fitting and single and len(baseline.entries) == 1:
        fitting = [entry for entry in baseline.entries if (entry.runtime, entry.device) == wanted[1:]]
    if not fitting:
        names = [f"{entry.artifact} on {entry.runtime} ({entry.device})" for entry in baseline.entries]
        raise ConfigError("the baseline has no such entry", got="{} on {} ({})".format(*wanted), allowed=names)
    same = [entry for entry in fitting if entry.options == known["options"]]
    if not same:
        raise ConfigError(
            f"the baseline of {known['artifact']} was measured with other options",
            got=dict(known["options"]),
            allowed=[str(entry.options) for entry in fitting],
        )
    return _one_of(same, known)


def _one_of(entries: Sequence[BaselineEntry], known: Mapping[str, Any]) -> BaselineEntry:
    """Of entries of one name take that of the same file; where it changed, that of the same scheme."""
    for name in ("sha256", "scheme"):
        entries = [entry for entry in entries if getattr(entry, name) == known[name]] or entries
    if len({entry.sha256 for entry in entries}) > 1:
        raise ConfigError(
            f"the baseline has several models called {known['artifact']}, and none is this one",
            next_step="give a baseline of one of them: edgevision benchmark MODEL --json",
        )
    return entries[0]


def _other_machine(then: Mapping[str, Any] | None, now: Mapping[str, Any]) -> str | None:
    """What differs between two machines, in words; None where nothing that matters does."""
    if then is None:
        return "the baseline does not say which machine it is of"
    before, after = _same_machine_facts(then), _same_machine_facts(now)
    differing = [f"{name}: {before[name]} then, {after[name]} now" for name in after if before[name] != after[name]]
    return f"the baseline is of another machine or state ({'; '.join(differing)})" if differing else None


def _same_machine_facts(environment: Mapping[str, Any]) -> dict[str, Any]:
    """What must be as it was."""
    facts = {name: environment["processor"].get(name) for name in SAME_MACHINE}
    return {**facts, **{name: environment.get(name) for name in ("affinity", "thread_variables")}}


def _noise(then: Noise | None, now: Noise) -> str | None:
    for when, noise in (("now", now), ("when the baseline was measured", then)):
        if noise is not None and noise.verdict == NOISY:
            return f"the machine was noisy {when}: {'; '.join(noise.reasons)}"
    return None


def _ratio(now: Sequence[float], entry: BaselineEntry, confidence: float, seed: int) -> Ratio | None:
    if min(len(now), len(entry.p50s_ms)) < FEWEST_SITTINGS:
        return None
    logarithms = [[math.log(value) for value in values] for values in (now, entry.p50s_ms)]
    if entry.one_loading:
        before = statistics.median(logarithms[1])
        difference = statistics.fmean(logarithms[0]) - before
        ends = against_one(logarithms[0], before, confidence=confidence)
    else:
        difference = middle(logarithms[0]) - middle(logarithms[1])
        ends = difference_interval(*logarithms, confidence=confidence, seed=seed)
    return Ratio(*(math.exp(max(-MOST, min(MOST, value))) for value in (difference, *ends)))


def _verdict(ratio: Ratio | None, doubt: str | None, most: float) -> tuple[str, str | None]:
    if doubt is not None:
        return INSUFFICIENT, doubt
    if ratio is None:
        return INSUFFICIENT, f"fewer than {FEWEST_SITTINGS} sittings, now or in the baseline"
    if ratio.low > 1 + most:
        return REGRESSED, None
    if ratio.high <= 1 + most:
        return HELD, None
    return INSUFFICIENT, f"the interval reaches over {1 + most:g}: measure for longer, or on a quieter machine"
