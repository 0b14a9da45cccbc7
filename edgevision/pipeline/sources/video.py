"""Recordings, network streams and V4L2 cameras, read by FFmpeg's libraries through PyAV."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgevision.errors import SourceError
from edgevision.frames import Frame, is_yuv
from edgevision.optional import require
from edgevision.pipeline.sources.base import Timeouts
from edgevision.pipeline.sources.location import Location

FULL_RANGE = 2
"""FFmpeg's AVCOL_RANGE_JPEG."""
BT709, UNSPECIFIED = 1, 2
"""FFmpeg's AVCOL_SPC_BT709 and AVCOL_SPC_UNSPECIFIED."""
TS_DISCONT = 0x200
"""FFmpeg's AVFMT_TS_DISCONT: a kind of file in which times may jump, as where two were put together."""
HD_HEIGHT = 720
"""From so many rows on a stream that does not say its matrix is taken for BT.709, ITU-R's for HDTV; else, and what a
camera sends unencoded, for BT.601."""
PLANES = {
    "yuv420p": "i420", "yuvj420p": "i420", "yuv422p": "i422", "yuvj422p": "i422", "yuv444p": "i444", "yuvj444p": "i444",
    "nv12": "nv12", "yuyv422": "yuyv", "gray": "gray8", "rgb24": "rgb888",
}  # fmt: skip
"""FFmpeg's name of a pixel format -> ours."""

STREAM_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "rtsp": {"rtsp_transport": "tcp", "fflags": "nobuffer", "flags": "low_delay"},
    "rtsps": {"rtsp_transport": "tcp", "fflags": "nobuffer", "flags": "low_delay"},
}
"""Options for FFmpeg by scheme: TCP, since lost UDP packets are smeared pictures, and no buffer that adds delay."""


NEXT_STEPS: Mapping[str, str] = {
    "HTTPUnauthorizedError": "check user and password",
    "HTTPForbiddenError": "check what this user may see",
    "HTTPNotFoundError": "check the path of the address",
    "ConnectionRefusedError": "check that the camera is on, and the port",
    "DecoderNotFoundError": "set the camera to H.264 or H.265",
}
"""What to do, by PyAV's kind of error."""


