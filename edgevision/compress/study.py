"""The memory of a search: an Optuna study in a database, which one or several processes work on, and go on with later.

What a trial was is kept with it: the recipe, the finished row, or why it was stopped. A trial whose process died is
run again; one that is finished never is.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevision.compress.database import sqlite_file, storage_errors, without_password
from edgevision.compress.identity import check_identity
from edgevision.compress.judging import Judged
from edgevision.compress.ledger import LedgerRow
from edgevision.compress.ownership import is_gone, locked, this_process
from edgevision.compress.space import Proposal
from edgevision.converters.vendor import kept_logging
from edgevision.documents import canonical_json
from edgevision.errors import ConfigError
from edgevision.optional import require

OBJECTIVES = ("bytes", "drop_points", "latency_ms")
BEAT_S, GRACE_S = 20, 120
"""A running trial gives a sign of life so often; without one for so long it counts as dead, on any machine."""
OPENINGS = 10
"""A database is opened so often when others make its tables at the same moment."""
MOST_ATTEMPTS = 3
"""A trial that takes its process with it is tried so often."""


@dataclass(frozen=True)
class Record:
    """A trial as the study keeps it.

    Attributes:
        number: Its number.
        state: WAITING, RUNNING, COMPLETE, PRUNED (stopped, or a duplicate) or FAIL.
        parameters: What it was drawn with.
        key: What tells its candidate apart; empty before it was drawn.
        facts: What else was noted: ``format``, ``recipe``, ``row``, ``stopped``, ``error``, ``duplicate``, ….
    """

    number: int
    state: str
    parameters: Mapping[str, Any]
    key: str
    facts: Mapping[str, Any]

    @property
    def row(self) -> LedgerRow:
        """The finished model's row; only where the trial is complete."""
        return LedgerRow.from_dict(self.facts["row"])

    @property
    def finished(self) -> bool:
        """Whether it was run to an end, good or bad, and is no duplicate."""
        failed = self.state == "FAIL" and "error" in self.facts
        return self.state == "COMPLETE" or failed or (self.state == "PRUNED" and "duplicate" not in self.facts)


