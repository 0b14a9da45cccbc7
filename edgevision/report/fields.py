"""Reading a report's values strictly: each function returns the value, or raises ConfigError that names the field."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from edgevision.documents import check_fields
from edgevision.errors import ConfigError
from edgevision.metrics.intervals import Proportion, proportion


def record(what: str, data: Any, cls: type[Any], optional: Collection[str] = ()) -> Mapping[str, Any]:
    """Return ``data`` if it has exactly the fields of the dataclass ``cls``, and perhaps the optional ones."""
    return check_fields(what, data, required=[item.name for item in dataclasses.fields(cls)], optional=optional)


def text(what: str, value: Any) -> str:
    """Return a string."""
    if not isinstance(value, str):
        raise ConfigError(f"report: {what} is text", got=repr(value))
    return value


def integer(what: str, value: Any) -> int:
    """Return a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigError(f"report: {what} is a whole number", got=repr(value))
    return value


def number(what: str, value: Any) -> float:
    """Return a finite number as float."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ConfigError(f"report: {what} is a number", got=repr(value))
    return float(value)


def optional_number(what: str, value: Any) -> float | None:
    """Return a finite number as float, or None."""
    return None if value is None else number(what, value)


def optional_proportion(what: str, value: Any) -> Proportion | None:
    """Return a proportion, its interval computed again, or None."""
    if value is None:
        return None
    names = [item.name for item in dataclasses.fields(Proportion)]
    value = check_fields(what, value, required=("successes", "count"), optional=names)
    successes, count = integer(f"{what} successes", value["successes"]), integer(f"{what} count", value["count"])
    return proportion(successes, count, number(f"{what} confidence", value.get("confidence", 0.95)))


def items(what: str, value: Any) -> list[Any]:
    """Return a list."""
    if not isinstance(value, list):
        raise ConfigError(f"report: {what} is a list", got=type(value).__name__)
    return value


def texts(what: str, value: Any) -> tuple[str, ...]:
    """Return a tuple of strings."""
    return tuple(text(what, item) for item in items(what, value))


def matrix(what: str, value: Any) -> tuple[tuple[int, ...], ...]:
    """Return rows of whole numbers."""
    return tuple(tuple(integer(what, cell) for cell in items(what, row)) for row in items(what, value))


def scalars(what: str, value: Any) -> dict[str, Any]:
    """Return a mapping from names to what JSON can hold."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"report: {what} is a mapping", got=type(value).__name__)
    return {str(name): item for name, item in value.items()}


def read_json(path: Path) -> Any:
    """Return the JSON document in a file; NaN and infinity are refused."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror or exc}") from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{path} is not a JSON document", got=str(exc)) from exc


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")
