"""Files of C code with marks to be filled in."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from edgevision.converters.firmware.source import Names


def piece(file: str, names: Names, marks: Mapping[str, str]) -> str:
    """Return a file of ``camera/``, of the code for camera frames, with its marks filled in."""
    return _filled("camera", file, names, marks)


def template(file: str, names: Names, marks: Mapping[str, str]) -> str:
    """Return a file of ``templates/``, of what stands around the code, with its marks filled in."""
    return _filled("templates", file, names, marks)


def _filled(folder: str, file: str, names: Names, marks: Mapping[str, str]) -> str:
    text = (files("edgevision.converters.firmware") / folder / file).read_text(encoding="utf-8")
    for mark, value in {**marks, "name": names.name, "NAME": names.upper}.items():
        text = text.replace(f"@{mark}@", value)
    return text