class Study:
    """A study that is open."""

    def __init__(self, study: Any, storage: Any, place: str, lock: Path | None) -> None:
        self._study = study
        self._storage = storage
        self._place = place
        self._lock = lock

    @classmethod
    def open(cls, url: str, name: str, identity: Mapping[str, Any]) -> Study:
        """Open or begin the study ``name`` in the database at ``url``.

        Args:
            url: As SQLAlchemy takes it: ``sqlite:///file``, ``postgresql://…``.
            name: The study's name in it.
            identity: What every trial depends on; a study with another identity is refused.

        Raises:
            ConfigError: No such database, none of Optuna's, or a study of another model, data or settings.
            BackendUnavailableError: Optuna or the database's driver is not installed.
        """
        place, lock = without_password(url), _lock(url)
        with storage_errors(place), locked(lock):
            storage = _storage(url, lock)
            study = require("optuna").create_study(
                storage=storage, study_name=name, load_if_exists=True,
                directions=["minimize"] * len(OBJECTIVES),
            )  # fmt: skip
            found = study.user_attrs.get("identity")
            if found is None:
                study.set_user_attr("identity", dict(identity))
        if found is not None:
            next_step = "name another place or study, or begin anew with --overwrite (overwrite=True)"
            check_identity(f"the study {name} in {place}", found, identity, next_step)
        return cls(study, storage, place, lock)

    @staticmethod
    def remove(url: str, name: str) -> None:
        """Delete a study, whatever it is of, from the database at ``url``; one that is not there is no error.

        Raises:
            ConfigError: No such database, none of Optuna's, or a study that a process works on right now.
            BackendUnavailableError: Optuna or the database's driver is not installed.
        """
        place, lock = without_password(url), _lock(url)
        optuna = require("optuna")
        with storage_errors(place), locked(lock):
            storage = _storage(url, lock)
            try:
                study = optuna.load_study(study_name=name, storage=storage)
            except KeyError:
                return
            optuna.storages.fail_stale_trials(study)
            running = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
            busy = [trial.number for trial in running if not is_gone(trial.user_attrs.get("owner"))]
            if not busy:
                optuna.delete_study(study_name=name, storage=storage)
        if busy:
            raise ConfigError(
                f"the study {name} in {place} cannot be begun anew: a process works on it", got=f"trial {busy[0]}",
                next_step=f"stop that process; one killed on another machine counts for {GRACE_S} s more",
            )  # fmt: skip

    def draw_with(self, sampler: Any) -> None:
        """Let Optuna's ``sampler`` draw the candidates."""
        self._study.sampler = sampler

    def records(self) -> tuple[Record, ...]:
        """Return every trial, in the order of their numbers."""
        with storage_errors(self._place):
            trials = self._study.get_trials(deepcopy=False)
        return tuple(_record(trial) for trial in trials)

    def enqueue(self, parameters: Sequence[Mapping[str, Any]], reason: str) -> None:
        """Queue candidates, each once for the same reason, whoever else queues it."""
        with storage_errors(self._place), self._alone():
            known = {record.facts.get("queued") for record in self.records()}
            for entry in parameters:
                token = canonical_json([reason, dict(entry)])
                if token not in known:
                    self._study.enqueue_trial(dict(entry), user_attrs={"queued": token})

    def ask(self) -> Any:
        """Take the next trial: one that waits, or a new one; no two processes take the same."""
        with storage_errors(self._place), self._alone():
            trial = self._study.ask()
            trial.set_user_attr("owner", this_process())
            self._storage.record_heartbeat(trial._trial_id)
            return trial

    def claim(self, trial: Any, proposal: Proposal, again: frozenset[str]) -> int | None:
        """Note what a trial is; return the number of the trial that is or was the same, which it then only repeats.

        Args:
            trial: From `ask`.
            proposal: What was drawn.
            again: Keys of candidates that were stopped and may be run now.
        """
        with storage_errors(self._place), self._alone():
            for name, value in (("key", proposal.key), ("format", proposal.format)):
                trial.set_user_attr(name, value)
            trial.set_user_attr("recipe", proposal.recipe.to_dict())
            for other in self.records():
                if other.key != proposal.key or other.number == trial.number or "duplicate" in other.facts:
                    continue
                busy = other.state == "RUNNING" and other.number < trial.number
                stopped = other.state == "PRUNED" and proposal.key not in again
                if busy or stopped or other.state == "COMPLETE" or "error" in other.facts:
                    trial.set_user_attr("duplicate", other.number)
                    self._tell(trial, "PRUNED")
                    return other.number
        return None

    def alive(self, trial: Any) -> None:
        """Give a sign of life of a running trial."""
        with contextlib.suppress(require("sqlalchemy").exc.SQLAlchemyError):  # a busy database: the next one counts
            self._storage.record_heartbeat(trial._trial_id)

    def finish(self, trial: Any, judged: Judged, seconds: float) -> None:
        """Note what became of a trial."""
        with storage_errors(self._place):
            trial.set_user_attr("seconds", round(seconds, 1))
            if judged.glance_drop is not None:
                trial.set_user_attr("glance_drop", judged.glance_drop)
            if judged.row is None:
                trial.set_user_attr("stopped", judged.stopped.to_dict() if judged.stopped else {})
                self._tell(trial, "PRUNED")
                return
            trial.set_user_attr("row", judged.row.to_dict())
            self._tell(trial, "COMPLETE", [float(getattr(judged.row, name)) for name in OBJECTIVES])

    def fail(self, trial: Any, error: str) -> None:
        """Note that a candidate cannot be made; it is not tried again."""
        with storage_errors(self._place):
            trial.set_user_attr("error", error)
            self._tell(trial, "FAIL")

    def leave(self, trial: Any, *, blameless: bool) -> None:
        """Leave a trial to be run again; where it is not ``blameless``, it counts as one of `MOST_ATTEMPTS`."""
        with storage_errors(self._place):
            if blameless:
                trial.set_user_attr("blameless", True)
            self._tell(trial, "FAIL")

    def revive(self) -> None:
        """Queue again what was running in a process that is no more."""
        optuna = require("optuna")
        with storage_errors(self._place), self._alone():
            optuna.storages.fail_stale_trials(self._study)
            for trial in self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
                if is_gone(trial.user_attrs.get("owner")):
                    with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
                        self._storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
            self._queue_the_dead()

    def _queue_the_dead(self) -> None:
        trials = self._study.get_trials(deepcopy=False)
        retried = {trial.user_attrs["retry"]: trial.number for trial in trials if "retry" in trial.user_attrs}
        for trial in trials:
            if trial.state.name != "FAIL" or "error" in trial.user_attrs or trial.number in retried:
                continue
            parameters = trial.params or trial.system_attrs.get("fixed_params")
            attempts = int(trial.user_attrs.get("attempt", 1))
            if parameters and attempts < MOST_ATTEMPTS:
                counted = 0 if trial.user_attrs.get("blameless") else 1
                notes = {"retry": trial.number, "attempt": attempts + counted, "queued": trial.user_attrs.get("queued")}
                self._study.enqueue_trial(dict(parameters), user_attrs=notes)

    def _tell(self, trial: Any, state: str, values: Sequence[float] | None = None) -> None:
        states = require("optuna").trial.TrialState
        self._study.tell(trial, values, state=states[state], skip_if_finished=True)

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        return locked(self._lock)


def _record(trial: Any) -> Record:
    facts = trial.user_attrs
    return Record(trial.number, trial.state.name, dict(trial.params), facts.get("key", ""), facts)


def _lock(url: str) -> Path | None:
    file = sqlite_file(url)
    return None if file is None else file.with_name(file.name + ".lock")


def _storage(url: str, lock: Path | None) -> Any:
    """Open the database, whose tables Optuna makes when there are none; others may make the same at the same moment."""
    optuna, exceptions = require("optuna"), require("sqlalchemy").exc
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    attempt = 0
    while True:
        attempt += 1
        try:
            with kept_logging():
                return optuna.storages.RDBStorage(
                    url, engine_kwargs={"connect_args": {"timeout": 60}} if lock else None,
                    heartbeat_interval=BEAT_S, grace_period=GRACE_S,
                )  # fmt: skip
        except exceptions.DBAPIError as exc:
            made_meanwhile = isinstance(exc, exceptions.IntegrityError) or "already exists" in str(exc)
            if attempt == OPENINGS or not made_meanwhile:
                raise
            time.sleep(random.uniform(0, 0.1) * attempt)
