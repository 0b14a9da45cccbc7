"""What a study is of, and the note in a folder of results that says which study's they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgevision.compress.database import place_of
from edgevision.documents import check_fields, check_schema, pretty_json
from edgevision.errors import ConfigError
from edgevision.files import atomic_file

STUDY_FILE = "study.db"
SEARCH_FILE = "search.json"
SCHEMA = 1
KIND = "edgevision-search-folder"


def check_identity(what: str, found: Mapping[str, Any], wanted: Mapping[str, Any], next_step: str) -> None:
    """Raise ConfigError, which names the first difference, where ``what`` is of something else than wanted."""
    for key in {**wanted, **found}:
        if found.get(key) != wanted.get(key):
            raise ConfigError(
                f"{what} is of another {key}", got=_brief(wanted.get(key)), allowed=(_brief(found.get(key)),),
                next_step=next_step,
            )  # fmt: skip


def check_folder(folder: Path, storage: str, study: str, identity: Mapping[str, Any]) -> None:
    """Raise ConfigError where a folder of results is another study's; without a note it is nobody's.

    Args:
        folder: The folder.
        storage: URL of the study's database.
        study: The study's name in it.
        identity: What every trial depends on.
    """
    found = _noted(folder / SEARCH_FILE)
    if found is not None:
        check_identity(
            f"the search in {folder}", found, _owner(folder, storage, study, identity),
            "name another folder, or begin anew with --overwrite (overwrite=True)",
        )  # fmt: skip


def claim_folder(folder: Path, storage: str, study: str, identity: Mapping[str, Any]) -> None:
    """Note in a folder of results that they are this study's; raises ConfigError as `check_folder` does."""
    check_folder(folder, storage, study, identity)
    file = folder / SEARCH_FILE
    if not file.exists():
        note = {"schema": SCHEMA, "kind": KIND, "owner": _owner(folder, storage, study, identity)}
        with atomic_file(file, overwrite=True) as temporary:
            temporary.write_text(pretty_json(note), encoding="utf-8")


def _owner(folder: Path, storage: str, study: str, identity: Mapping[str, Any]) -> dict[str, Any]:
    place = place_of(storage)
    own = place == str(folder.resolve() / STUDY_FILE)  # a folder may be moved with its own database
    return {**identity, "study": study, "storage": STUDY_FILE if own else place}


def _noted(file: Path) -> Mapping[str, Any] | None:
    try:
        note = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"{file} cannot be read", got=getattr(exc, "strerror", None) or str(exc),
            next_step="name another folder, or begin anew with --overwrite (overwrite=True)",
        ) from exc  # fmt: skip
    check_schema(str(file), note, SCHEMA)
    owner: Mapping[str, Any] = check_fields(str(file), note, required=("schema", "kind", "owner"))["owner"]
    return owner


def _brief(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 40 or "/" in text else f"{text[:12]}…"  # digests are long, places are told whole
