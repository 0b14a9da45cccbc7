"""Checkpoints of a training run: weights, optimizer and history after each epoch, safe against a kill at any moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgevision.errors import ConfigError
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
        tf.train.Checkpoint(**tracked).write(str(self.directory / prefix))
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
        """Load the newest state into ``tracked``: the same names, in the phase of the last finished epoch."""
        tf = require("tensorflow")
        saved = tf.train.Checkpoint(**tracked).read(str(self.directory / self._state()["checkpoint"]))
        saved.assert_existing_objects_matched()

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._state_file.read_text())
        except (OSError, ValueError) as exc:
            raise ConfigError(
                f"cannot read {self._state_file}: {exc}", next_step="start again with --overwrite"
            ) from exc
        return state

    def _check(self, state: dict[str, Any]) -> None:
        if state.get("schema") != SCHEMA:
            raise ConfigError(
                f"{self._state_file} has an unknown schema", got=state.get("schema"), allowed=[str(SCHEMA)]
            )
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
