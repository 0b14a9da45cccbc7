"""Names of recorded files: camera, moment and event, so that a listing tells what there is."""

from __future__ import annotations

import re
from datetime import datetime, timezone

RECORDED = re.compile(r"\d{8}T\d{6}\.\d{3}Z_[0-9A-Za-z-]{1,64}\.(jpg|mp4|webp|json|txt)")
"""What a recorded file is called within the folder of its camera; nothing else there is ever deleted."""


def folder_name(camera: str) -> str:
    """Return the name of a camera's folder: its own name where that is a safe one, in whatever script.

    >>> folder_name("Tür 1/east")
    'Tür_1_east'
    """
    return re.sub(r"[^\w.-]", "_", camera).lstrip(".") or "_"


def file_name(wall_s: float, event_id: str, suffix: str) -> str:
    """Return the name of a file.

    >>> file_name(0.5, "ab12", "jpg")
    '19700101T000000.500Z_ab12.jpg'
    """
    moment = datetime.fromtimestamp(wall_s, timezone.utc)
    text = moment.strftime("%Y%m%dT%H%M%S.") + f"{moment.microsecond // 1000:03d}Z"
    return f"{text}_{re.sub('[^0-9A-Za-z-]', '-', event_id)[:64]}.{suffix}"
