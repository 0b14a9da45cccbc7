"""One picture of an event, as JPEG."""

from __future__ import annotations

from pathlib import Path

from edgevision.files import atomic_file
from edgevision.pipeline.recording.names import file_name, folder_name
from edgevision.tensors import Array

QUALITY = 85


def save_snapshot(folder: Path, camera: str, event_id: str, wall_s: float, picture: Array) -> str:
    """Write a picture, and return its name relative to the folder.

    Args:
        folder: Where the cameras' folders are.
        camera: Name of the camera.
        event_id: Id of the event.
        wall_s: When the frame was taken, seconds since 1970 UTC.
        picture: uint8 RGB (height, width, 3), with privacy masks painted.

    Raises:
        OutputError: No space, no permission.
    """
    from PIL import Image

    name = f"{folder_name(camera)}/{file_name(wall_s, event_id, 'jpg')}"
    with atomic_file(folder / name, overwrite=True) as path:
        Image.fromarray(picture).save(path, "JPEG", quality=QUALITY)
    return name
