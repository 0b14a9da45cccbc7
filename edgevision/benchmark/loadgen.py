"""MLPerf's scenarios, run by MLPerf's own LoadGen: it sends the queries, keeps the time and judges the result.

LoadGen's definitions: single-stream sends the next query when one is answered; multi-stream sends eight samples at a
time; offline sends everything at once; server sends single samples at random times (Poisson), so many each second, of
which 99 in 100 must be answered within a bound (V. J. Reddi et al., "MLPerf Inference Benchmark", ISCA 2020). The
figures here are read from LoadGen's logs, which are kept. They are no MLPerf results: those need its data sets,
accuracy runs, durations and review.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgevision.benchmark.conditions import Conditions, Watch
from edgevision.benchmark.environment import fingerprint
from edgevision.benchmark.inputs import batch_of, inputs_for
from edgevision.benchmark.loadgen_log import LoadGenResult, read_log
from edgevision.benchmark.measure import Candidate, no_garbage_collection
from edgevision.benchmark.noise import judge
from edgevision.benchmark.scenario import SCENARIOS, ScenarioReport
from edgevision.devices.affinity import pinned
from edgevision.documents import pretty_json
from edgevision.errors import ConfigError, IncompatibleModelError, InferenceError, check_choice
from edgevision.files import atomic_directory, check_room
from edgevision.metrics.percentiles import samples_needed
from edgevision.optional import require, version
from edgevision.runtimes import CompiledModel, load
from edgevision.runtimes.throughput import Throughput
from edgevision.tensors import Array

REPORT_NAME = "report.json"
PROBE_S = 0.3
SAMPLES_PER_QUERY = 8
"""Of multi-stream, as MLPerf has it."""

AT_ONCE = 64
"""Of offline's samples so many are handed to the model at once."""

BACKLOG_S = 5.0
"""A server whose waiting queries would take so many seconds cannot keep up: no more are sent."""

_LEAST = {"single-stream": samples_needed(90), "multi-stream": samples_needed(99), "offline": 1,
          "server": samples_needed(99)}  # fmt: skip
"""Queries with which LoadGen's early stopping says anything of the percentile that the scenario is judged by."""

_THREAD = "loadgen"
_NAMES = {"single-stream": "SingleStream", "multi-stream": "MultiStream", "offline": "Offline", "server": "Server"}


def run_scenario(
    candidate: Candidate,
    scenario: str,
    out_dir: str | Path,
    *,
    target_qps: float | None = None,
    target_latency_ms: float | None = None,
    min_duration_s: float = 2.0,
    min_count: int = 100,
    images: Sequence[Array] | None = None,
    seed: int = 0,
    pin: Sequence[int] | None = None,
    overwrite: bool = False,
) -> ScenarioReport:
    """Run one of LoadGen's scenarios on a model.

    Args:
        candidate: What to run; its batch must be 1, because a query's sample is one image. Its inputs are the
            artifact's golden samples, or random.
        scenario: "single-stream", "multi-stream", "offline" or "server".
        out_dir: A directory that is not there yet, for LoadGen's files and our report.json.
        target_qps: Queries per second that the server scenario sends; of offline, what to expect. Needed by server;
            None for offline measures what to expect.
        target_latency_ms: Bound that 99 in 100 of the server's queries must keep; needed by server alone.
        min_duration_s: Seconds for which queries are sent, at least. MLPerf's own rules ask for 600.
        min_count: Queries that are sent, at least; never fewer than early stopping needs.
        images: uint8 RGB images (height, width, 3) to run on instead; None for those.
        seed: Of random inputs, and of LoadGen's order and times.
        pin: Numbers of the cores to run on.
        overwrite: Whether the result of an earlier run there may be replaced.

    Raises:
        ConfigError: A scenario or a setting that makes no sense, or something is in ``out_dir``.
        BackendUnavailableError: LoadGen is not installed (extra ``loadgen``).
        OutputError: No space for LoadGen's files, or no permission.
        EdgeVisionError: The model does not load or run.
    """
    _check(scenario, target_qps, target_latency_ms, min_duration_s, min_count)
    if any(thread.name == _THREAD for thread in threading.enumerate()):
        raise ConfigError(
            "LoadGen runs once at a time, and not again in a process where it was interrupted",
            next_step="start another process",
        )
    library = require("mlperf_loadgen")  # "import mlcommons_loadgen" first would hide StartTest
    with atomic_directory(out_dir, overwrite) as folder, pinned(pin), _load(candidate) as model:
        inputs, origin = inputs_for(candidate.artifact, model.inputs, seed, images)
        system = SystemUnderTest(library, model, inputs, scenario)
        expected_s = system.seconds_each()
        settings = _settings(library, scenario, expected_s, target_qps, target_latency_ms, min_duration_s, seed)
        settings.min_query_count = max(min_count, _LEAST[scenario])
        machine = fingerprint()
        with no_garbage_collection():
            conditions = _run(library, system, settings, len(inputs), folder)
        report = ScenarioReport(
            scenario=scenario,
            artifact=candidate.artifact.manifest.name,
            format=candidate.artifact.manifest.format,
            scheme=candidate.artifact.manifest.scheme,
            sha256=candidate.artifact.sha256,
            runtime=str(model.facts["runtime"]),
            device=candidate.device,
            options=dict(candidate.options),
            facts=dict(model.facts),
            inputs=origin,
            loadgen=version("mlcommons-loadgen") or "unknown",
            result=_result(folder, out_dir),
            environment=machine,
            conditions=conditions,
            noise=judge(conditions, {"queries": system.latencies_ms} if system.latencies_ms else {}),
        )
        (folder / REPORT_NAME).write_text(pretty_json(report.to_dict()), encoding="utf-8")
    return report


