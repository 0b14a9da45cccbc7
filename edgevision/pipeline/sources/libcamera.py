"""Cameras behind libcamera, such as those of a Raspberry Pi, through picamera2. Its calls have never met a camera."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgevision.errors import BackendUnavailableError, SourceError, reason_of
from edgevision.frames import Frame


class LibcameraSource:
    """A camera number of libcamera.

    Attributes:
        live: True.
    """

    live = True

    def __init__(self, index: int = 0, *, size: tuple[int, int] = (640, 480)) -> None:
        """Describe it.

        Args:
            index: Its number.
            size: Width and height of the frames, pixels.
        """
        self._index, self._size = index, size
        self._camera: Any = None

    def check_software(self) -> None:
        """Raise BackendUnavailableError without picamera2."""
        _picamera2()

    def open(self) -> None:
        """Configure and start the camera; raises SourceError, and BackendUnavailableError without picamera2."""
        picamera2 = _picamera2()
        self.close()
        try:
            self._camera = picamera2.Picamera2(self._index)
            # "BGR888" is what libcamera calls bytes in the order red, green, blue.
            main = {"size": self._size, "format": "BGR888"}
            self._camera.configure(self._camera.create_video_configuration(main=main, buffer_count=3))
            self._camera.start()
        except Exception as exc:
            self.close()
            raise SourceError(f"camera {self._index} of libcamera does not start: {reason_of(exc)}") from exc

    def read(self) -> tuple[Frame, float | None] | None:
        """Return the next frame."""
        if self._camera is None:
            raise SourceError(f"camera {self._index} of libcamera is not open")
        try:
            image = np.ascontiguousarray(self._camera.capture_array("main"))
        except Exception as exc:
            raise SourceError(f"camera {self._index} of libcamera failed: {reason_of(exc)}") from exc
        height, width = image.shape[:2]
        return Frame("rgb888", width, height, (image.reshape(-1),), (3 * width,)), None

    def close(self) -> None:
        """Stop the camera."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()


def _picamera2() -> Any:
    try:
        import picamera2
    except ImportError as exc:
        raise BackendUnavailableError(
            f"picamera2 is not here: {exc}", next_step="sudo apt install python3-picamera2, and use that Python"
        ) from exc
    return picamera2
