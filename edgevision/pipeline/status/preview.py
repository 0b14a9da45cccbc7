"""The newest picture of each camera, drawn when somebody looks and not before."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable

from edgevision.tensors import Array

QUALITY = 80


class Preview:
    """Pictures by camera; any thread may show one or look at one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pictures: dict[str, tuple[int, Callable[[], Array]]] = {}

    def show(self, camera: str, picture: Callable[[], Array]) -> None:
        """Have a camera show a picture from now on.

        Args:
            camera: Its name.
            picture: Returns it, uint8 RGB (height, width, 3), masked and drawn; called only when somebody looks.
        """
        with self._changed:
            number, _ = self._pictures.get(camera, (0, None))
            self._pictures[camera] = (number + 1, picture)
            self._changed.notify_all()

    def forget(self, camera: str) -> None:
        """Show nothing of a camera any more."""
        with self._changed:
            self._pictures.pop(camera, None)
            self._changed.notify_all()

    def jpeg(self, camera: str, after: int = 0, timeout_s: float = 0.0) -> tuple[int, bytes] | None:
        """Return the number of a camera's newest picture and the picture as JPEG.

        Args:
            camera: Its name.
            after: Wait for a picture with a higher number.
            timeout_s: For so long at most; None comes back then.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._pictures.get(camera, (0, None))[0] > after, timeout_s):
                return None
            number, picture = self._pictures[camera]
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(picture()).save(file, "JPEG", quality=QUALITY)
        return number, file.getvalue()
