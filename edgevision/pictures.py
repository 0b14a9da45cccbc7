"""Pictures that are written for people to look at."""

from __future__ import annotations

from pathlib import Path

from edgevision.errors import OutputError
from edgevision.files import atomic_file
from edgevision.tensors import Array


def write_picture(folder: Path, number: int, name: str, image: Array) -> Path:
    """Write an image, uint8 RGB HWC, into a folder as ``NUMBER-NAME.png``, replacing one that is there.

    Raises:
        OutputError: It could not be written.
    """
    from PIL import Image

    path = folder / f"{number:04d}-{Path(name).stem.replace(' ', '-')}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(path, overwrite=True) as file:
            Image.fromarray(image).save(file, "PNG")
    except OSError as exc:
        raise OutputError(f"{path}: cannot be written ({exc.strerror or exc})") from exc
    return path
