"""What a search comes to: the front, timed together once more, and the best artifact in a folder of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevision.artifact import Artifact
from edgevision.compress.applying import artifacts_in, write_compressed
from edgevision.compress.constraints import Constraints, Violation
from edgevision.compress.front import choose_best, nearest, pareto_front
from edgevision.compress.ledger import LedgerRow
from edgevision.compress.measuring import Measured, Measurer
from edgevision.compress.recipe import CompressionRecipe
from edgevision.compress.study import Record
from edgevision.compress.working import Bench, Plan, trial_folder
from edgevision.documents import pretty_json
from edgevision.errors import ConfigError, ConversionError
from edgevision.files import atomic_directory, atomic_file

SCHEMA = 1
KIND = "edgevision-search"
FRONT_FILE = "front.json"
BEST = "best"


@dataclass(frozen=True)
class Point:
    """A candidate on the front.

    Attributes:
        trial: Its trial's number.
        recipe: Its recipe.
        row: What was measured of its artifact.
        violations: The limits that it misses.
        artifact: The artifact's folder; None where another machine has it.
    """

    trial: int
    recipe: CompressionRecipe
    row: LedgerRow
    violations: tuple[Violation, ...]
    artifact: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "trial": self.trial,
            "recipe": self.recipe.to_dict(),
            "row": self.row.to_dict(),
            "violations": [{**vars(item), "by": item.by} for item in self.violations],
            "artifact": None if self.artifact is None else str(self.artifact),
        }


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        constraints: The limits.
        front: The candidates that no other beats, smallest first.
        best: The one that meets every limit, most accurate first; None where none does.
        nearest: The one that misses the limits by the least, where none meets them.
        path: The folder of the best one's artifact, recipe and ledger; None where there is none.
        counts: Trials by what became of them: ``measured``, ``stopped``, ``failed``.
        notes: What else is to be known, each a sentence: which candidates of other machines were made again here, and
            whether they meet the limits here too.
    """

    constraints: Constraints
    front: tuple[Point, ...]
    best: Point | None
    nearest: Point | None
    path: Path | None
    counts: dict[str, int]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "schema": SCHEMA,
            "kind": KIND,
            "constraints": self.constraints.to_dict(),
            "front": [point.to_dict() for point in self.front],
            "best": self.best and self.best.trial,
            "nearest": self.nearest and self.nearest.trial,
            "path": None if self.path is None else str(self.path),
            "counts": self.counts,
            "notes": list(self.notes),
        }


def outcome(bench: Bench) -> SearchResult:
    """Read the front, time it, write the best artifact and ``front.json``.

    ``best/`` means that every limit is met: where nothing does, it goes. A best candidate of another machine is made
    and measured again here first, and counts with what was measured here.

    Raises:
        ConversionError: No candidate could be made; the last one's error.
        ConfigError: None was measured.
    """
    records = bench.study.records()
    front = pareto_front(records)
    if not front:
        _remove_best(bench.plan)
        raise _nothing_measured(records)
    limits = bench.plan.constraints
    timed, notes = _with_best_here(bench, _timed_together(bench, front))
    best = choose_best(timed, limits)
    close = nearest(timed, limits) if best is None else None
    points = {record.number: _point(bench, record, row) for record, row in timed}
    if best is None:
        _remove_best(bench.plan)
    folder = None if best is None else _write_best(bench.plan, points[best[0].number])
    result = SearchResult(
        limits,
        tuple(sorted(points.values(), key=lambda point: point.row.bytes)),
        best and points[best[0].number],
        close and points[close[0].number],
        folder,
        {
            "measured": sum(record.state == "COMPLETE" for record in records),
            "stopped": sum("stopped" in record.facts for record in records),
            "failed": sum("error" in record.facts for record in records),
        },
        notes,
    )
    with atomic_file(Path(bench.plan.out, FRONT_FILE), overwrite=True) as file:
        file.write_text(pretty_json(result.to_dict()), encoding="utf-8")
    return result


