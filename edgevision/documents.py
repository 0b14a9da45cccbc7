"""What every JSON document of ours has in common: strict fields, a schema number, one canonical text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from edgevision.errors import ConfigError, EdgeVisionError


def canonical_json(document: Any) -> str:
    """Return the one text of a document: sorted keys, no spaces, no NaN."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def pretty_json(document: Any) -> str:
    """Return the text that is written to disk: sorted keys, two spaces, a final newline, no NaN."""
    return json.dumps(document, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def digest(document: Any) -> str:
    """Return the SHA-256 (hex) of a document's canonical text."""
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()


def check_fields(
    what: str,
    data: Any,
    *,
    required: Collection[str],
    optional: Collection[str] = (),
    error: type[EdgeVisionError] = ConfigError,
) -> Mapping[str, Any]:
    """Return ``data`` if it is a mapping with all required keys and no unknown one.

    Raises:
        EdgeVisionError: Of the given class: not a mapping, a missing key, or an unknown key, by name.
    """
    if not isinstance(data, Mapping):
        raise error(f"{what}: not a mapping", got=type(data).__name__)
    allowed = [*required, *optional]
    for key in data:
        if key not in allowed:
            raise error(f"{what}: unknown key", got=key, allowed=allowed)
    for key in required:
        if key not in data:
            raise error(f"{what}: no key {key!r}", got=", ".join(map(str, data)) or "none")
    return data


def check_schema(what: str, data: Any, known: int, error: type[EdgeVisionError] = ConfigError) -> int:
    """Return the document's schema number.

    Raises:
        EdgeVisionError: Of the given class: there is none, or it is newer than ``known``.
    """
    schema = data.get("schema") if isinstance(data, Mapping) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise error(f"{what}: no schema number", got=repr(schema), allowed=f"1 to {known}")
    if schema > known:
        raise error(
            f"{what}: written by a newer edgevision",
            got=f"schema {schema}",
            allowed=f"up to {known}",
            next_step="upgrade: pip install --upgrade edgevision",
        )
    return schema
