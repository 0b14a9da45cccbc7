"""Frames of a program's own: any iterable of images is a source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from edgevision.frames import Frame, encode_frame
from edgevision.tensors import Array


class IteratorSource:
    """Images that a function yields.

    Attributes:
        live: Whether they come from a camera: then the newest counts, and their end is a failure.
    """

    def __init__(self, images: Callable[[], Iterable[Array | Frame]], *, live: bool = False) -> None:
        """Describe it.

        Args:
            images: Called at each opening; what it returns gives uint8 RGB images (height, width, 3), or frames. What
                it raises ends the source, as an error of its own kind.
            live: As the attribute.
        """
        self.live = live
        self._images = images
        self._left: Iterator[Array | Frame] = iter(())

    def open(self) -> None:
        """Call the function."""
        self._left = iter(self._images())

    def read(self) -> tuple[Frame, float | None] | None:
        """Return the next image; None after the last one."""
        for image in self._left:
            return (image if isinstance(image, Frame) else encode_frame(image, "rgb888")), None
        return None

    def close(self) -> None:
        """Forget the rest; a generator's ``finally`` runs."""
        left, self._left = self._left, iter(())
        close = getattr(left, "close", None)
        if close is not None:
            close()
