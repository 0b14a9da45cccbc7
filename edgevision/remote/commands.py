"""verify, benchmark and evaluate, as functions that give the result that they would give here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from edgevision.artifact import Artifact
from edgevision.benchmark import BenchmarkReport, SustainedReport
from edgevision.evaluate import EvaluationSummary, read_summary
from edgevision.evaluate_detection import DetectionSummary
from edgevision.remote.arguments import Argument, artifact_arguments, data_arguments, running_arguments
from edgevision.remote.session import Machine, Remote, Tell, run_there
from edgevision.verify import Verification

T = TypeVar("T")


@dataclass(frozen=True)
class Ran(Generic[T]):
    """A result from elsewhere.

    Attributes:
        result: What the command would have given here; its device is the whole device string.
        machine: Where it comes from.
    """

    result: T
    machine: Machine


def verify_there(
    artifact: Artifact,
    remote: Remote,
    *,
    runtimes: Sequence[str] = (),
    data: str | None = None,
    split: str | None = None,
    reference: Artifact | None = None,
    options: Mapping[str, Any] | None = None,
    layers: bool = False,
    isolate: bool | None = None,
    tell: Tell | None = None,
) -> Ran[Verification]:
    """Verify an artifact on a device of another machine; see `edgevision.verify.verify`.

    Args:
        artifact: The artifact, here.
        remote: Where it runs.
        runtimes: Names of runtimes; none for all that are there and have the format.
        data: Location of images to count agreement with ``reference`` on.
        split: Part of them.
        reference: The float model for that.
        options: Options of the runtimes; paths in them are paths there.
        layers: Whether to look for the first layer that differs.
        isolate: Whether each runtime first tries the model in a process of its own; None for bare files only.
        tell: Called with what is going on.

    Raises:
        RemoteError: The device cannot be reached, or a step failed there; ``exit_code`` is that of the failed command.
        EdgeVisionError: What can be told before: a damaged artifact, data that is not there.
    """
    arguments = [
        *artifact_arguments(artifact),
        *data_arguments(data, split),
        *(("--reference", *artifact_arguments(reference)) if reference is not None else ()),
        *(("--layers",) if layers else ()),
        *running_arguments(remote.address.device.local, runtimes, options, isolate),
    ]
    document, machine = run_there(remote, "verify", arguments, tell)
    result = Verification.from_dict(document)
    return Ran(replace(result, checks=tuple(replace(c, device=machine.device) for c in result.checks)), machine)


def benchmark_there(
    artifacts: Sequence[Artifact],
    remote: Remote,
    *,
    runtimes: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    warmup_s: float = 0.5,
    min_duration_s: float = 2.0,
    min_count: int = 100,
    data: str | None = None,
    split: str | None = None,
    seed: int = 0,
    throughput: bool = False,
    pin: Sequence[int] | None = None,
    tell: Tell | None = None,
) -> Ran[BenchmarkReport]:
    """Measure artifacts on a device of another machine; see `edgevision.benchmark.benchmark`, and `verify_there`.

    ``data`` is a location of images to run on, ``split`` a part of it; ``pin`` numbers cores of that machine.
    """
    arguments = [
        *(part for artifact in artifacts for part in artifact_arguments(artifact)),
        *_measuring_arguments(remote, runtimes, options, data, split, seed, pin),
        *("--warmup", repr(warmup_s), "--min-duration", repr(min_duration_s), "--min-count", str(min_count)),
        *(("--throughput",) if throughput else ()),
    ]
    document, machine = run_there(remote, "benchmark", arguments, tell)
    report = BenchmarkReport.from_dict(document)
    return Ran(replace(report, entries=tuple(replace(e, device=machine.device) for e in report.entries)), machine)


def sustained_there(
    artifact: Artifact,
    remote: Remote,
    *,
    minutes: float,
    window_s: float = 10.0,
    runtime: str | None = None,
    options: Mapping[str, Any] | None = None,
    data: str | None = None,
    split: str | None = None,
    seed: int = 0,
    pin: Sequence[int] | None = None,
    tell: Tell | None = None,
) -> Ran[SustainedReport]:
    """Run an artifact for minutes on a device of another machine; see `edgevision.benchmark.sustained`.

    The report comes back when it is done: of a run that is interrupted, or whose connection is cut, there is none.
    """
    arguments = [
        *artifact_arguments(artifact),
        *_measuring_arguments(remote, [runtime] if runtime else [], options, data, split, seed, pin),
        *("--sustained", repr(minutes), "--window", repr(window_s)),
    ]
    document, machine = run_there(remote, "benchmark", arguments, tell)
    return Ran(replace(SustainedReport.from_dict(document), device=machine.device), machine)


def _measuring_arguments(
    remote: Remote,
    runtimes: Sequence[str],
    options: Mapping[str, Any] | None,
    data: str | None,
    split: str | None,
    seed: int,
    pin: Sequence[int] | None,
) -> list[Argument]:
    others = dict(options or {})
    batch = others.pop("batch", None)
    return [
        *data_arguments(data, split),
        *running_arguments(remote.address.device.local, runtimes, others, None),
        *(("--batch", str(batch)) if batch is not None else ()),
        *(("--pin", ",".join(map(str, pin))) if pin is not None else ()),
        *("--seed", str(seed)),
    ]


def evaluate_there(
    artifact: Artifact,
    remote: Remote,
    *,
    data: str,
    split: str | None = None,
    count: int | None = None,
    runtime: str | None = None,
    options: Mapping[str, Any] | None = None,
    isolate: bool | None = None,
    tell: Tell | None = None,
) -> Ran[EvaluationSummary | DetectionSummary]:
    """Evaluate an artifact on a device of another machine; see `edgevision.evaluate.evaluate`, and `verify_there`."""
    arguments = [
        *artifact_arguments(artifact),
        *data_arguments(data, split),
        *(("--count", str(count)) if count else ()),
        *running_arguments(remote.address.device.local, [runtime] if runtime else [], options, isolate),
    ]
    document, machine = run_there(remote, "evaluate", arguments, tell)
    result = read_summary({k: v for k, v in document.items() if k not in ("schema", "model", "data")})
    return Ran(replace(result, device=machine.device), machine)
