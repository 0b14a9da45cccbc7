"""Is one artifact faster than another, here? Measured in turns, in several sittings, and never guessed.

Within a round the candidates run forwards and then backwards (A B B A), so that a machine that gets slower or faster
meanwhile favours none. A sitting loads each of them anew: where its buffers happen to lie makes an object faster or
slower than another one of the same model, and only objects that are made anew show by how much. The sittings, not the
inferences, are what the intervals are made of.
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from edgevision.benchmark.comparison import Comparison, Sitting, concluded
from edgevision.benchmark.conditions import Watch
from edgevision.benchmark.environment import fingerprint
from edgevision.benchmark.inputs import inputs_for
from edgevision.benchmark.measure import Candidate, Progress, no_garbage_collection, timed_turn
from edgevision.benchmark.noise import Noise, judge
from edgevision.devices.affinity import pinned
from edgevision.errors import ConfigError
from edgevision.runtimes import CompiledModel, load
from edgevision.tensors import Array

SITTINGS = 20
TURN_S = 0.02
WARM_UP = 0.2
"""Share of a sitting that is warm-up."""


def compare(
    candidates: Sequence[Candidate],
    *,
    margin: float = 0.03,
    confidence: float = 0.95,
    budget_s: float = 20.0,
    seed: int = 0,
    pin: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare the median latency of each candidate with that of the first.

    Args:
        candidates: What to compare; at least two. The inputs are an artifact's golden samples, or random.
        margin: Ratios nearer to 1 than this count as equal: 0.03 are three percent.
        confidence: Of all intervals together.
        budget_s: Seconds that all of it may take, once every candidate was loaded for the first time; a sitting that
            has begun is finished.
        seed: Of the order and of random inputs.
        pin: Numbers of the cores to run on.
        progress: Called with (done, total).

    Raises:
        ConfigError: Fewer than two candidates, or a value that makes no sense.
        EdgeVisionError: A candidate does not load or run.
    """
    _check(candidates, margin, confidence, budget_s)
    measured = measure(candidates, known_of(candidates), budget_s=budget_s, seed=seed, pin=pin, progress=progress)
    protocol = f"{measured.protocol} Intervals: bootstrap-t of trimmed means, {confidence:.4g} confidence in all."
    names = [name_of(candidate) for candidate in candidates]
    result = concluded(names, measured.sittings, margin=margin, confidence=confidence, seed=seed, protocol=protocol)
    return replace(result, candidates=measured.candidates, environment=measured.environment, noise=measured.noise)


@dataclass(frozen=True)
class Sittings:
    """What was measured of some candidates.

    Attributes:
        sittings: One or more.
        candidates: Artifact, scheme, SHA-256, runtime, device and options of each candidate.
        environment: The machine.
        noise: Whether it was quiet.
        protocol: How it was measured, in words.
    """

    sittings: tuple[Sitting, ...]
    candidates: tuple[dict[str, Any], ...]
    environment: dict[str, Any]
    noise: Noise
    protocol: str


