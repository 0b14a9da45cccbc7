"""Options of a recipe: frozen records whose every value is checked against the rule of its field.

A rule stands in the metadata of a dataclass field. Values come from TOML or from Python; either way an impossible one
is a ConfigError that names the key, when the record is made and not hours later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

from edgevision.documents import check_fields
from edgevision.errors import ConfigError

_Options = TypeVar("_Options", bound="Options")


@dataclass(frozen=True)
class Rule:
    """Which values an option takes.

    Attributes:
        read: A value as it was given -> as the record keeps it; raises ValueError for one that is not allowed.
        allowed: What is allowed: words, or the choices themselves.
    """

    read: Callable[[Any], Any]
    allowed: tuple[str, ...]


@dataclass(frozen=True)
class Options:
    """Base of the records: each field has a ``rule`` in its metadata."""

    def __post_init__(self) -> None:
        for item in fields(self):
            rule: Rule = item.metadata["rule"]
            value = getattr(self, item.name)
            if value is None and item.default is None:
                continue
            try:
                object.__setattr__(self, item.name, rule.read(value))
            except ConfigError as exc:
                what = f"{item.name}: {exc.what.removeprefix('options: ')}"
                raise ConfigError(what, got=exc.got, allowed=exc.allowed, next_step=exc.next_step) from exc
            except ValueError as exc:
                got = value if isinstance(value, str) and value else repr(value)
                raise ConfigError(item.name, got=got, allowed=rule.allowed) from exc

    @classmethod
    def from_dict(cls: type[_Options], what: str, data: Any) -> _Options:
        """Read the TOML form; raises ConfigError for an unknown or missing key, or an impossible value."""
        required = [item.name for item in fields(cls) if item.default is MISSING]
        optional = [item.name for item in fields(cls) if item.default is not MISSING]
        return cls(**check_fields(what, data, required=required, optional=optional))

    def to_dict(self) -> dict[str, Any]:
        """Return the TOML form: every option that has a value, defaults too."""
        document = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None:
                plain = value.to_dict() if isinstance(value, Options) else value
                document[item.name] = list(plain) if isinstance(plain, tuple) else plain
        return document


def number(low: float, high: float = math.inf, *, above: bool = False, below: bool = False) -> Mapping[str, Rule]:
    """A finite number from ``low`` to ``high``; with ``above`` and ``below``, without that end itself."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError
        if not low <= value <= high or (above and value == low) or (below and value == high):
            raise ValueError
        return float(value)

    start = f"above {low:g}" if above else f"{low:g}"
    if high == math.inf:
        return {"rule": Rule(read, (f"a number {start}" if above else f"a number, {start} or more",))}
    return {"rule": Rule(read, (f"a number {start} {'and below' if below else 'up to'} {high:g}",))}


def whole(low: int, high: int = 2**31 - 1) -> Mapping[str, Rule]:
    """A whole number from ``low`` to ``high``."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    return {"rule": Rule(read, (f"a whole number, {low} {'or more' if high == 2**31 - 1 else f'to {high}'}",))}


def choice(words: Collection[str]) -> Mapping[str, Rule]:
    """One of several words."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError
        return value

    return {"rule": Rule(read, tuple(words))}


def flag() -> Mapping[str, Rule]:
    """True or false."""

    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    return {"rule": Rule(read, ("true", "false"))}


def names() -> Mapping[str, Rule]:
    """A list of names or patterns."""

    def read(value: Any) -> tuple[str, ...]:
        if isinstance(value, str) or not isinstance(value, list | tuple):
            raise ValueError
        if not all(isinstance(name, str) and name for name in value):
            raise ValueError
        return tuple(value)

    return {"rule": Rule(read, ("a list of names, such as ['conv1', 'stage2_*']",))}


def pair() -> Mapping[str, Rule]:
    """Two whole numbers, each of at least 1."""

    def read(value: Any) -> tuple[int, ...]:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise ValueError
        if not all(isinstance(number, int) and not isinstance(number, bool) and number >= 1 for number in value):
            raise ValueError
        return tuple(value)

    return {"rule": Rule(read, ("two whole numbers, such as [2, 4]",))}


def record(cls: type[Options]) -> Mapping[str, Rule]:
    """Options of its own, as a table: ``{weight = 0.9}``."""

    def read(value: Any) -> Options:
        return value if isinstance(value, cls) else cls.from_dict("options", value)

    return {"rule": Rule(read, ("a table",))}
