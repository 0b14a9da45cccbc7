"""A model that runs for minutes: does the device keep its pace, or does it get hot and slow down?"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any

from edgevision.benchmark.conditions import Watch
from edgevision.benchmark.environment import fingerprint
from edgevision.benchmark.inputs import inputs_for
from edgevision.benchmark.measure import Candidate, Progress, no_garbage_collection, timed_turn
from edgevision.benchmark.noise import MOST_OTHERS
from edgevision.devices.affinity import pinned
from edgevision.devices.energy import EnergyMeter
from edgevision.documents import check_fields, check_schema
from edgevision.errors import ConfigError
from edgevision.runtimes import load
from edgevision.tensors import Array

SCHEMA = 1
KIND = "edgevision-sustained"
STEADY, THROTTLED, SLOWED, TOO_SHORT = "steady", "throttled", "slowed", "too short"
FEWEST_WINDOWS = 6
SLOWER = 0.05
"""The median of the last third may be slower than that of the beginning by this share, and still be steady."""

CLOCK_FELL = 0.05
OTHERS_GREW = 0.10


@dataclass(frozen=True)
class Window:
    """A stretch of time; what the machine does not tell is None, or an empty mapping.

    Attributes:
        start_s: When it began, after the first inference of all.
        count: Inferences in it.
        p50_ms: Their median latency.
        max_ms: The slowest of them.
        frequency_mhz: Clock rate of the fastest core when it ended.
        temperatures_c: Thermal zones when it ended, in degrees Celsius.
        others_share: Share of all cores' time that other processes took.
        power_w: Mean power of all that the energy sensor measures.
    """

    start_s: float
    count: int
    p50_ms: float
    max_ms: float
    frequency_mhz: float | None
    temperatures_c: Mapping[str, float]
    others_share: float | None
    power_w: float | None


@dataclass(frozen=True)
class SustainedReport:
    """Latency over time, and what became of it.

    Attributes:
        artifact: Name of the model.
        runtime: What ran it.
        device: Where.
        options: Options of the runtime.
        facts: What ran: package, version, threads, precision.
        inputs: Where the input tensors came from.
        window_s: Length of a window.
        windows: In their order.
        slowdown: How much slower the last third was than the beginning, as a share; None when it was too short.
        verdict: "steady", "throttled" (slower, and so was the clock), "slowed" (slower for another reason) or
            "too short".
        reason: What the verdict rests on.
        environment: The machine.
        energy: What energy was measured of, or why none was.
        planned_windows: How many windows were asked for.
        interrupted: Whether it ended before them; the last window may then be a shorter one.
    """

    artifact: str
    runtime: str
    device: str
    options: Mapping[str, Any]
    facts: Mapping[str, Any]
    inputs: str
    window_s: float
    windows: tuple[Window, ...]
    slowdown: float | None
    verdict: str
    reason: str
    environment: Mapping[str, Any]
    energy: str
    planned_windows: int
    interrupted: bool = False

    @property
    def conclusion(self) -> str:
        """The verdict and its reason, after a word on how far it came where it was interrupted."""
        far = f"interrupted in window {len(self.windows)} of {self.planned_windows}; " if self.interrupted else ""
        return f"{far}{self.verdict}: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"schema": SCHEMA, "kind": KIND, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Any) -> SustainedReport:
        """Read the JSON form; raises ConfigError for another kind of document, or unknown or missing keys."""
        check_schema("sustained", data, SCHEMA)
        names, of_window = ([item.name for item in fields(kind)] for kind in (cls, Window))
        check_fields("sustained", data, required=("schema", "kind", *names))
        if data["kind"] != KIND:
            raise ConfigError("sustained: another kind of document", got=data["kind"], allowed=KIND)
        windows = tuple(Window(**check_fields("window", one, required=of_window)) for one in data["windows"])
        return cls(**{**{name: data[name] for name in names}, "windows": windows})


def sustained(
    candidate: Candidate,
    *,
    minutes: float,
    window_s: float = 10.0,
    images: Sequence[Array] | None = None,
    seed: int = 0,
    pin: Sequence[int] | None = None,
    progress: Progress | None = None,
    interrupted: Callable[[SustainedReport], None] | None = None,
) -> SustainedReport:
    """Run a model without a pause, and note what each window of time looked like.

    There is no warm-up: how a cold device begins is what the later windows are compared with.

    Args:
        candidate: What to run, on the artifact's golden samples or random inputs.
        minutes: For how long; ten and more show what heat does.
        window_s: Length of a window in seconds.
        images: uint8 RGB images (height, width, 3) to run on instead; None for those.
        seed: Of random inputs.
        pin: Numbers of the cores to run on.
        progress: Called with (done, total) windows.
        interrupted: Called with what was measured where anything ends the run before its time (Ctrl-C, another signal
            that raises, a model that fails), before that is raised on.

    Raises:
        ConfigError: A time that makes no sense.
        EdgeVisionError: The model does not load or run.
    """
    for name, value in (("minutes", minutes), ("window_s", window_s)):
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f"sustained: {name}", got=value, allowed="more than 0")
    count = max(1, round(minutes * 60 / window_s))
    with (
        pinned(pin),
        load(candidate.artifact, candidate.device, runtime=candidate.runtime, options=candidate.options) as model,
    ):
        sets, origin = inputs_for(candidate.artifact, model.inputs, seed, images)
        machine, meter, inputs = fingerprint(), EnergyMeter(), itertools.cycle(sets)
        windows: list[Window] = []

        def report(early: bool) -> SustainedReport:
            verdict, slowdown, reason = judge_windows(windows)
            return SustainedReport(
                artifact=candidate.artifact.manifest.name,
                runtime=str(model.facts["runtime"]),
                device=candidate.device,
                options=dict(candidate.options),
                facts=dict(model.facts),
                inputs=origin,
                window_s=window_s,
                windows=tuple(windows),
                slowdown=slowdown,
                verdict=verdict,
                reason=reason,
                environment=machine,
                energy=str(meter.source or meter.absent),
                planned_windows=count,
                interrupted=early,
            )

        model.infer(next(inputs))
        try:
            with no_garbage_collection():
                _measure(partial(timed_turn, model, inputs, window_s), count, meter, progress, windows)
        except BaseException:
            if windows and interrupted is not None:
                interrupted(report(early=True))
            raise
        return report(early=False)


def _measure(
    run: Callable[[list[int]], object], count: int, meter: EnergyMeter, progress: Progress | None, windows: list[Window]
) -> None:
    """Run so many windows and add them to ``windows``; of one that is interrupted, what there is of it."""
    begin = time.perf_counter()
    for place in range(count):
        if progress is not None:
            progress(place, count)
        start, watch, samples = time.perf_counter(), Watch(), list[int]()
        meter.taken_j(0.0)
        try:
            run(samples)
        finally:
            if samples:
                windows.append(_window(samples, start - begin, time.perf_counter() - start, meter, watch))


def _window(samples: Sequence[int], start_s: float, seconds: float, meter: EnergyMeter, watch: Watch) -> Window:
    joules = meter.taken_j(seconds)
    seen = watch.conditions()
    return Window(
        start_s=start_s,
        count=len(samples),
        p50_ms=statistics.median(samples) / 1e6,
        max_ms=max(samples) / 1e6,
        frequency_mhz=seen.frequency_end_mhz,
        temperatures_c=seen.temperatures_end_c,
        others_share=seen.others_share,
        power_w=None if joules is None else joules / seconds,
    )


def judge_windows(windows: Sequence[Window]) -> tuple[str, float | None, str]:
    """Return the verdict, how much slower the last third was than the first tenth, and what the verdict rests on."""
    if len(windows) < FEWEST_WINDOWS:
        return TOO_SHORT, None, f"{len(windows)} windows; {FEWEST_WINDOWS} are needed"
    early = windows[: max(2, len(windows) // 10)]
    late = windows[-(len(windows) // 3) :]
    slowdown = _median(early, late, "p50_ms")[1] / _median(early, late, "p50_ms")[0] - 1
    speed = f"the median latency of the last third is {slowdown:+.1%} against the beginning"
    others = _median(early, late, "others_share")
    if slowdown <= SLOWER:
        busy = others[1] is not None and others[1] > MOST_OTHERS
        return STEADY, slowdown, speed + (f", though other processes took {others[1]:.0%} of the cores" if busy else "")
    clock, warmth = _median(early, late, "frequency_mhz"), _heat(early, late)
    if None not in clock and clock[1] < clock[0] * (1 - CLOCK_FELL):
        return THROTTLED, slowdown, f"{speed}, and the clock went from {clock[0]:.0f} to {clock[1]:.0f} MHz{warmth}"
    if None not in others and others[1] > others[0] + OTHERS_GREW:
        return (
            SLOWED,
            slowdown,
            f"{speed}; other processes took {others[1]:.0%} of the cores instead of {others[0]:.0%}",
        )
    seen = "the clock rate is not exposed" if None in clock else f"the clock stayed at {clock[1]:.0f} MHz"
    return SLOWED, slowdown, f"{speed}; {seen}{warmth}"


def _median(early: Sequence[Window], late: Sequence[Window], name: str) -> tuple[Any, Any]:
    """The medians of what both spans know; None for a span that does not know it."""
    both = ([value for window in span if (value := getattr(window, name)) is not None] for span in (early, late))
    first, last = (statistics.median(values) if values else None for values in both)
    return first, last


def _heat(early: Sequence[Window], late: Sequence[Window]) -> str:
    hottest = [
        max((value for window in span for value in window.temperatures_c.values()), default=None)
        for span in (early, late)
    ]
    if None in hottest:
        return "; temperatures are not exposed"
    return f"; the hottest zone went from {hottest[0]:.0f} to {hottest[1]:.0f} °C"