def _nothing_measured(records: Sequence[Record]) -> ConversionError | ConfigError:
    errors = [str(record.facts["error"]) for record in records if "error" in record.facts]
    if errors:
        return ConversionError(f"no candidate could be made: {errors[-1]}")
    stopped = [record.facts["stopped"]["reason"] for record in records if record.facts.get("stopped")]
    reason = f"the last one was stopped: {stopped[-1]}" if stopped else "none was begun"
    return ConfigError(f"no candidate was measured: {reason}", next_step="allow more trials or time, or wider limits")


def _timed_together(bench: Bench, front: Sequence[Record]) -> list[tuple[Record, LedgerRow]]:
    """Time the front's artifacts that are here again, in turns: side by side is how they are compared."""
    here = [(record, found) for record in front if (found := _artifact(bench.plan, record.number, record.row))]
    rows: dict[int, LedgerRow] = {}
    if len(here) > 1:
        with Measurer(bench.setting) as measurer:
            timed, _ = measurer.time([Measured(artifact, record.row) for record, artifact in here])
        rows = {record.number: row for (record, _), row in zip(here, timed, strict=True)}
    return [(record, rows.get(record.number, record.row)) for record in front]


def _with_best_here(
    bench: Bench, timed: Sequence[tuple[Record, LedgerRow]]
) -> tuple[list[tuple[Record, LedgerRow]], tuple[str, ...]]:
    """Make the best candidate again where another machine has it, and the next one where it misses a limit here.

    Returns:
        The candidates with the rows that were measured here, and a note for each one that was made again.
    """
    rows, notes = {record.number: row for record, row in timed}, list[str]()
    limits = bench.plan.constraints
    while True:
        now = [(record, rows[record.number]) for record, _ in timed]
        best = choose_best(now, limits)
        if best is None or _artifact(bench.plan, best[0].number, best[1]) is not None:
            return now, tuple(notes)
        record, row = best
        recipe = CompressionRecipe.from_dict(record.facts["recipe"])
        with Measurer(bench.setting) as measurer:
            place = trial_folder(bench.plan, record.number)
            made = write_compressed(measurer, recipe, (row.format,), place, kept=bench.models, overwrite=True)
        rows[record.number] = made.ledger.rows[-1]
        missed = "; ".join(map(str, limits.violations(rows[record.number])))
        notes.append(
            f"trial {record.number} of another machine was made again here, where "
            + (f"it misses a limit: {missed}" if missed else "it meets every limit too")
        )


def _artifact(plan: Plan, number: int, row: LedgerRow) -> Artifact | None:
    folder = trial_folder(plan, number)
    found = artifacts_in(folder) if folder.is_dir() else ()
    return next((artifact for artifact in found if artifact.sha256 == row.sha256), None)


def _point(bench: Bench, record: Record, row: LedgerRow) -> Point:
    artifact = _artifact(bench.plan, record.number, row)
    recipe = CompressionRecipe.from_dict(record.facts["recipe"])
    violations = bench.plan.constraints.violations(row)
    return Point(record.number, recipe, row, violations, None if artifact is None else artifact.path)


def _write_best(plan: Plan, best: Point) -> Path:
    """Copy the best one's folder."""
    target = Path(plan.out, BEST)
    if best.artifact is None:
        raise ConversionError(f"the artifact of trial {best.trial} is gone", next_step="search again")
    with atomic_directory(target, overwrite=True) as folder:
        shutil.copytree(best.artifact.parent, folder, dirs_exist_ok=True)
    return target


def _remove_best(plan: Plan) -> None:
    """Remove what was the best within other limits; whoever is killed meanwhile leaves nothing under its name."""
    place = Path(plan.out, BEST)
    if place.is_dir():
        with tempfile.TemporaryDirectory(prefix=".", dir=place.parent) as folder:
            place.rename(Path(folder, BEST))
