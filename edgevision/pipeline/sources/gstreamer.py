"""A GStreamer pipeline as a source: its own elements, then an appsink of ours."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from edgevision.errors import BackendUnavailableError, SourceError
from edgevision.frames import Frame, is_yuv, plane_shapes
from edgevision.pipeline.sources.base import Timeouts
from edgevision.pipeline.sources.location import Location
from edgevision.secret import Secret

FORMATS = {
    "I420": "i420", "NV12": "nv12", "YUY2": "yuyv", "Y42B": "i422", "Y444": "i444", "GRAY8": "gray8", "RGB": "rgb888",
    "RGB16": "rgb565",
}  # fmt: skip
"""GStreamer's name of a pixel format -> ours."""
TAIL = (
    " ! videoconvert ! video/x-raw,format=(string){{{formats}}}"
    " ! appsink name=edgevision max-buffers=1 drop=true sync=false"
)


class GStreamerSource:
    """What a pipeline such as ``v4l2src ! video/x-raw,width=1280`` gives, without a sink of its own.

    It takes GStreamer's Python binding, ``gi``, which distributions package for their own Python
    (Debian: ``python3-gi``, ``gir1.2-gstreamer-1.0``).

    Attributes:
        live: True: frames that are not read in time are dropped before they get here.
    """

    live = True

    def __init__(self, description: str, *, timeouts: Timeouts | None = None, secret: Secret | None = None) -> None:
        """Describe it; `open` starts the pipeline. A secret in the description is shown nowhere."""
        self._location = Location(description, secret)
        self._timeouts = timeouts or Timeouts()
        self._gst: Any = None
        self._pipeline: Any = None
        self._sink: Any = None

    def check_software(self) -> None:
        """Raise BackendUnavailableError without GStreamer's Python binding."""
        _gstreamer()

    def open(self) -> None:
        """Start the pipeline; raises SourceError where it does not start, BackendUnavailableError without GStreamer."""
        self._gst = _gstreamer()
        self.close()
        text = self._location.address + TAIL.format(formats=",".join(FORMATS))
        try:
            self._pipeline = self._gst.parse_launch(text)
        except Exception as exc:  # GLib.Error, a class that only gi has
            raise self._failed(str(exc)) from None
        self._sink = self._pipeline.get_by_name("edgevision")
        self._pipeline.set_state(self._gst.State.PLAYING)
        changed, _, _ = self._pipeline.get_state(int(self._timeouts.open_s * 1e9))
        if changed == self._gst.StateChangeReturn.FAILURE:
            raise self._failed(self._message() or "it does not start")

    def read(self) -> tuple[Frame, float | None] | None:
        """Return the newest frame; None at the end of the stream."""
        if self._sink is None:
            raise SourceError(f"{self._location} is not open")
        asked = time.monotonic()
        sample = self._sink.emit("try-pull-sample", int(self._timeouts.read_s * 1e9))
        if sample is not None:
            return self._frame(sample), None
        message = self._message()
        if message:
            raise self._failed(message)
        if time.monotonic() - asked >= 0.95 * self._timeouts.read_s:
            raise SourceError(f"{self._location} gave nothing for {self._timeouts.read_s:g} s")
        return None

    def close(self) -> None:
        """Stop the pipeline."""
        pipeline, self._pipeline, self._sink = self._pipeline, None, None
        if pipeline is not None:
            pipeline.set_state(self._gst.State.NULL)

    def _frame(self, sample: Any) -> Frame:
        caps = sample.get_caps().get_structure(0)
        width, height = caps.get_value("width"), caps.get_value("height")
        name = caps.get_value("format")
        meta = sample.get_buffer().get_size()
        mapped, info = sample.get_buffer().map(self._gst.MapFlags.READ)
        if not mapped or name not in FORMATS:
            raise self._failed(f"frames in {name} cannot be read")
        try:
            data = np.frombuffer(info.data, np.uint8).copy()
        finally:
            sample.get_buffer().unmap(info)
        planes, strides = _split(FORMATS[name], data[:meta], width, height)
        colorimetry = caps.get_value("colorimetry") or ""
        matrix = "bt709" if "709" in colorimetry else "bt601"
        yuv = is_yuv(FORMATS[name])
        full = colorimetry.startswith("1:") or "jpeg" in colorimetry
        return Frame(FORMATS[name], width, height, planes, strides, matrix if yuv else None, full if yuv else None)

    def _message(self) -> str:
        """The pipeline's first error, in its words; '' where it has none."""
        found = self._pipeline.get_bus().pop_filtered(self._gst.MessageType.ERROR)
        return "" if found is None else found.parse_error()[0].message

    def _failed(self, how: str) -> SourceError:
        return SourceError(f"the pipeline {self._location} failed: {self._location.clean(how)}")


def _split(form: str, data: Any, width: int, height: int) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """Planes and strides as GStreamer lays out raw video by default: rows of four bytes, and of 4:2:0 in pairs."""
    shapes = plane_shapes(form, width, height)
    strides = tuple((row + 3) // 4 * 4 for _, row in shapes)
    if len(shapes) == 1:
        return (data,), strides
    ends = np.cumsum([
        stride * ((rows + 1) // 2 * 2 if form in ("nv12", "i420") and place == 0 else rows)
        for place, (stride, (rows, _)) in enumerate(zip(strides, shapes, strict=True))
    ])  # fmt: skip
    return tuple(np.split(data, ends[:-1])), strides


def _gstreamer() -> Any:
    try:
        import gi

        gi.require_version("Gst", "1.0")
        from gi.repository import Gst
    except (ImportError, ValueError) as exc:
        raise BackendUnavailableError(
            f"GStreamer's Python binding is not here: {exc}",
            next_step="for this Python: apt install python3-gi gir1.2-gstreamer-1.0, or pip install PyGObject",
        ) from exc
    Gst.init(None)
    return Gst