def _check(
    scenario: str, target_qps: float | None, target_latency_ms: float | None, min_duration_s: float, min_count: int
) -> None:
    check_choice("scenario", scenario, SCENARIOS)
    numbers = {"target_qps": target_qps, "target_latency_ms": target_latency_ms, "min_duration_s": min_duration_s}
    for name, value in {**numbers, "min_count": min_count}.items():
        if value is not None and not 0 < value < 1e9:
            raise ConfigError(f"scenario {scenario}: {name}", got=value, allowed="a number above 0")
    for name, value in (("target_qps", target_qps), ("target_latency_ms", target_latency_ms)):
        if scenario == "server" and value is None:
            raise ConfigError(f"scenario server needs {name}", next_step="name what the server must keep up with")
    if target_latency_ms is not None and scenario != "server":
        raise ConfigError("target_latency_ms is a bound of the scenario server", got=scenario)
    if target_qps is not None and scenario not in ("server", "offline"):
        raise ConfigError("target_qps is for the scenarios server and offline", got=scenario)


@contextmanager
def _load(candidate: Candidate) -> Iterator[CompiledModel]:
    with load(candidate.artifact, candidate.device, runtime=candidate.runtime, options=candidate.options) as model:
        batch = batch_of(model.inputs, candidate.options.get("batch"))
        if batch != 1:
            raise IncompatibleModelError(
                f"{candidate.artifact.manifest.name}: a sample of a query is one image",
                got=f"a batch of {batch}",
                next_step="leave --batch out, or convert the model again with batch 1",
            )
        yield model


def _settings(
    library: Any,
    scenario: str,
    expected_s: float,
    target_qps: float | None,
    target_latency_ms: float | None,
    min_duration_s: float,
    seed: int,
) -> Any:
    settings = library.TestSettings()
    settings.scenario = getattr(library.TestScenario, _NAMES[scenario])
    settings.mode = library.TestMode.PerformanceOnly
    settings.min_duration_ms = int(min_duration_s * 1000)
    settings.qsl_rng_seed = settings.sample_index_rng_seed = settings.schedule_rng_seed = seed
    # LoadGen makes as many queries beforehand as fit into the duration: with too long a guess it would run out.
    settings.single_stream_expected_latency_ns = max(1, int(0.5 * expected_s * 1e9))
    settings.multi_stream_expected_latency_ns = max(1, int(0.5 * expected_s * 1e9 * SAMPLES_PER_QUERY))
    settings.multi_stream_samples_per_query = SAMPLES_PER_QUERY
    settings.offline_expected_qps = target_qps or 1 / expected_s
    if scenario == "server":
        settings.server_target_qps = target_qps
        settings.server_target_latency_ns = int((target_latency_ms or 0) * 1e6)
        longest_s = max(BACKLOG_S, 2e-3 * (target_latency_ms or 0))
        settings.server_max_async_queries = max(AT_ONCE, int(longest_s / expected_s))
    return settings


def _run(library: Any, system: SystemUnderTest, settings: Any, count: int, folder: Path) -> Conditions:
    """Run LoadGen on a thread of its own, so that Ctrl-C is heard here and not within LoadGen, which dies of it."""
    ended: list[Conditions | Exception] = []
    thread = threading.Thread(
        target=lambda: ended.append(_start(library, system, settings, count, folder)), name=_THREAD, daemon=True
    )
    thread.start()
    try:
        thread.join()
    except BaseException:
        system.abandon()
        raise
    system.close()
    if system.failure is not None:
        raise InferenceError(f"the model failed under load: {system.failure}") from system.failure
    if isinstance(ended[0], Exception):
        raise InferenceError(f"LoadGen failed: {ended[0]}") from ended[0]
    return ended[0]


