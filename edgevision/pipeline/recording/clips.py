"""Clips of what happened: from some seconds before an event begins until some seconds after it ended."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from edgevision.errors import ConfigError, OutputError
from edgevision.frames import Frame
from edgevision.optional import require
from edgevision.pipeline.recording.names import RECORDED, file_name, folder_name
from edgevision.pipeline.sources.base import CapturedFrame
from edgevision.tensors import Array

CODECS = ("libx264", "mpeg4")
"""H.264 where FFmpeg has an encoder for it, else MPEG-4 part 2."""
BEHIND = 64
"""Frames that may wait for the encoder, beside those from before the event; beyond them they are left out, and said."""
FRAGMENT_US = "500000"
"""Longest fragment: what a killed process loses. Key frames alone are ten seconds apart where little moves."""


@dataclass(frozen=True)
class ClipSettings:
    """What a clip is.

    Attributes:
        pre_s: Seconds before the event.
        post_s: Seconds after it.
        longest_s: A longer one is cut here, and the next event begins a new one.
        buffer_bytes: Most bytes of frames that are held for ``pre_s``; with more, it is shorter.
    """

    pre_s: float = 3.0
    post_s: float = 3.0
    longest_s: float = 120.0
    buffer_bytes: int = 64_000_000

    def __post_init__(self) -> None:
        for name in ("pre_s", "post_s"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"clips: {name}", got=getattr(self, name), allowed="0 or more")
        if not self.pre_s < self.longest_s < float("inf"):
            allowed = f"more than pre_s, {self.pre_s:g}: the event itself is to be in it"
            raise ConfigError("clips: longest_s", got=self.longest_s, allowed=allowed)
        if self.buffer_bytes < 1:
            raise ConfigError("clips: buffer_bytes", got=self.buffer_bytes, allowed="1 or more")


class ClipRecorder:
    """Records one camera. Frames and events come from one thread; another one encodes.

    Attributes:
        left_out: Frames that the encoder was too slow for.
    """

    def __init__(
        self,
        folder: Path,
        camera: str,
        settings: ClipSettings | None = None,
        *,
        masked: Callable[[Array], Array] | None = None,
        done: Callable[[Path], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Begin with nothing to record.

        Args:
            folder: Where the cameras' folders are.
            camera: Name of the camera.
            settings: What a clip is.
            masked: Paints the privacy masks over a picture, uint8 RGB (height, width, 3).
            done: Called with each finished clip that is whole, in the encoder's thread.
            failed: Called with what ended a clip early, such as a full disk, or what it lacks; likewise.

        Raises:
            BackendUnavailableError: PyAV is not installed.
        """
        require("av")
        self.settings = settings or ClipSettings()
        self.left_out = 0
        self._folder = folder / folder_name(camera)
        self._masked, self._done, self._failed = masked, done, failed
        self._before: deque[CapturedFrame] = deque()
        self._bytes = 0
        self._open: set[str] = set()
        self._clip: _Clip | None = None
        self._until_s = 0.0
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._encode, name=f"record {camera}", daemon=True)
        self._thread.start()

    def frame(self, frame: CapturedFrame) -> None:
        """Take in the next frame."""
        now_s = frame.captured_s
        if self._open:
            self._until_s = now_s + self.settings.post_s
        self.finish_if_over(now_s)
        if self._clip is None:
            self._remember(frame)
        else:
            self._write(self._clip, deque([frame]))

    def finish_if_over(self, now_s: float) -> None:
        """Finish the clip that a frame taken at ``now_s`` would no longer be in, though none came."""
        over_s = float("inf") if self._open else self._until_s
        if self._clip is not None and now_s > min(over_s, self._clip.began_s + self.settings.longest_s):
            self._finish()

    def begin(self, event_id: str, wall_s: float) -> str | None:
        """Note that an event began with the last frame; return its clip's name relative to the folder.

        Args:
            event_id: Its id.
            wall_s: When that was, seconds since 1970 UTC.
        """
        self._open.add(event_id)
        if self._clip is None and self._before:
            latest = self._before[-1]
            self._clip = _Clip(self._folder / file_name(wall_s, event_id, "mp4"), self._before[0].captured_s)
            self._until_s = latest.captured_s + self.settings.post_s
            before, self._before, self._bytes = self._before, deque(), 0
            self._write(self._clip, before)
        return None if self._clip is None else f"{self._folder.name}/{self._clip.path.name}"

    def end(self, event_id: str) -> None:
        """Note that an event is over."""
        self._open.discard(event_id)

    def close(self) -> None:
        """Finish the clip that is under way; any number of times."""
        if self._thread.is_alive():
            self._finish()
            self._work.put(None)
            self._thread.join(30)

    def _remember(self, frame: CapturedFrame) -> None:
        self._before.append(frame)
        self._bytes += _size(frame.frame)
        oldest_s = frame.captured_s - self.settings.pre_s
        while len(self._before) > 1 and (
            self._before[0].captured_s < oldest_s or self._bytes > self.settings.buffer_bytes
        ):
            self._bytes -= _size(self._before.popleft().frame)

    def _write(self, clip: _Clip, frames: deque[CapturedFrame]) -> None:
        if self._work.qsize() < BEHIND:
            self._work.put(lambda: clip.write(frames, self._masked))
        else:  # a disk that hangs must not hold the camera
            self.left_out += len(frames)
            clip.left_out += len(frames)

    def _finish(self) -> None:
        clip, self._clip = self._clip, None
        if clip is not None:
            self._work.put(lambda: self._close(clip))

    def _close(self, clip: _Clip) -> None:
        path = clip.close()
        if path is None:
            return
        if clip.left_out:
            what = f"{path.name} lacks {clip.left_out} frames: they came faster than they can be encoded"
            raise OutputError(what, next_step="record a smaller picture, or fewer a second")
        if self._done is not None:
            self._done(path)

    def _encode(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception as exc:  # a full disk, or an encoder's trouble: the clip ends, the camera goes on
                if self._failed is not None:
                    self._failed(exc)


class _Clip:
    """One file: written under another name in fragments, so that one that is cut short can be played all the same.

    Attributes:
        path: Its name in the end.
        began_s: When its first frame was taken, on a monotonic clock.
        left_out: Frames that are not in it.
    """

    def __init__(self, path: Path, began_s: float) -> None:
        self.path, self.began_s, self.left_out = path, began_s, 0
        self._part = path.with_name(f".{path.name}.part")
        self._container: Any = None
        self._stream: Any = None
        self._file: BinaryIO | None = None
        self._last_ms = -1
        self._broken = False

    def write(self, frames: deque[CapturedFrame], masked: Callable[[Array], Array] | None) -> None:
        """Encode frames, and let go of them; those of another size than the first are scaled to it."""
        if self._broken:
            return
        av = require("av")
        try:
            while frames:
                self._encode(av, frames.popleft(), masked)
            assert self._file is not None  # opened with the container
            self._file.flush()
        except (av.error.FFmpegError, OSError) as exc:
            self._give_up()
            raise OutputError(f"{self.path.name} could not be recorded: {exc}", next_step=_ROOM) from exc

    def _encode(self, av: Any, frame: CapturedFrame, masked: Callable[[Array], Array] | None) -> None:
        picture = frame.frame.to_rgb()
        image = av.VideoFrame.from_ndarray(picture if masked is None else masked(picture), format="rgb24")
        if self._container is None:
            self._open(av, frame.frame)
        image = image.reformat(self._stream.width, self._stream.height, "yuv420p")
        image.pts = max(self._last_ms + 1, round((frame.captured_s - self.began_s) * 1000))
        self._last_ms = image.pts
        self._container.mux(self._stream.encode(image))

    def close(self) -> Path | None:
        """Finish the file and give it its name; None where it has no frame, or was given up."""
        if self._container is None or self._broken:
            return None
        av = require("av")
        try:
            self._container.mux(self._stream.encode())
            self._container.close()
            assert self._file is not None  # opened with the container
            self._file.close()
            self._part.replace(self.path)
        except (av.error.FFmpegError, OSError) as exc:
            self._give_up()
            raise OutputError(f"{self.path.name} could not be recorded: {exc}", next_step=_ROOM) from exc
        return self.path

    def _open(self, av: Any, frame: Frame) -> None:
        from fractions import Fraction

        self.path.parent.mkdir(parents=True, exist_ok=True)
        codec = next(name for name in CODECS if name in av.codecs_available)
        options = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": FRAGMENT_US}
        self._file = self._part.open("wb")  # FFmpeg's own files swallow what a full disk says
        self._container = av.open(self._file, "w", format="mp4", options=options)
        # No frames out of order: a file in fragments would begin later by as many.
        quality = {"preset": "veryfast", "crf": "26", "bf": "0"} if codec == "libx264" else {"qscale": "5"}
        self._stream = self._container.add_stream(codec, rate=25, options=quality)
        self._stream.width, self._stream.height = frame.width // 2 * 2 or 2, frame.height // 2 * 2 or 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, 1000)

    def _give_up(self) -> None:
        """Leave the file as it is, under its name where something is in it."""
        self._broken = True
        for opened in (self._container, self._file):
            with suppress(Exception):  # it failed already, and that was told
                if opened is not None:
                    opened.close()
        try:
            if self._part.exists() and self._part.stat().st_size:
                self._part.replace(self.path)
            else:
                self._part.unlink(missing_ok=True)
        except OSError:
            return


_ROOM = "make room, or lower the retention's limits"


def _size(frame: Frame) -> int:
    return sum(plane.nbytes for plane in frame.planes)


def tidy(folder: Path) -> list[Path]:
    """Give clips that a killed process left unfinished their names, and return them; empty ones are deleted.

    Only files that are called as unfinished recordings are, in folders one level down that are no links.
    """
    found = []
    for part in folder.glob("*/.*.mp4.part"):
        if part.parent.is_symlink() or not RECORDED.fullmatch(part.name[1 : -len(".part")]):
            continue
        with suppress(OSError):  # what cannot be renamed stays as it is, and the cameras begin all the same
            if time.time() - part.stat().st_mtime < 5:
                continue  # another process may be at it
            if part.stat().st_size:
                path = part.with_name(part.name[1 : -len(".part")])
                part.replace(path)
                found.append(path)
            else:
                part.unlink()
    return found
