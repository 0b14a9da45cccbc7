"""Device profiles: facts about hardware that need not be here, each with its source, as TOML files."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from edgevision.devices.cpu import cpu_facts
from edgevision.devices.rules.sets import RULE_SETS
from edgevision.documents import check_fields, check_schema
from edgevision.errors import ConfigError, DeviceNotFoundError, check_choice

SCHEMA = 1
FOLDER = Path(__file__).resolve().parent / "profiles"
KINDS = ("board", "accelerator", "microcontroller")
FACTS: Mapping[str, type] = {
    "architecture": str, "isa": list, "clock_hz": int, "ram_bytes": int, "flash_bytes": int, "numeric_formats": list,
    "image": str, "python": str, "glibc": str,
}  # fmt: skip
"""Fact -> its type. ``isa``: instruction sets as Linux names them; ``python``, ``glibc``: of the stock image."""


@dataclass(frozen=True)
class Fact:
    """Something that is known about hardware, and from where."""

    value: Any
    source: str


@dataclass(frozen=True)
class Way:
    """One way in which a device runs models.

    Attributes:
        runtime: The software ("tflite", "edgetpu", "tensorrt", …).
        format: Files that it is made from.
        rules: The rule set that says which operators it takes.
        target: What computes: "cpu", "edgetpu", "gpu", ….
        fallback: Whether something else runs the operators that the target does not take.
        source: Where this is known from.
        rest: What runs them: "cpu", or "gpu" beside a DLA.
    """

    runtime: str
    format: str
    rules: str
    target: str
    fallback: bool
    source: str
    rest: str = "cpu"


@dataclass(frozen=True)
class DeviceProfile:
    """What is known about a device.

    Attributes:
        name: The file's name without ".toml".
        title: What its maker calls it.
        kind: One of `KINDS`.
        facts: Names of `FACTS` -> what is known.
        ways: How it runs models, the fastest first.
    """

    name: str
    title: str
    kind: str
    facts: Mapping[str, Fact]
    ways: tuple[Way, ...]

    def get(self, name: str, otherwise: Any = None) -> Any:
        """Return a fact's value."""
        fact = self.facts.get(name)
        return otherwise if fact is None else fact.value


def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles that come with edgevision."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_profile(name: str | Path) -> DeviceProfile:
    """Load a profile.

    Args:
        name: The name of one that comes with edgevision, or the path of a TOML file.

    Raises:
        DeviceNotFoundError: No such profile; the message has the nearest names.
        ConfigError: The file is not a profile: an unknown key, a fact without a source, a rule set that is not there.
    """
    text = str(name)
    path = Path(name) if text.endswith(".toml") or "/" in text else FOLDER / f"{text}.toml"
    if not path.is_file():
        names = profile_names()
        near = get_close_matches(text, names, n=3, cutoff=0.4)
        raise DeviceNotFoundError(
            "no such profile", got=repr(text), allowed=near or names, next_step="or the path of a TOML file"
        )
    return read_profile(path)


def read_profile(path: Path) -> DeviceProfile:
    """Read a profile from a file; raises ConfigError as `load_profile`."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    what = f"profile {path.name}"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"{what}: cannot be read: {exc}") from exc
    check_schema(what, data, SCHEMA)
    check_fields(what, data, required=("schema", "title", "kind", "facts", "ways"))
    check_choice(f"{what}: kind", data["kind"], KINDS)
    facts = {name: _fact(what, name, entry) for name, entry in data["facts"].items()}
    if not isinstance(data["ways"], list) or not data["ways"]:
        raise ConfigError(f"{what}: no [[ways]] to run models")
    return DeviceProfile(path.stem, str(data["title"]), data["kind"], facts, tuple(_way(what, w) for w in data["ways"]))


def _fact(what: str, name: str, entry: Any) -> Fact:
    check_choice(f"{what}: fact", name, FACTS)
    check_fields(f"{what}: {name}", entry, required=("value", "source"))
    kind = FACTS[name]
    if not isinstance(entry["value"], kind) or isinstance(entry["value"], bool):
        raise ConfigError(f"{what}: {name}", got=repr(entry["value"]), allowed=kind.__name__)
    if not isinstance(entry["source"], str) or not entry["source"].strip():
        raise ConfigError(f"{what}: {name} has no source", next_step="say where it is known from")
    return Fact(entry["value"], entry["source"])


def _way(what: str, entry: Any) -> Way:
    required = ("runtime", "format", "rules", "target", "source")
    check_fields(f"{what}: way", entry, required=required, optional=("fallback", "rest"))
    check_choice(f"{what}: rules", entry["rules"], RULE_SETS)
    check_choice(f"{what}: rest", entry.get("rest", "cpu"), ("cpu", "gpu"))
    return Way(
        entry["runtime"], entry["format"], entry["rules"], entry["target"], bool(entry.get("fallback", False)),
        entry["source"], entry.get("rest", "cpu"),
    )  # fmt: skip


def profile_here() -> DeviceProfile:
    """Return a profile of this machine's processor, from what it says of itself."""
    cpu = cpu_facts()
    limits = [size for size in (cpu.memory_bytes, cpu.memory_limit_bytes) if size is not None]
    values: dict[str, Any] = {
        "architecture": cpu.architecture, "isa": list(cpu.features), "python": platform.python_version(),
        "ram_bytes": min(limits) if limits else None, "glibc": platform.libc_ver()[1] or None,
    }  # fmt: skip
    facts = {name: Fact(value, "this machine") for name, value in values.items() if value is not None}
    ways = tuple(
        Way(runtime, format_, format_, "cpu", False, "the base install and its extras")
        for runtime, format_ in (("tflite", "tflite"), ("onnxruntime", "onnx"), ("openvino", "openvino"))
    )
    return DeviceProfile("here", cpu.name, "board", facts, ways)
