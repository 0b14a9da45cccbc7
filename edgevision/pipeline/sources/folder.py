"""A folder of images as a source: in the order of their names, to the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgevision.data.folders import image_files
from edgevision.data.images import load_image
from edgevision.errors import EdgeVisionError, SourceError
from edgevision.frames import Frame, encode_frame


class FolderSource:
    """The images of a folder. One that cannot be read is passed over, and counted.

    Attributes:
        live: False.
        corrupt: How many could not be read since it was opened.
    """

    live = False

    def __init__(self, folder: str | Path) -> None:
        self._folder, self.corrupt = Path(folder), 0
        self._files: Iterator[Path] = iter(())
        self._first: EdgeVisionError | None = None

    def open(self) -> None:
        """Look which images there are; raises SourceError where there are none."""
        files = sorted(image_files(self._folder))
        if not files:
            raise SourceError(f"{self._folder} has no images")
        self._files, self._first, self.corrupt = iter(files), None, 0

    def read(self) -> tuple[Frame, float | None] | None:
        """Return the next image that can be read; None after the last one.

        Raises:
            SourceError: After the last one, where some could not be read.
        """
        for file in self._files:
            try:
                return encode_frame(load_image(file), "rgb888"), None
            except EdgeVisionError as exc:
                self.corrupt, self._first = self.corrupt + 1, self._first or exc
        if self._first is not None:
            raise SourceError(f"images that cannot be read: {self.corrupt}; the first: {self._first}") from self._first
        return None

    def close(self) -> None:
        """Forget what was to be read."""
        self._files, self._first = iter(()), None
