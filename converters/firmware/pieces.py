"""Pieces of the C code for camera frames, with marks to be filled in."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from edgevision.converters.firmware.source import Names


def piece(file: str, names: Names, marks: Mapping[str, str]) -> str:
    """Return a file of ``camera/`` with its marks filled in."""
    text = (files("edgevision.converters.firmware") / "camera" / file).read_text(encoding="utf-8")
    for mark, value in {**marks, "name": names.name, "NAME": names.upper}.items():
        text = text.replace(f"@{mark}@", value)
    return text
