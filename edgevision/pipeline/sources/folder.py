"""A folder of images as a source: in the order of their names, to the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgevision.data.folders import image_files
from edgevision.data.images import load_image
from edgevision.errors import EdgeVisionError, SourceError
from edgevision.frames import Frame, encode_frame


class FolderSource:
    """The images of a folder.

    Attributes:
        live: False.
    """

    live = False

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._files: Iterator[Path] = iter(())

    def open(self) -> None:
        """Look which images there are; raises SourceError where there are none."""
        files = sorted(image_files(self._folder))
        if not files:
            raise SourceError(f"{self._folder} has no images")
        self._files = iter(files)

    def read(self) -> tuple[Frame, float | None] | None:
        """Return the next image; None after the last one. Raises SourceError for a file that is no image."""
        file = next(self._files, None)
        if file is None:
            return None
        try:
            return encode_frame(load_image(file), "rgb888"), None
        except EdgeVisionError as exc:
            raise SourceError(f"{file} cannot be read: {exc}") from exc

    def close(self) -> None:
        """Forget what was to be read."""
        self._files = iter(())