class VideoSource:
    """One video stream: a file, an address (rtsp, http, …), or a V4L2 node.

    Attributes:
        live: Whether it is a camera or stream, not a recording.
        corrupt: How many packets could not be decoded, and pictures are damaged, since it was opened.
        jumps: Whether it is open, and of a kind whose places may jump.
    """

    def __init__(
        self,
        location: Location,
        *,
        live: bool,
        timeouts: Timeouts | None = None,
        form: str | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """Describe a source; `open` opens it.

        Args:
            location: Its address or path.
            live: Whether it is a camera or stream.
            timeouts: How long it may take; only for live ones.
            form: FFmpeg's name of the container or device ("v4l2"); None: FFmpeg finds out.
            options: More options for FFmpeg, as it spells them ("video_size": "1280x720").
        """
        self.live, self.corrupt, self.jumps = live, 0, False
        self._location, self._form = location, form
        self._timeouts = timeouts or Timeouts()
        self._options = {**STREAM_OPTIONS.get(location.scheme, {}), **(options or {})}
        self._container: Any = None
        self._frames: Iterator[tuple[Frame, float | None]] | None = None

    def check_software(self) -> None:
        """Raise BackendUnavailableError without PyAV."""
        require("av")

    def open(self) -> None:
        """Connect; raises SourceError when there is no video, or not in time."""
        av = require("av")
        self.close()
        timeout = (self._timeouts.open_s, self._timeouts.read_s) if self.live else None
        began = time.monotonic()
        try:
            container = av.open(self._location.address, format=self._form, options=dict(self._options), timeout=timeout)
        except (av.error.FFmpegError, OSError, ValueError) as exc:
            if self.live and time.monotonic() - began >= 0.95 * self._timeouts.open_s:
                raise SourceError(f"{self._location} did not answer within {self._timeouts.open_s:g} s") from None
            raise self._failed("cannot be opened", exc) from None
        if not container.streams.video:
            container.close()
            raise SourceError(f"{self._location} has no video")
        stream = container.streams.video[0]
        if stream.codec_context is None:  # FFmpeg has no decoder for it
            container.close()
            raise SourceError(
                f"{self._location}: its codec cannot be decoded here", next_step=NEXT_STEPS["DecoderNotFoundError"]
            )
        stream.thread_type = "SLICE" if self.live else "AUTO"  # frame threads would hold frames back
        self.jumps = bool(container.format.flags & TS_DISCONT)
        self._container, self._frames = container, self._decoded(container, stream, av.error.FFmpegError)

    def read(self) -> tuple[Frame, float | None] | None:
        """Return the next frame and its place in seconds; None at the end of the stream."""
        if self._frames is None:
            raise SourceError(f"{self._location} is not open")
        return next(self._frames, None)

    def close(self) -> None:
        """Let go of the connection or file."""
        container, self._container, self._frames = self._container, None, None
        if container is not None:
            container.close()

    def _decoded(self, container: Any, stream: Any, error: type[Exception]) -> Iterator[tuple[Frame, float | None]]:
        packets, seen = container.demux(stream), False
        while True:
            asked = time.monotonic()
            try:
                packet = next(packets, None)
            except (error, OSError) as exc:
                self._check_silence(asked)
                raise self._failed("failed", exc) from None
            if packet is None:
                self._check_silence(asked)
                self._check_seen(seen)
                return
            try:
                pictures = packet.decode()
            except (error, ValueError):  # a damaged packet; the next one may be whole
                self._check_silence(asked)
                self.corrupt += 1
                continue
            for picture in pictures:
                seen = True
                self.corrupt += picture.is_corrupt
                position = None if self.live or picture.time is None else float(picture.time)
                yield frame_of(picture), position

    def _check_silence(self, asked: float) -> None:
        """Raise SourceError if what ended the wait was the time limit: FFmpeg reports that as an end, or as damage."""
        if self.live and time.monotonic() - asked >= 0.95 * self._timeouts.read_s:
            raise SourceError(f"{self._location} gave nothing for {self._timeouts.read_s:g} s")

    def _check_seen(self, seen: bool) -> None:
        """Raise SourceError if a recording had no picture: its end looks like that of any other."""
        if not (seen or self.live):
            raise SourceError(
                f"{self._location}: no picture in it can be decoded", got=f"{self.corrupt} damaged packets",
                next_step="check that it is a film or an image, and whole",
            )  # fmt: skip

    def _failed(self, how: str, exc: Exception) -> SourceError:
        """The chained exception would show the address with its password, so its words alone are kept."""
        kind = type(exc).__name__
        words = getattr(exc, "strerror", None) or str(exc) or kind
        return SourceError(f"{self._location} {how}: {self._location.clean(words)}", next_step=NEXT_STEPS.get(kind))


def frame_of(picture: Any) -> Frame:
    """Return an ``av.VideoFrame`` in the planes that it has, not copied; formats that `Frame` lacks as RGB by FFmpeg.

    Raises:
        SourceError: FFmpeg cannot convert its format.
    """
    width, height, name = picture.width, picture.height, picture.format.name
    form = PLANES.get(name)
    try:
        if form is None or (form == "yuyv" and width % 2):
            rgb = np.ascontiguousarray(picture.to_ndarray(format="rgb24"))
            return Frame("rgb888", width, height, (rgb.reshape(-1),), (3 * width,))
        planes = tuple(np.frombuffer(plane, np.uint8) for plane in picture.planes)  # each keeps the picture alive
        matrix, full = _encoding(picture) if is_yuv(form) else (None, None)
        return Frame(form, width, height, planes, tuple(plane.line_size for plane in picture.planes), matrix, full)
    except ValueError as exc:
        raise SourceError(f"frames in {name} cannot be converted to RGB: {exc}") from exc


def _encoding(picture: Any) -> tuple[str, bool]:
    """Matrix and range of a YUV picture: as the stream says, and where it does not, as its kind has them."""
    name = picture.format.name
    full = name.startswith("yuvj") or picture.color_range == FULL_RANGE
    unsaid = picture.colorspace == UNSPECIFIED and picture.height >= HD_HEIGHT and name != "yuyv422"
    return "bt709" if picture.colorspace == BT709 or unsaid else "bt601", full
