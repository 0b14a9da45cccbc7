"""From artifacts and what was measured of them to a report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.metrics.intervals import Proportion
from edgevision.report.environment import environment as environment_of
from edgevision.report.model import Entry, History, Report, Step
from edgevision.report.run import Latency, Run
from edgevision.verify.agreement import agreement

if TYPE_CHECKING:
    from edgevision.artifact import Artifact
    from edgevision.benchmark import BenchmarkEntry, BenchmarkReport
    from edgevision.evaluate import Evaluation
    from edgevision.verify import RuntimeCheck, Verification


@dataclass(frozen=True, eq=False)
class Measured:
    """An artifact with what was measured of it.

    Attributes:
        artifact: The artifact.
        evaluations: One per runtime, each made with the runtime's name; all on the same images.
        verification: What `edgevision.verify.verify` said; None when it was not asked.
        name: What the report calls it; None for the name of its directory.
    """

    artifact: Artifact
    evaluations: Sequence[Evaluation] = ()
    verification: Verification | None = None
    name: str | None = None

    @property
    def title(self) -> str:
        """What the report calls it."""
        return self.name or self.artifact.path.resolve().name


def build_report(
    title: str,
    reference: Measured,
    others: Sequence[Measured] = (),
    *,
    benchmark: BenchmarkReport | None = None,
    histories: Mapping[str, Sequence[Mapping[str, float]]] | None = None,
    dataset: str = "",
    environment: Mapping[str, Any] | None = None,
    protocol: Mapping[str, Any] | None = None,
    created: str | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """Bring measurements together.

    Latencies are matched to artifacts by the hash of the model file. Agreement is counted against the reference's
    first evaluation where both saw the same images, else it is what verification counted.

    Args:
        title: One line.
        reference: The float model.
        others: The artifacts made of it.
        benchmark: Latencies of any of them.
        histories: Name of a training -> a record per epoch, as `edgevision.train` writes them.
        dataset: What the evaluations were made on, in words.
        environment: The machine and its software; None for what the benchmark says of it, or this machine, now.
        protocol: More facts about how it was measured; the benchmark's protocol is there already.
        created: When, ISO 8601 in UTC; None for now.
        notes: What a reader must know beside what follows from the figures.

    Raises:
        ConfigError: Two artifacts of one name, or measurements that do not belong together.
    """
    entries = tuple(_entry(item, reference, benchmark) for item in (reference, *others))
    if environment is None:
        environment = environment_of(benchmark.environment if benchmark else None)
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Report(
        title=title,
        reference=reference.title,
        entries=entries,
        labels=reference.artifact.manifest.labels or (),
        dataset=dataset,
        created=now if created is None else created,
        environment=dict(
            environment_of(benchmark.environment if benchmark else None) if environment is None else environment
        ),
        protocol={**_protocol(benchmark), **(protocol or {})},
        histories=tuple(history_of(name, records) for name, records in (histories or {}).items()),
        notes=tuple(notes),
    )


def history_of(name: str, records: Sequence[Mapping[str, float]]) -> History:
    """Turn records, one per epoch, into a history of the metrics that every record has."""
    common = [key for key in records[0] if all(key in record for record in records)] if records else []
    return History(name, {key: tuple(float(record[key]) for record in records) for key in common})


def latency_of(entry: BenchmarkEntry) -> Latency:
    """Read the percentiles off a benchmark's samples."""
    stats = entry.latency
    return Latency(
        stats.count, stats.p50_ms, stats.p90_ms, stats.p95_ms, stats.p99_ms,
        entry.load_ms, stats.first_ms, entry.peak_rss_bytes,
    )  # fmt: skip


def _entry(item: Measured, reference: Measured, benchmark: BenchmarkReport | None) -> Entry:
    artifact = item.artifact
    manifest = artifact.manifest
    evaluations = {(found.runtime, found.device): found for found in item.evaluations}
    checks = {(c.runtime, c.device): c for c in (item.verification.checks if item.verification else ())}
    timed = {(e.runtime, e.device): e for e in _timed(artifact, benchmark)}
    places = list(dict.fromkeys([*evaluations, *checks, *timed]))
    return Entry(
        name=item.title,
        format=manifest.format,
        scheme=manifest.scheme or "unknown scheme",
        bytes=artifact.bytes,
        deflated_bytes=artifact.deflated_bytes,
        runs=tuple(
            _run(place, evaluations.get(place), checks.get(place), timed.get(place), _reference_of(item, reference))
            for place in places
        ),
        lineage=tuple(Step(step.step, dict(step.parameters), dict(step.tools)) for step in manifest.lineage),
        sha256=artifact.sha256,
    )


def _timed(artifact: Artifact, benchmark: BenchmarkReport | None) -> Iterable[BenchmarkEntry]:
    """The entries of an artifact; of several in one place (other options) the first one stands."""
    entries = benchmark.entries if benchmark else ()
    return reversed([entry for entry in entries if entry.sha256 == artifact.sha256])


def _reference_of(item: Measured, reference: Measured) -> Evaluation | None:
    return reference.evaluations[0] if item is not reference and reference.evaluations else None


def _run(
    place: tuple[str, str],
    evaluation: Evaluation | None,
    check: RuntimeCheck | None,
    timed: BenchmarkEntry | None,
    reference: Evaluation | None,
) -> Run:
    facts = next((source.facts for source in (evaluation, timed, check) if source is not None), {})
    error = check.float_distance if check else None
    finite = error is not None and math.isfinite(error.max_abs_error)
    return Run(
        runtime=place[0],
        device=place[1],
        facts=dict(facts),
        accuracy=evaluation.classification.accuracy if evaluation else None,
        agreement=_agreement(evaluation, check, reference),
        confusion=evaluation.classification.confusion if evaluation else (),
        verdict=check.verdict if check else None,
        max_abs_error=error.max_abs_error if error is not None and finite else None,
        latency=latency_of(timed) if timed else None,
    )


def _agreement(
    evaluation: Evaluation | None, check: RuntimeCheck | None, reference: Evaluation | None
) -> Proportion | None:
    if reference is not None and evaluation is not None and np.array_equal(evaluation.targets, reference.targets):
        return agreement(evaluation.predicted, reference.predicted)
    if check is None or reference is None:
        return None
    return check.dataset_agreement or check.agreement


def _protocol(benchmark: BenchmarkReport | None) -> dict[str, Any]:
    if benchmark is None:
        return {}
    stated = benchmark.protocol
    inputs = sorted({entry.inputs for entry in benchmark.entries})
    threads = sorted({str(entry.facts.get("threads", "unknown")) for entry in benchmark.entries})
    return {
        "latency": stated.text,
        "warm-up of each candidate": f"{stated.warmup_s:g} s and on until stable",
        "least duration per candidate": f"{stated.min_duration_s:g} s",
        "least samples per candidate": stated.min_count,
        "turn": f"{stated.turn_s:g} s",
        "threads": ", ".join(threads),
        "inputs": ", ".join(inputs),
        "intervals": "95%, Wilson",
        "seed": stated.seed,
        "noise": "not judged" if benchmark.noise is None else str(benchmark.noise),
        "energy": benchmark.energy,
    }
