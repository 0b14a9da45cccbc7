"""Time several candidates fairly: warmed up, in turns, in random order."""

from __future__ import annotations

import gc
import itertools
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from edgevision.artifact import Artifact
from edgevision.benchmark.child import FreshRun, run_fresh
from edgevision.benchmark.conditions import Conditions, Watch
from edgevision.benchmark.environment import fingerprint
from edgevision.benchmark.inputs import batch_of, inputs_for
from edgevision.benchmark.latency import LatencyStats
from edgevision.benchmark.noise import judge
from edgevision.benchmark.result import BenchmarkEntry, BenchmarkReport, Protocol
from edgevision.benchmark.warming import AT_MOST, WITHIN, warm_up
from edgevision.devices.affinity import pinned
from edgevision.devices.energy import EnergyMeter
from edgevision.errors import ConfigError
from edgevision.runtimes import CompiledModel, load
from edgevision.runtimes.throughput import Throughput
from edgevision.tensors import Array, check_tensor

TURN_S = 0.05
MANY = 64
"""Inferences that are handed over at once where many are measured."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Candidate:
    """What to time.

    Attributes:
        artifact: The model.
        runtime: What runs it; None for the first that fits.
        device: Where.
        options: Options of the runtime.
    """

    artifact: Artifact
    runtime: str | None = None
    device: str = "cpu"
    options: Mapping[str, Any] = field(default_factory=dict)


def timed_turn(
    model: CompiledModel, inputs: Iterator[Sequence[Array]], seconds: float, kept: list[int] | None = None
) -> list[int]:
    """Infer for so long, at least once; return what each inference took, in nanoseconds, added to ``kept`` if given."""
    infer, clock = model.infer, time.perf_counter_ns
    samples = [] if kept is None else kept
    end = clock() + int(seconds * 1e9)
    while True:
        tensors = next(inputs)
        start = clock()
        infer(tensors)
        stop = clock()
        samples.append(stop - start)
        if stop >= end:
            return samples


@dataclass
class _Runner:
    """A loaded candidate, its inputs, and the samples so far; ``joules`` is None once a reading failed."""

    candidate: Candidate
    fresh: FreshRun
    model: CompiledModel
    inputs: Iterator[Sequence[Array]]
    origin: str
    samples_ns: list[int] = field(default_factory=list)
    total_ns: int = 0
    cpu_ns: int = 0
    joules: float | None = 0.0
    many_ns: int = 0
    many_count: int = 0
    warmup_s: float = 0.0
    warm: bool = True

    def warm_up(self, least_s: float) -> None:
        """Infer until the latency is stable, and keep nothing."""

        def part(seconds: float) -> float:
            return statistics.median(timed_turn(self.model, self.inputs, seconds))

        self.warmup_s, self.warm = warm_up(part, least_s)

    def metered_turn(self, seconds: float, meter: EnergyMeter) -> None:
        """Infer for this long, at least once, keep the samples, and count the energy."""
        meter.taken_j(0.0)
        start, cpu = time.perf_counter(), time.process_time_ns()
        samples = timed_turn(self.model, self.inputs, seconds)
        self.cpu_ns += time.process_time_ns() - cpu
        self.samples_ns += samples
        self.total_ns += sum(samples)
        taken = meter.taken_j(time.perf_counter() - start)
        self.joules = None if taken is None or self.joules is None else self.joules + taken

    def turn_of_many(self) -> None:
        """Run `MANY` inferences at once; nothing where the runtime cannot."""
        if isinstance(self.model, Throughput):
            many = [next(self.inputs) for _ in range(MANY)]
            start = time.perf_counter_ns()
            self.model.infer_many(many)
            self.many_ns += time.perf_counter_ns() - start
            self.many_count += MANY

    def done(self, protocol: Protocol) -> float:
        """The share of its measurement that is behind it, 1.0 when it is complete."""
        by_count = len(self.samples_ns) / protocol.min_count
        by_time = self.total_ns / 1e9 / protocol.min_duration_s if protocol.min_duration_s else 1.0
        return min(by_count, by_time, 1.0)


def benchmark(
    candidates: Sequence[Candidate],
    *,
    warmup_s: float = 0.5,
    min_duration_s: float = 2.0,
    min_count: int = 100,
    inputs: Sequence[Sequence[Array]] | None = None,
    images: Sequence[Array] | None = None,
    seed: int = 0,
    throughput: bool = False,
    pin: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> BenchmarkReport:
    """Measure latency, loading and memory of each candidate.

    Loading, the first inference and memory are measured in a fresh process per candidate. Then all are loaded here,
    each runs for ``warmup_s`` and on until it is stable (`edgevision.benchmark.warming`), and they take turns until
    each has both ``min_duration_s`` and ``min_count``.

    Args:
        candidates: What to time.
        warmup_s: Seconds before the first sample, at least; 0 for no warm-up.
        min_duration_s: Seconds of inference per candidate.
        min_count: Samples per candidate.
        inputs: Lists of tensors for `CompiledModel.infer`, for every candidate; None for the artifact's golden
            samples, or random tensors where it has none.
        images: uint8 RGB images (height, width, 3), which each candidate's own preprocessing makes inputs of.
        seed: Seed of the order and of random tensors.
        throughput: Whether to measure many inferences at once too, for ``min_duration_s``, where the runtime has a way.
        pin: Numbers of the cores that everything runs on; None for those that the process has anyway.
        progress: Called with (done, total).

    Raises:
        ConfigError: No candidate, a duration or count that makes no sense, or cores that this process may not use.
        InputError: Given inputs do not fit a candidate.
        EdgeVisionError: A candidate does not load or run.
    """
    protocol = _protocol(candidates, warmup_s, min_duration_s, min_count, seed, throughput=throughput)
    tell = progress or (lambda done, total: None)
    steps = len(candidates)
    with ExitStack() as stack:
        stack.enter_context(pinned(pin))
        runners = []
        for index, candidate in enumerate(candidates):
            tell(index, 2 * steps)
            fresh = run_fresh(candidate.artifact, candidate.runtime, candidate.device, candidate.options, seed=seed)
            runners.append(_prepare(stack, candidate, fresh, inputs, images, seed))
        for runner in runners:
            runner.warm_up(warmup_s)
        machine, meter = fingerprint(), EnergyMeter()
        conditions = _take_turns(runners, protocol, meter, lambda share: tell(steps + int(share * steps), 2 * steps))
        if throughput:
            _many_in_turns(runners, protocol)
        entries = tuple(_entry(runner) for runner in runners)
    titles = [_title(index, entry) for index, entry in enumerate(entries, 1)]
    samples = {title: entry.latency.samples_ms for title, entry in zip(titles, entries, strict=True)}
    cold = [
        f"{title}: not stable after {runner.warmup_s:.1f} s of warm-up"
        for title, runner in zip(titles, runners, strict=True)
        if not runner.warm
    ]
    energy = str(meter.source or meter.absent)
    return BenchmarkReport(entries, protocol, machine, conditions, judge(conditions, samples, cold), energy)


def _title(place: int, entry: BenchmarkEntry) -> str:
    """What a candidate is called among others: its place keeps two of one name apart."""
    return f"{place}. {entry.artifact} on {entry.runtime}"


def _protocol(
    candidates: Sequence[Candidate],
    warmup_s: float,
    min_duration_s: float,
    min_count: int,
    seed: int,
    *,
    throughput: bool,
) -> Protocol:
    if not candidates:
        raise ConfigError("benchmark: nothing to time", got="no candidate")
    for name, value in (("warmup_s", warmup_s), ("min_duration_s", min_duration_s)):
        if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
            raise ConfigError(f"benchmark: {name}", got=repr(value), allowed="seconds, 0 or more")
    if not isinstance(min_count, int) or min_count < 1:
        raise ConfigError("benchmark: min_count", got=repr(min_count), allowed="a whole number of at least 1")
    text = (
        f"Each candidate: load and first inference in a fresh process (peak memory is that process's); then, in one "
        f"process, a warm-up of {warmup_s:g} s and on until parts lie within {WITHIN:.0%}, {AT_MOST * warmup_s:g} s "
        f"at most, and at least {min_duration_s:g} s and {min_count} inferences, in turns of {TURN_S * 1000:g} ms in "
        f"random order (seed {seed}), garbage collection off. A sample is one call of infer. "
        "p50 is the median of the samples, p90 to p99 are upper estimates by early stopping, 99% confidence. CPU time "
        "is that of all threads of the process, energy that of all that the sensor measures, over a candidate's turns."
    )
    if throughput:
        text += f" Then, in turns, {MANY} inferences handed over at once, again and again for as long."
    return Protocol(float(warmup_s), float(min_duration_s), min_count, TURN_S, seed, text)


def _prepare(
    stack: ExitStack,
    candidate: Candidate,
    fresh: FreshRun,
    inputs: Sequence[Sequence[Array]] | None,
    images: Sequence[Array] | None,
    seed: int,
) -> _Runner:
    loaded = load(candidate.artifact, candidate.device, runtime=candidate.runtime, options=candidate.options)
    model = stack.enter_context(loaded)
    if inputs is None:
        sets, origin = inputs_for(candidate.artifact, model.inputs, seed, images)
        return _Runner(candidate, fresh, model, itertools.cycle(sets), origin)
    if not inputs:
        raise ConfigError("benchmark: inputs", got="an empty list")
    for tensors in inputs:
        for tensor, spec in zip(tensors, model.inputs, strict=False):
            check_tensor(tensor, spec)
    return _Runner(candidate, fresh, model, itertools.cycle(inputs), f"{len(inputs)} inputs that were given")


def _take_turns(
    runners: Sequence[_Runner], protocol: Protocol, meter: EnergyMeter, tell: Callable[[float], None]
) -> Conditions:
    order = random.Random(protocol.seed)
    with no_garbage_collection():
        watch = Watch()
        while waiting := [runner for runner in runners if runner.done(protocol) < 1.0]:
            for runner in order.sample(waiting, len(waiting)):
                runner.metered_turn(protocol.turn_s, meter)
                watch.look()
            tell(sum(runner.done(protocol) for runner in runners) / len(runners))
        return watch.conditions()


def _many_in_turns(runners: Sequence[_Runner], protocol: Protocol) -> None:
    for runner in runners:
        runner.turn_of_many()  # finds the fastest way
        runner.many_ns = runner.many_count = 0
    order = random.Random(protocol.seed)
    waiting = [runner for runner in runners if isinstance(runner.model, Throughput)]
    with no_garbage_collection():
        while waiting:
            for runner in order.sample(waiting, len(waiting)):
                runner.turn_of_many()
            waiting = [runner for runner in waiting if runner.many_ns < protocol.min_duration_s * 1e9]


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect garbage now, and none until the block ends."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _entry(runner: _Runner) -> BenchmarkEntry:
    candidate, fresh, model = runner.candidate, runner.fresh, runner.model
    manifest = candidate.artifact.manifest
    count = len(runner.samples_ns)
    batch = batch_of(model.inputs, candidate.options.get("batch"))
    return BenchmarkEntry(
        artifact=manifest.name,
        format=manifest.format,
        scheme=manifest.scheme,
        sha256=candidate.artifact.sha256,
        bytes=candidate.artifact.bytes,
        runtime=str(model.facts["runtime"]),
        device=candidate.device,
        options=dict(candidate.options),
        facts=dict(model.facts),
        batch=batch,
        inputs=runner.origin,
        load_ms=fresh.load_ms,
        peak_rss_bytes=fresh.peak_rss_bytes,
        idle_rss_bytes=fresh.idle_rss_bytes,
        latency=LatencyStats.from_samples([value / 1e6 for value in runner.samples_ns], fresh.first_ms),
        cpu_ms=runner.cpu_ns / 1e6 / count,
        energy_mj=None if runner.joules is None else runner.joules * 1e3 / count,
        warmup_s=runner.warmup_s,
        many_ips=batch * runner.many_count / (runner.many_ns / 1e9) if runner.many_count else None,
    )
