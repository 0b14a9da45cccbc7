"""The folder of captured pictures, in the layout that `edgevision.data` reads.

Whole frames::

    classes.txt                 the model's classes
    images/CAMERA/NAME.webp     frames, lossless, privacy masks painted
    images/CAMERA/NAME.json     camera, time, reason, model, what was seen with scores
    unreviewed/CAMERA/NAME.txt  what was seen as YOLO's labels; whoever reviewed it moves it to labels/CAMERA/
    labels/CAMERA/NAME.txt      what somebody reviewed

Cuttings: ``unreviewed/LABEL/NAME.webp`` and ``.json``; whoever reviewed one moves it to ``train/LABEL/`` or
``test/LABEL/``.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.data.unreviewed import UNREVIEWED
from edgevision.documents import pretty_json
from edgevision.errors import ConfigError, OutputError
from edgevision.files import atomic_file
from edgevision.pipeline.capture.choosing import Chosen, corners
from edgevision.pipeline.recording import Retention
from edgevision.pipeline.recording.names import file_name, folder_name
from edgevision.tasks.detections import Detections
from edgevision.tensors import Array

SCHEMA = 1
README = f"""Captured by edgevision watch.

{UNREVIEWED}/ has what a model said, which nobody looked at. To label frames, correct the texts (YOLO: class, x, y,
width, height) and move them to labels/; to label cuttings, move those that are right to train/LABEL/ or test/LABEL/.

