"""Compression as data: a recipe is a TOML document of ordered steps, checked whole before anything is run."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from edgevision.compress.steps import (
    LAST,
    METHODS,
    Cluster,
    FineTuned,
    Prune,
    Quantize,
    QuantizeAware,
    Step,
    numerics_of,
)
from edgevision.documents import check_fields, check_schema, digest
from edgevision.errors import ConfigError, EdgeVisionError, check_choice
from edgevision.optional import require

SCHEMA = 1


@dataclass(frozen=True)
class CompressionRecipe:
    """What is done to a model, step by step.

    Attributes:
        name: What people call it.
        steps: The steps in their order; at least one.

    Raises:
        ConfigError: There is no step, their order makes no sense, or one would undo another.
    """

    name: str
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or not self.name.isprintable():
            raise ConfigError("recipe: name", got=repr(self.name), allowed="a line of text")
        object.__setattr__(self, "steps", tuple(self.steps))
        if not self.steps:
            raise ConfigError(f"recipe {self.name}: it has no step", allowed=METHODS)
        _check_order(self)
        _check_kept(self)

    @property
    def numerics(self) -> Quantize:
        """How the result is exported: as the last step says, or in float32."""
        return numerics_of(self.steps[-1])

    @property
    def epochs(self) -> int:
        """Passes over the images, all steps together."""
        return sum(step.epochs for step in self.steps if isinstance(step, FineTuned))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the steps: recipes that do the same have the same, whatever their names."""
        return steps_digest(self.steps)

    @classmethod
    def read(cls, path: str | Path) -> CompressionRecipe:
        """Read a recipe file.

        Raises:
            ConfigError: There is no such file, it is not TOML, has another schema, an unknown key, an impossible
                value, or steps in an impossible order; the message names the step and the key.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as exc:
            raise ConfigError(f"recipe {path}: cannot be read ({getattr(exc, 'strerror', None) or exc})") from exc
        return cls.from_toml(text, str(path))

    @classmethod
    def from_toml(cls, text: str, origin: str = "recipe") -> CompressionRecipe:
        """Read a recipe's text; ``origin`` is what errors call it. Raises ConfigError as `read` does."""
        try:
            document = _toml().loads(text)
        except (ValueError, RecursionError) as exc:  # TOMLDecodeError is a ValueError
            raise ConfigError(f"{origin}: not a TOML document", got=str(exc)) from exc
        return cls.from_dict(document, origin)

    @classmethod
    def from_dict(cls, data: Any, origin: str = "recipe") -> CompressionRecipe:
        """Read what TOML or JSON made of a recipe; raises ConfigError as `read` does."""
        check_schema(origin, data, SCHEMA)
        check_fields(origin, data, required=("schema", "name", "steps"))
        if not isinstance(data["steps"], list):
            raise ConfigError(f"{origin}: steps", got=type(data["steps"]).__name__, allowed="tables: [[steps]]")
        return cls(data["name"], tuple(_step(origin, index, entry) for index, entry in enumerate(data["steps"], 1)))

    def to_dict(self) -> dict[str, Any]:
        """Return the document, every option with its value."""
        return {"schema": SCHEMA, "name": self.name, "steps": [step.to_dict() for step in self.steps]}

    def to_toml(self) -> str:
        """Return the text of the recipe's file; raises BackendUnavailableError without the extra ``compress``."""
        text: str = require("tomli_w").dumps(self.to_dict())
        return text


@contextlib.contextmanager
def naming_step(recipe: CompressionRecipe, index: int) -> Iterator[None]:
    """Say in an error of the block which step it is about, counted from 1."""
    try:
        yield
    except EdgeVisionError as exc:
        what = f"recipe {recipe.name}: step {index} ({recipe.steps[index - 1].method}): {exc.what}"
        raise type(exc)(what, got=exc.got, allowed=exc.allowed, next_step=exc.next_step) from exc


def steps_digest(steps: tuple[Step, ...]) -> str:
    """Return the SHA-256 (hex) of what the steps do."""
    return digest([step.to_dict() for step in steps])


def _toml() -> Any:
    return require("tomllib" if sys.version_info >= (3, 11) else "tomli")


def _step(origin: str, index: int, entry: Any) -> Step:
    what = f"{origin}: step {index}"
    method = entry.get("method") if isinstance(entry, dict) else None
    if method is None:
        raise ConfigError(f"{what}: no method", got=type(entry).__name__, allowed=METHODS)
    check_choice(f"{what}: method", method, METHODS)
    options = {key: value for key, value in entry.items() if key != "method"}
    what = f"{what} ({method})"
    try:
        return METHODS[method].step.from_dict("options", options)
    except ConfigError as exc:
        raise ConfigError(
            f"{what}: {exc.what.removeprefix('options: ')}", got=exc.got, allowed=exc.allowed, next_step=exc.next_step
        ) from exc


def _check_order(recipe: CompressionRecipe) -> None:
    for index, (before, step) in enumerate(pairwise(recipe.steps), 2):
        what = f"recipe {recipe.name}: step {index} ({step.method})"
        first, second = METHODS[before.method].place, METHODS[step.method].place
        if first == LAST:
            raise ConfigError(
                f"{what}: nothing comes after {before.method}, which decides the numerics", next_step="move it before"
            )
        if first > second:
            raise ConfigError(f"{what}: it would undo {before.method}", next_step=f"move it before {before.method}")


def _check_kept(recipe: CompressionRecipe) -> None:
    """Refuse a step that trains away the zeros or the shared weights that an earlier one made."""
    pruned = clustered = False
    for index, step in enumerate(recipe.steps, 1):
        what = f"recipe {recipe.name}: step {index} ({step.method})"
        trained = isinstance(step, QuantizeAware) and step.epochs > 0  # without epochs its weights stay as they are
        if pruned and (trained or isinstance(step, Cluster)) and not getattr(step, "keep_sparsity", False):
            raise ConfigError(f"{what}: it would undo prune", next_step="set keep_sparsity = true in it")
        if clustered and trained and not getattr(step, "keep_clusters", False):
            raise ConfigError(f"{what}: it would undo cluster", next_step="set keep_clusters = true in it")
        if isinstance(step, QuantizeAware) and step.keep_clusters and not clustered:
            raise ConfigError(
                f"{what}: keep_clusters: no step before it clusters",
                next_step="cluster first, or leave keep_clusters out",
            )
        pruned |= isinstance(step, Prune)
        clustered |= isinstance(step, Cluster)