def _result(folder: Path, out_dir: str | Path) -> LoadGenResult:
    try:
        return read_log(folder)
    except InferenceError:
        check_room(folder, out_dir)  # LoadGen goes on in silence where its log cannot be written
        raise


def _start(library: Any, system: SystemUnderTest, settings: Any, count: int, folder: Path) -> Conditions | Exception:
    output = library.LogOutputSettings()
    output.outdir = str(folder)
    output.copy_summary_to_stdout = False
    log = library.LogSettings()
    log.log_output = output
    log.enable_trace = False
    sut = library.ConstructSUT(system.issue, system.flush)
    qsl = library.ConstructQSL(count, count, lambda places: None, lambda places: None)
    watch = Watch()
    try:
        # The last argument names a file that audits put there; without one LoadGen looks into the working directory.
        library.StartTestWithLogSettings(sut, qsl, settings, log, str(folder / "audit.config"))
    except Exception as exc:  # raised on the thread that waits
        return exc
    finally:
        library.DestroyQSL(qsl)
        library.DestroySUT(sut)
    return watch.conditions()


class SystemUnderTest:
    """What LoadGen sends queries to: one loaded model.

    Attributes:
        latencies_ms: Times of the queries of single-stream and multi-stream, in their order, as seen from here.
        failure: What the model raised; LoadGen is then told that all is answered, and the result is thrown away.
    """

    def __init__(self, library: Any, model: CompiledModel, inputs: Sequence[Sequence[Array]], scenario: str) -> None:
        """Serve a model; the server scenario gets a thread, because its queries must not wait for each other."""
        self._library, self._model, self._inputs = library, model, inputs
        self._many: Callable[[list[Sequence[Array]]], Any] = (
            model.infer_many if isinstance(model, Throughput) else lambda many: [model.infer(one) for one in many]
        )
        self._timed = scenario in ("single-stream", "multi-stream")
        self.latencies_ms: list[float] = []
        self.failure: Exception | None = None
        self._abandoned = False
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._serve, daemon=True) if scenario == "server" else None
        if self._worker is not None:
            self._worker.start()

    def seconds_each(self) -> float:
        """Warm up, and return the least time of a sample, alone or among many."""
        self._seconds(1)
        best = self._seconds(1)
        count = max(2, min(AT_ONCE, int(PROBE_S / best)))
        self._seconds(count)  # finds the fastest way of many
        end = time.perf_counter() + PROBE_S
        while True:
            best = min(best, self._seconds(1), self._seconds(count))
            if time.perf_counter() >= end:
                return best

    def issue(self, samples: Sequence[Any]) -> None:
        """Answer a query: now, or on the server's thread."""
        if self._worker is not None:
            self._waiting.put(samples)
            return
        start = time.perf_counter()
        for place in range(0, len(samples), AT_ONCE):
            self._answer(samples[place : place + AT_ONCE])
        if self._timed:
            self.latencies_ms.append((time.perf_counter() - start) * 1e3)

    def flush(self) -> None:
        """LoadGen sends no more; nothing is held back here."""

    def abandon(self) -> None:
        """Answer no query any more. LoadGen cannot be stopped: its thread is held for as long as the process lives."""
        self._abandoned = True

    def close(self) -> None:
        """End the server's thread."""
        if self._worker is not None:
            self._waiting.put(None)
            self._worker.join()

    def _seconds(self, count: int) -> float:
        """Run so many samples, and return what one of them took."""
        many = [self._inputs[place % len(self._inputs)] for place in range(count)]
        start = time.perf_counter()
        self._run(many)
        return (time.perf_counter() - start) / count

    def _run(self, many: list[Sequence[Array]]) -> None:
        if len(many) == 1:
            self._model.infer(many[0])
        else:
            self._many(many)

    def _answer(self, samples: Sequence[Any]) -> None:
        if self._abandoned:
            threading.Event().wait()
        if self.failure is None:
            try:
                self._run([self._inputs[sample.index] for sample in samples])
            except Exception as exc:  # raised into LoadGen's thread it would end the process
                self.failure = exc
        self._library.QuerySamplesComplete([self._library.QuerySampleResponse(sample.id, 0, 0) for sample in samples])

    def _serve(self) -> None:
        while True:
            samples = self._waiting.get()
            ended = samples is None
            together = [] if ended else list(samples)
            while not ended and len(together) < AT_ONCE:
                try:
                    more = self._waiting.get_nowait()
                except queue.Empty:
                    break
                ended = more is None
                together += more or ()
            if together:
                self._answer(together)
            if ended:
                return
