"""Checkpoints of a training run: weights, optimizer and history after each epoch, safe against a kill at any moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgevision.documents import check_fields, check_schema
from edgevision.errors import ConfigError, OutputError, reason_of
from edgevision.files import atomic_file
from edgevision.optional import require
from edgevision.train.config import TrainingConfig

SCHEMA = 1


class Checkpoints:
    """The state of one run in one directory.

    ``state.json`` names the finished epochs and the checkpoint that belongs to them; it is replaced in one step
    after the checkpoint is on disk, so whatever moment a kill hits, the pair it names is whole.
    """

    def __init__(self, directory: Path, config: TrainingConfig, data_sha256: str) -> None:
        """Keep the run of ``config`` on the images with ``data_sha256`` in ``directory``."""
        self.directory = directory
        self._identity: dict[str, Any] = {"config": config.to_dict(), "data_sha256": data_sha256}

    @property
    def _state_file(self) -> Path:
        return self.directory / "state.json"

    def exists(self) -> bool:
        """Tell whether a run was begun here."""
        return self._state_file.exists()

    def save(self, tracked: dict[str, Any], history: list[dict[str, float]]) -> None:
        """Record that ``len(history)`` epochs are finished; ``tracked`` maps names to models and optimizers."""
        tf = require("tensorflow")
        self.directory.mkdir(parents=True, exist_ok=True)
        prefix = f"epoch-{len(history):04d}"
        try:
            tf.train.Checkpoint(**tracked).write(str(self.directory / prefix))
        except tf.errors.OpError as exc:
            raise OutputError(
                f"cannot write a checkpoint into {self.directory}: {reason_of(exc)}",
                next_step="make room, then go on from the epoch before with --resume",
            ) from exc
        state = {"schema": SCHEMA, "checkpoint": prefix, "history": history, **self._identity}
        with atomic_file(self._state_file, overwrite=True) as temporary:
            temporary.write_text(json.dumps(state, indent=1))
        self._forget_all_but(prefix)

    def history(self) -> list[dict[str, float]]:
        """Return the record of each finished epoch.

        Raises:
            ConfigError: the state belongs to another configuration or other images.
        """
        state = self._state()
        self._check(state)
        history: list[dict[str, float]] = state["history"]
        return history

    def restore(self, tracked: dict[str, Any]) -> None:
        """Load the newest state into ``tracked``: the same names, in the phase of the last finished epoch.

        Raises:
            ConfigError: the checkpoint is missing or damaged.
        """
        tf = require("tensorflow")
        path = self.directory / self._state()["checkpoint"]
        try:
            tf.train.Checkpoint(**tracked).read(str(path)).assert_existing_objects_matched()
        except (tf.errors.OpError, AssertionError, ValueError) as exc:
            raise _unreadable(path, exc) from exc

    def _state(self) -> Mapping[str, Any]:
        try:
            state = json.loads(self._state_file.read_text())
        except (OSError, ValueError) as exc:
            raise _unreadable(self._state_file, exc) from exc
        check_schema(str(self._state_file), state, SCHEMA)
        fields = ("schema", "checkpoint", "history", *self._identity)
        return check_fields(str(self._state_file), state, required=fields)

    def _check(self, state: Mapping[str, Any]) -> None:
        if state["data_sha256"] != self._identity["data_sha256"]:
            raise ConfigError(
                f"the run in {self.directory} used other training images", next_step="resume with the same --data"
            )
        ours, theirs = self._identity["config"], state["config"]
        changed = [key for key in ours if theirs.get(key) != ours[key]]
        different = [f"{key} {theirs.get(key)} (now {ours[key]})" for key in changed]
        if different:
            raise ConfigError(
                f"the run in {self.directory} was begun with other settings",
                got=", ".join(different),
                next_step="resume with the same settings, or start again with --overwrite",
            )

    def _forget_all_but(self, prefix: str) -> None:
        for file in self.directory.glob("epoch-*"):
            if not file.name.startswith(prefix):
                file.unlink()


def _unreadable(path: Path, exc: BaseException) -> ConfigError:
    return ConfigError(f"cannot read {path}: {reason_of(exc)}", next_step="start again with --overwrite")
