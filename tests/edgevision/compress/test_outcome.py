"""The best of a search, where another machine measured it."""

import dataclasses
import json

import pytest

from edgevision.artifact import Artifact
from edgevision.compress.constraints import Constraints
from edgevision.compress.outcome import outcome
from edgevision.compress.working import work


@dataclasses.dataclass
class Elsewhere:
    """A study whose trials another machine ran, with files of 100 bytes that are not here."""

    found: tuple

    def records(self):
        away = {"bytes": 100, "sha256": "0" * 64}
        return tuple(
            dataclasses.replace(record, facts={**record.facts, "row": {**record.facts["row"], **away}})
            for record in self.found
            if record.state == "COMPLETE"
        )


@pytest.fixture
def elsewhere(plan, opened, tmp_path):
    """elsewhere(limits) -> the bench of a folder without artifacts, on a study with a finished trial."""
    bench = opened(plan(tmp_path / "one"))
    work(bench)

    def make(**limits):
        here = opened(plan(tmp_path / "two", constraints=Constraints(**limits)))
        return dataclasses.replace(here, study=Elsewhere(bench.study.records()))

    return make


def test_the_best_of_another_machine_is_made_measured_and_judged_again(elsewhere, tmp_path):
    met = outcome(elsewhere(max_bytes=100_000))
    artifact = Artifact.open(next(path.parent for path in met.path.glob("*/manifest.json")))
    assert met.best.row.bytes == artifact.bytes > 100 and met.best.row.sha256 == artifact.sha256
    ledger = json.loads((met.path / "ledger.json").read_text())
    assert ledger["rows"][-1]["bytes"] == met.best.row.bytes and met.best.violations == ()
    (note,) = met.notes
    assert note == f"trial {met.best.trial} of another machine was made again here, where it meets every limit too"
    missed = outcome(elsewhere(max_bytes=200))
    assert missed.best is None and missed.path is None and not (tmp_path / "two" / "best").exists()
    assert missed.nearest.row.bytes == artifact.bytes
    (note,) = missed.notes
    assert note.endswith(f"it misses a limit: {missed.nearest.violations[0]}")
    front = json.loads((tmp_path / "two" / "front.json").read_text())
    assert front["notes"] == [note] and front["best"] is None