def measure(
    candidates: Sequence[Candidate],
    known: tuple[dict[str, Any], ...],
    *,
    budget_s: float,
    seed: int,
    pin: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Sittings:
    """Measure candidates in up to `SITTINGS` sittings.

    Args:
        candidates: What to measure.
        known: What `known_of` says of them, which loads each of them for the first time.
        budget_s: As `compare`, and so are the other arguments.
        seed: Likewise.
        pin: Likewise.
        progress: Likewise.
    """
    order = random.Random(seed)
    sittings: list[Sitting] = []
    with pinned(pin):
        machine, watch = fingerprint(), Watch()
        start = time.perf_counter()
        while len(sittings) < SITTINGS:
            passed = time.perf_counter() - start
            longest = passed / len(sittings) if sittings else 0.0
            if passed + longest > budget_s and sittings:
                break
            if progress is not None:
                progress(len(sittings), SITTINGS)
            share = max(0.0, budget_s - passed) / (SITTINGS - len(sittings))
            sittings.append(_sitting(candidates, share, order, seed))
            watch.look()
        conditions = watch.conditions()
    protocol = (
        f"{len(sittings)} sittings within {budget_s:g} s, each with all candidates loaded anew; in a sitting, rounds "
        f"of turns of {TURN_S * 1000:g} ms, forwards and backwards, in random order (seed {seed})."
    )
    return Sittings(tuple(sittings), known, machine, judge(conditions, {}), protocol)


def known_of(candidates: Sequence[Candidate]) -> tuple[dict[str, Any], ...]:
    """Return artifact, scheme, SHA-256, runtime, device and options of each candidate.

    Each is loaded: that imports a runtime's package, and shows what does not load before anything is timed.
    """
    return tuple(_known(candidate) for candidate in candidates)


def _known(candidate: Candidate) -> dict[str, Any]:
    with _load(candidate) as model:
        return {
            "artifact": candidate.artifact.manifest.name,
            "scheme": candidate.artifact.manifest.scheme,
            "sha256": candidate.artifact.sha256,
            "runtime": str(model.facts["runtime"]),
            "device": candidate.device,
            "options": dict(candidate.options),
        }


def _check(candidates: Sequence[Candidate], margin: float, confidence: float, budget_s: float) -> None:
    if len(candidates) < 2:
        raise ConfigError("compare: candidates", got=len(candidates), allowed="two or more")
    if not 0 < margin < 1:
        raise ConfigError("compare: margin", got=margin, allowed="between 0 and 1")
    check_effort(confidence, budget_s)


def check_effort(confidence: float, budget_s: float) -> None:
    """Raise ConfigError for a confidence or a time that makes no sense."""
    if not 0 < confidence < 1:
        raise ConfigError("compare: confidence", got=confidence, allowed="between 0 and 1")
    if not (math.isfinite(budget_s) and budget_s > 0):
        raise ConfigError("compare: budget_s", got=budget_s, allowed="seconds, more than 0")


def _sitting(candidates: Sequence[Candidate], seconds: float, order: random.Random, seed: int) -> Sitting:
    """Load all candidates, warm them up, and let them take turns for so many seconds, one round at least."""
    end = time.perf_counter() + seconds
    with ExitStack() as stack:
        runners: dict[int, _Runner] = {}
        for place in order.sample(range(len(candidates)), len(candidates)):
            model = stack.enter_context(_load(candidates[place]))
            inputs, _ = inputs_for(candidates[place].artifact, model.inputs, seed)
            runners[place] = _Runner(model, itertools.cycle(inputs))
        for runner in runners.values():
            runner.turn(WARM_UP * seconds / len(runners))
        with no_garbage_collection():
            rounds = list(_rounds(runners, order, end))
    return _summary(rounds)


def _load(candidate: Candidate) -> CompiledModel:
    return load(candidate.artifact, candidate.device, runtime=candidate.runtime, options=candidate.options)


class _Runner:
    """A loaded candidate."""

    def __init__(self, model: CompiledModel, inputs: Iterator[Sequence[Array]]) -> None:
        self._model, self._inputs = model, inputs

    def turn(self, seconds: float) -> float:
        """Infer for so long, at least once; return the median latency in milliseconds."""
        return statistics.median(timed_turn(self._model, self._inputs, seconds)) / 1e6


Round = list[tuple[float, float]]
"""For each candidate the latencies, in milliseconds, of its turn on the way forwards and of that backwards."""


def _rounds(runners: dict[int, _Runner], order: random.Random, end: float) -> Iterator[Round]:
    while True:
        forwards = order.sample(sorted(runners), len(runners))
        first = {place: runners[place].turn(TURN_S) for place in forwards}
        second = {place: runners[place].turn(TURN_S) for place in reversed(forwards)}
        yield [(first[place], second[place]) for place in sorted(runners)]
        if time.perf_counter() >= end:
            return


def _summary(rounds: Sequence[Round]) -> Sitting:
    places = range(len(rounds[0]))
    both = [[sum(turns) / 2 for turns in one] for one in rounds]
    return Sitting(
        tuple(statistics.median(one[place] for one in both) for place in places),
        tuple(statistics.median(math.log(one[place] / one[0]) for one in both) for place in places),
        statistics.median(math.log(one[0][0] / one[0][1]) for one in rounds),
    )


def name_of(candidate: Candidate) -> str:
    """What people call a candidate: its place, and its runtime where one was named."""
    artifact = candidate.artifact
    place = str(artifact.model_file if artifact.bare else artifact.path)
    return f"{place} on {candidate.runtime}" if candidate.runtime else place