--data of edgevision's commands takes this folder: to calibrate with before anything is labelled, to evaluate, examine
and train with afterwards.
"""


class CaptureFolder:
    """Where captured pictures are written; used by one thread, but for the constructor."""

    def __init__(self, root: Path, labels: Sequence[str], *, crops: bool, min_free_bytes: int) -> None:
        """Describe it; `prepare` makes it.

        Raises:
            ConfigError: It is there for other classes.
        """
        self.root, self._labels, self._least = root, tuple(labels), min_free_bytes
        self._classes = None if crops else "".join(f"{label}\n" for label in labels)
        self._device: int | None = None
        self._check_free()

    def prepare(self) -> None:
        """Make the folder where it was not yet; raise OutputError where nothing can be written into it now.

        A folder that is gone, or on another disk than before, is not made anew: a disk that was taken out would have
        its pictures put into the place where it was mounted.
        """
        try:
            if self._device is None:
                self.root.mkdir(parents=True, exist_ok=True)
            found = self.root.stat().st_dev
            free = shutil.disk_usage(self.root).free
        except OSError as exc:
            reason = exc.strerror or str(exc)
            what = "cannot be made" if self._device is None else "is not there"
            raise OutputError(
                f"{self.root} {what}: {reason}", next_step="pictures go there as soon as they can"
            ) from exc
        if found != (self._device or found):
            raise OutputError(f"{self.root} is on another disk than before", next_step="mount the old one, or restart")
        if free < self._least:
            raise OutputError(
                f"{self.root}: less than {self._least:,} bytes (min_free_bytes) are free",
                next_step="pictures go there again when there is room",
            )
        self._complete()
        self._device = found

    def write(self, chosen: Chosen) -> list[Path]:
        """Write a frame or its cuttings, and return the pictures; raises OutputError."""
        picture = chosen.result.frame.frame.to_rgb()
        if chosen.mask is not None:
            picture = chosen.mask.apply(picture)
        camera = folder_name(chosen.result.frame.source)
        identity = f"{chosen.reason}-{chosen.result.frame.sequence}"
        if chosen.cuttings is None:
            name = f"{camera}/{file_name(chosen.wall_s, identity, 'txt')}"
            height, width = picture.shape[:2]
            self._write_text(f"{UNREVIEWED}/{name}", yolo_text(chosen.objects, width, height))
            return [self._write_picture(Path("images", name), picture, self._about(chosen, chosen.objects))]
        return [
            self._write_cutting(chosen, picture, place, f"{camera}-{identity}-{place}") for place in chosen.cuttings
        ]

    def sweep(self, retention: Retention) -> int:
        """Delete the oldest pictures beyond the limits, with what belongs to them; return how many files went.

        Those that have a label by now stay.
        """
        if self._classes is None:
            return len(retention.sweep(self.root / UNREVIEWED))
        beside = (self.root / UNREVIEWED,)
        return len(retention.sweep(self.root / "images", beside=beside, spared=self._is_labelled))

    def load(self, name: str) -> str | None:
        """Return a text that `save` wrote; None where there is none."""
        try:
            return (self.root / name).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None

    def save(self, name: str, text: str) -> None:
        """Write a text; raises OutputError."""
        self._write_text(name, text)

    def _write_cutting(self, chosen: Chosen, picture: Array, place: int, identity: str) -> Path:
        height, width = picture.shape[:2]
        left, top, right, bottom = corners(width, height, chosen.objects.boxes[place])
        one = chosen.objects.take(np.array([place]))
        about = {**self._about(chosen, one), "cut_out": [left, top, right, bottom]}
        name = Path(UNREVIEWED, self._label_folder(int(one.classes[0])), file_name(chosen.wall_s, identity, "webp"))
        return self._write_picture(name, picture[top:bottom, left:right], about)

    def _write_picture(self, name: Path, picture: Array, about: Mapping[str, Any]) -> Path:
        """Write what is known of a picture, then it: a picture is there with all that belongs to it."""
        from PIL import Image

        self._write_text(str(name.with_suffix(".json")), pretty_json(about))
        path = self.root / name.with_suffix(".webp")
        with atomic_file(path, overwrite=True) as file:
            # Lossless; the least effort takes a tenth of the time of the default for a quarter more bytes.
            Image.fromarray(picture).save(file, "WEBP", lossless=True, quality=0, method=0)
        return path

    def _write_text(self, name: str, text: str) -> None:
        with atomic_file(self.root / name, overwrite=True) as path:
            path.write_text(text, encoding="utf-8")

    def _about(self, chosen: Chosen, objects: Detections) -> dict[str, Any]:
        frame = chosen.result.frame
        return {
            "schema": SCHEMA,
            "camera": frame.source,
            "captured_at": datetime.fromtimestamp(chosen.wall_s, timezone.utc).isoformat(timespec="milliseconds"),
            "position_s": frame.position_s,
            "reason": chosen.reason,
            "why": dict(chosen.why),
            "model": chosen.result.model,
            "size": [frame.frame.width, frame.frame.height],
            "masked": chosen.mask is not None,
            "detections": objects.to_list(self._labels),
        }

    def _label_folder(self, index: int) -> str:
        label = self._labels[index] if index < len(self._labels) else str(index)
        return re.sub(r"[/\\\0]", "_", label).lstrip(".") or "_"  # as it is, or it would not be the model's class

    def _is_labelled(self, path: Path) -> bool:
        """Whether somebody labelled a whole frame."""
        return (self.root / "labels" / path.parent.name / path.name).with_suffix(".txt").exists()

    def _complete(self) -> None:
        """Write what tells what the folder is, where that is not there."""
        if not (self.root / "README.txt").exists():
            if self._classes is not None:
                self._write_text("classes.txt", self._classes)
            self._write_text("README.txt", README)

    def _check_free(self) -> None:
        known = self.load("classes.txt")
        used = known is not None or (self.root / UNREVIEWED).is_dir()
        if used and known != self._classes:
            raise ConfigError(
                f"capture: {self.root} is there for something else", got=_content(known),
                allowed=_content(self._classes), next_step="name another folder",
            )  # fmt: skip


def _content(classes: str | None) -> str:
    return "cuttings" if classes is None else f"whole frames, {len(classes.splitlines())} classes ({classes[:20]!r} …)"


def yolo_text(objects: Detections, width: int, height: int) -> str:
    """Return objects as YOLO's labels: class, and middle and size in shares of the picture, a line each."""
    sides = np.array([width, height, width, height], np.float64)
    lines = []
    for box, kind in zip(objects.boxes.astype(np.float64) / sides, objects.classes, strict=True):
        left, top, right, bottom = box
        shares = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
        lines.append(f"{kind} " + " ".join(f"{share:.6f}" for share in shares) + "\n")
    return "".join(lines)
