"""Reading a table of a configuration: every key is asked for by type, and one that nobody asked for is an error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edgevision.errors import ConfigError
from edgevision.files import user_path
from edgevision.secret import Secret

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
D = TypeVar("D", bound="DataclassInstance")
_REQUIRED: Any = object()
FARTHEST = 100_000
"""No picture is so wide or high, and no ground: what is farther away is a slip of the pen."""
_WORDS = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


class Table:
    """One table. Ask for its keys, then call `finish`.

    Args:
        what: Where it stands, for errors: "cameras.gate.motion".
        data: What TOML made of it.
        base: Folder that relative paths are relative to.

    Raises:
        ConfigError: ``data`` is no table. So does each method: a missing key, or a value of another kind.
    """

    def __init__(self, what: str, data: Any, base: Path) -> None:
        if not isinstance(data, Mapping):
            raise ConfigError(f"{what}: not a table", got=type(data).__name__)
        self.what, self.base = what, base
        self._data: Mapping[str, Any] = data
        self._asked: dict[str, None] = {}

    @property
    def data(self) -> Mapping[str, Any]:
        """What TOML made of it."""
        return self._data

    def know(self, *keys: str) -> None:
        """Note that keys may be there which are not asked for now."""
        self._asked.update(dict.fromkeys(keys))

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def text(self, key: str, default: T = _REQUIRED) -> str | T:
        """Return a text that is not empty."""
        found: str | T = self._value(key, str, default)
        if isinstance(found, str) and not found.strip():
            raise ConfigError(f"{self.what}: {key} is empty")
        return found

    def name(self, default: T = _REQUIRED) -> str | T:
        """Return the text under "name", which can be printed, since logs and files have it."""
        found = self.text("name", default)
        if isinstance(found, str) and not found.isprintable():
            raise ConfigError(f"{self.what}: name", got=f"{found!a}", allowed="characters that can be printed")
        return found

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        return bool(self._value(key, bool, default))

    def whole(self, key: str, default: T = _REQUIRED) -> int | T:
        """Return a whole number."""
        found: int | T = self._value(key, int, default)
        return found

    def number(self, key: str, default: T = _REQUIRED) -> float | T:
        """Return a finite number."""
        found: float | T = self._value(key, float, default)
        if isinstance(found, float) and not math.isfinite(found):
            raise ConfigError(f"{self.what}: {key}", got=found, allowed="a finite number")
        return found

    def texts(self, key: str, default: T = _REQUIRED) -> tuple[str, ...] | T:
        """Return texts; one alone may stand for a list of it."""
        found = self._value(key, (str, list), default)
        if isinstance(found, str):
            return (found,)
        if isinstance(found, list):
            if not all(isinstance(entry, str) for entry in found):
                raise ConfigError(f"{self.what}: {key}", got=repr(found), allowed="texts")
            return tuple(found)
        rest: T = found
        return rest

    def points(self, key: str, default: T = _REQUIRED) -> tuple[tuple[float, float], ...] | T:
        """Return points, each [x, y]."""
        found = self._value(key, list, default)
        return self._points(key, found) if isinstance(found, list) else found

    def pair(self, key: str) -> tuple[int, int] | None:
        """Return two whole numbers, 1 or more; None where the key is not there."""
        found = self._value(key, list, None)
        if found is None:
            return None
        if len(found) != 2 or not all(type(entry) is int and entry > 0 for entry in found):
            raise ConfigError(f"{self.what}: {key}", got=repr(found), allowed="[width, height] in pixels")
        return found[0], found[1]

    def span(self, key: str) -> tuple[float, float] | None:
        """Return two numbers, the first not above the second; None for an empty list."""
        found = self._value(key, list, _REQUIRED)
        if not found:
            return None
        numbers = len(found) == 2 and all(type(entry) in (int, float) for entry in found)
        if not numbers or not found[0] <= found[1]:
            raise ConfigError(f"{self.what}: {key}", got=repr(found), allowed="[from, to], or [] for none")
        return float(found[0]), float(found[1])

    def polygons(self, key: str) -> tuple[tuple[tuple[float, float], ...], ...]:
        """Return lists of points; none where the key is not there."""
        found = self._value(key, list, ())
        return tuple(self._points(key, entry) for entry in found)

    def path(self, key: str, default: T = _REQUIRED) -> Path | T:
        """Return a path; a relative one is relative to the document's folder."""
        found = self._value(key, str, default)
        return self._path(key, found) if isinstance(found, str) else found

    def paths(self, key: str) -> dict[str, Path]:
        """Return a table of paths, as `path` gives them; empty where the key is not there."""
        found = self._value(key, dict, {})
        if not all(isinstance(value, str) for value in found.values()):
            raise ConfigError(f"{self.what}: {key}", got=repr(found), allowed="a table of paths")
        return {name: self._path(f"{key}.{name}", value) for name, value in found.items()}

    def secret(self, key: str) -> Secret | None:
        """Return a secret from where the text says it is kept, "env:NAME" or "file:PATH"; None where there is none.

        A relative path is relative to the document's folder.
        """
        found = self._value(key, str, None)
        if found is None:
            return None
        try:
            return Secret.read(found, self.base)
        except ConfigError as exc:
            raise ConfigError(f"{self.what}: {key}: {exc.what}", got=exc.got, allowed=exc.allowed) from exc

    def strings(self, key: str) -> dict[str, str]:
        """Return a table whose values are texts; numbers and flags become such."""
        found = self._value(key, dict, {})
        return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in found.items()}

    def table(self, key: str) -> Table | None:
        """Return a table within; None where there is none."""
        found = self._value(key, dict, None)
        return None if found is None else Table(f"{self.what}.{key}" if self.what else key, found, self.base)

    def tables(self, key: str) -> list[Table]:
        """Return tables within ([[key]]), in their order; each has a name for errors, or its number."""
        made = []
        for number, entry in enumerate(self._value(key, list, []), 1):
            name = entry.get("name", number) if isinstance(entry, Mapping) else number
            made.append(Table(f"{self.what}.{key}.{name}" if self.what else f"{key}.{name}", entry, self.base))
        return made

    def filled(self, kind: type[D]) -> D:
        """Return a dataclass of numbers and flags; what is not there keeps its default. It calls `finish`."""
        given: dict[str, Any] = {}
        for name in [entry.name for entry in fields(kind)]:
            if name not in self:
                self.know(name)
                continue
            default = getattr(kind(), name)
            if isinstance(default, bool):
                given[name] = self.flag(name, default)
            elif isinstance(default, int):
                given[name] = self.whole(name)
            else:
                given[name] = self.number(name)
        self.finish()
        return kind(**given)

    def finish(self) -> None:
        """Raise ConfigError for a key that nobody asked for."""
        for key in self._data:
            if key not in self._asked:
                raise ConfigError(f"{self.what or 'config'}: unknown key", got=key, allowed=list(self._asked))

    def _value(self, key: str, kind: Any, default: Any) -> Any:
        self._asked[key] = None
        if key not in self._data:
            if default is _REQUIRED:
                raise ConfigError(f"{self.what or 'config'}: no key {key!r}", got=", ".join(self._data) or "none")
            return default
        value = self._data[key]
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return self._float(key, value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            allowed = " or ".join(_WORDS[one] for one in kinds)
            raise ConfigError(
                f"{self.what or 'config'}: {key}", got=f"{type(value).__name__} {value!r}", allowed=allowed
            )
        return value

    def _points(self, key: str, found: Any) -> tuple[tuple[float, float], ...]:
        fits = isinstance(found, list) and all(
            isinstance(point, list) and len(point) == 2 and all(type(n) in (int, float) for n in point)
            for point in found
        )
        if not fits:
            raise ConfigError(f"{self.what}: {key}", got=repr(found), allowed="points, each [x, y] in pixels")
        points = tuple((self._float(key, x), self._float(key, y)) for x, y in found)
        for x, y in points:
            if not all(-FARTHEST <= n <= FARTHEST for n in (x, y)):  # nor is NaN
                raise ConfigError(f"{self.what}: {key}", got=f"[{x:g}, {y:g}]", allowed=f"{-FARTHEST} to {FARTHEST}")
        return points

    def _float(self, key: str, value: float) -> float:
        """TOML's whole numbers may have any number of digits."""
        try:
            return float(value)
        except OverflowError as exc:
            got = f"a number of {len(str(abs(value)))} digits"
            raise ConfigError(f"{self.what}: {key}", got=got, allowed="one below 1e308") from exc

    def _path(self, key: str, text: str) -> Path:
        if not text.strip():
            raise ConfigError(f"{self.what}: {key}", got=repr(text), allowed="a path")
        try:
            return self.base / user_path(text)
        except ConfigError as exc:
            raise ConfigError(f"{self.what}: {key}: {exc.what}", got=exc.got, allowed=exc.allowed) from exc


@contextmanager
def placed(what: str) -> Iterator[None]:
    """Within the block, have each ConfigError say that it is about ``what``: it may be one of many cameras."""
    try:
        yield
    except ConfigError as error:
        if not error.what.startswith(what):
            error.what = f"{what}: {error.what}"
        raise


def check_seen(what: str, points: Sequence[tuple[float, float]], size: tuple[int, int] | None) -> None:
    """Raise ConfigError for points that cannot be meant for a picture of ``size``, None where that is not known.

    Corners may lie beyond its edges, by its width or height at most, but not all of them beyond one and the same edge.
    """
    for axis, length in enumerate(size or ()):
        low, high = min(point[axis] for point in points), max(point[axis] for point in points)
        if low > length or high < 0 or low < -length or high > 2 * length:
            name, side = ("x", "wide") if axis == 0 else ("y", "high")
            raise ConfigError(
                f"{what}: {name} of points of a picture that is {length} pixels {side}",
                got=f"{low:g} to {high:g}", allowed=f"within {-length} to {2 * length}, and in the picture somewhere",
                next_step="name pixels of the picture whose size the camera's size says",
            )  # fmt: skip


def check_names(what: str, names: Sequence[str], least: int = 0) -> None:
    """Raise ConfigError for two of one name, or too few."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"{what}: two of one name", got=", ".join(twice))
    if len(names) < least:
        raise ConfigError(f"config: no {what}", next_step=f"write [[{what}]]")
