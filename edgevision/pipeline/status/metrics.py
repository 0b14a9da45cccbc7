"""A pipeline's state in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgevision.optional import require

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(state: Mapping[str, Any]) -> bytes:
    """Return what ``/metrics`` answers.

    Args:
        state: `edgevision.pipeline.running.Pipeline.state`.

    Raises:
        BackendUnavailableError: prometheus_client is not installed.
    """
    client = require("prometheus_client")
    registry = client.CollectorRegistry()
    registry.register(_State(state))
    text: bytes = client.generate_latest(registry)
    return text


class _State:
    """One look at the state, as prometheus_client collects it."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._state = state

    def collect(self) -> Iterator[Any]:
        core = require("prometheus_client.core")

        def gauge(name: str, text: str, labels: tuple[str, ...] = ("camera",)) -> Any:
            return core.GaugeMetricFamily(f"edgevision_{name}", text, labels=labels)

        def counter(name: str, text: str, labels: tuple[str, ...] = ("camera",)) -> Any:
            return core.CounterMetricFamily(f"edgevision_{name}", text, labels=labels)

        cameras = self._state["cameras"]
        up = gauge("up_seconds", "Seconds since the start", ())
        up.add_metric((), self._state["up_s"])
        stuck = gauge("worker_stuck", "1 while the thread that runs the model does not come round", ())
        stuck.add_metric((), float(self._state["worker_stuck"]))
        yield from (up, stuck)
        yield from self._rest(gauge, counter)
        for key, made in (
            ("connected", gauge("connected", "1 while frames come")),
            ("age_s", gauge("frame_age_seconds", "Seconds since the newest frame")),
            ("received", counter("frames_received", "Frames that came")),
            ("results", counter("results", "Frames that were looked at")),
            ("late", counter("results_late", "Results after their deadline")),
            ("corrupt", counter("packets_corrupt", "Packets and pictures that could not be decoded")),
            ("openings", counter("openings", "How often the source was opened")),
            ("failures", counter("failures", "How often the source was lost, refused or stalled")),
        ):
            for name, camera in cameras.items():
                if camera[key] is not None:
                    made.add_metric((name,), float(camera[key]))
            yield made
        captured = counter("captured", "Pictures captured to learn from, by reason", ("camera", "reason"))
        for name, camera in cameras.items():
            for reason, count in camera.get("capture", {}).get("captured", {}).items():
                captured.add_metric((name, reason), float(count))
        yield captured
        dropped = counter("frames_dropped", "Frames that were not looked at, by reason", ("camera", "reason"))
        stages = core.Metric("edgevision_stage_seconds", "Time of a stage, over the last frames", "summary")
        for name, camera in cameras.items():
            for reason, count in camera["dropped"].items():
                dropped.add_metric((name, reason), float(count))
            for stage, time in camera["stages"].items():
                _add_times(stages, {"camera": name, "stage": stage}, time)
        yield from (dropped, stages)
        yield from self._second()

    def _second(self) -> Iterator[Any]:
        """What second stages did; a state without any has no such metrics."""
        core, labels = require("prometheus_client.core"), ["camera", "second_stage"]
        prefix = "edgevision_second_stage"
        looks = core.CounterMetricFamily(f"{prefix}_looks", "Looks at tracks with a result", labels=labels)
        skipped = core.CounterMetricFamily(
            f"{prefix}_skipped", "Looks that were due and left, by reason", labels=[*labels, "reason"]
        )
        times = core.Metric(f"{prefix}_seconds", "Time of a part of a look, over the last looks", "summary")
        for camera, found in self._state["cameras"].items():
            for stage, one in found.get("second_stages", {}).items():
                looks.add_metric((camera, stage), float(one["looks"]))
                for reason, count in one["skipped"].items():
                    skipped.add_metric((camera, stage, reason), float(count))
        for stage, one in self._state.get("second_stages", {}).items():
            for part, time in one["stages"].items():
                _add_times(times, {"second_stage": stage, "part": part}, time)
        yield from (looks, skipped, times)

    def _rest(self, gauge: Any, counter: Any) -> Iterator[Any]:
        """What is not of a camera: the model's process, the spool, the sinks; each where there is one."""
        worker, spool = self._state.get("worker"), self._state.get("spool")
        if worker is not None:
            gone = gauge("worker_gone_seconds", "Seconds for which the model's process has been gone", ())
            gone.add_metric((), worker["gone_s"])
            deaths = counter("worker_deaths", "How often the model's process died or was killed for not answering", ())
            deaths.add_metric((), worker["deaths"])
            yield from (gone, deaths)
        if spool is not None:
            waiting = gauge("spool_waiting", "Messages that a sink has not acknowledged", ("sink",))
            for sink, count in spool["waiting"].items():
                waiting.add_metric((sink,), count)
            memory = gauge("spool_in_memory", "Messages that the disk has not taken yet", ())
            memory.add_metric((), spool["in_memory"])
            dropped = counter("spool_dropped", "Messages given up for lack of room, since the file was made", ())
            dropped.add_metric((), spool["dropped"])
            failing = gauge("spool_disk_failing", "1 while the disk does not take what it should", ())
            failing.add_metric((), float(spool["disk_error"] is not None))
            yield from (waiting, memory, dropped, failing)
        for key, made in (
            ("delivered", counter("sink_delivered", "Messages that the sink has", ("sink",))),
            ("refused", counter("sink_refused", "Messages that the sink will never take", ("sink",))),
            ("failures", counter("sink_failures", "Attempts that failed", ("sink",))),
        ):
            for sink, stats in self._state.get("sinks", {}).items():
                made.add_metric((sink,), stats[key])
            yield made
        failing = gauge("sink_failing", "1 while the last attempt failed", ("sink",))
        for sink, stats in self._state.get("sinks", {}).items():
            failing.add_metric((sink,), float(stats["error"] is not None))
        yield failing


def _add_times(summary: Any, labels: Mapping[str, str], time: Mapping[str, Any]) -> None:
    """Add what `edgevision.pipeline.timing.StageTime` says to a summary, in seconds as Prometheus has it."""
    for quantile, key in (("0.5", "p50_ms"), ("0.95", "p95_ms")):
        if time[key] is not None:
            summary.add_sample(summary.name, {**labels, "quantile": quantile}, time[key] / 1e3)
    summary.add_sample(f"{summary.name}_count", labels, time["count"])
