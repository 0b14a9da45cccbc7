"""From an address to a source.

FILE                     a recording, read to its end
DIR                      its images, in the order of their names
rtsp://… rtsps://…       a network stream; so are http://… and https://…
v4l2:/dev/video0         a V4L2 camera; /dev/video0 alone means the same, and so does camera:0
gst:PIPELINE             a GStreamer pipeline without a sink
libcamera:N              camera N of libcamera
replay:FILE              a recording at its own speed, again and again, as if a camera showed it
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from edgevision.errors import ConfigError, SourceError
from edgevision.files import user_path
from edgevision.pipeline.address import port_of
from edgevision.pipeline.sources.base import Source, Timeouts
from edgevision.pipeline.sources.folder import FolderSource
from edgevision.pipeline.sources.gstreamer import GStreamerSource
from edgevision.pipeline.sources.libcamera import LibcameraSource
from edgevision.pipeline.sources.location import Location
from edgevision.pipeline.sources.replay import ReplaySource
from edgevision.pipeline.sources.video import VideoSource
from edgevision.secret import Secret

GRAMMAR = (
    "FILE",
    "DIR",
    "rtsp://…",
    "rtsps://…",
    "http://…",
    "https://…",
    "v4l2:/dev/videoN",
    "camera:N",
    "gst:PIPELINE",
    "libcamera:N",
    "replay:FILE",
)
STREAMS = ("rtsp", "rtsps", "http", "https")


def source_for(
    address: str,
    *,
    timeouts: Timeouts | None = None,
    options: Mapping[str, str] | None = None,
    base: Path | None = None,
    secret: Secret | None = None,
) -> Source:
    """Return the source of an address; it is not opened.

    Args:
        address: As above.
        timeouts: How long a live source may take.
        options: More options for FFmpeg, where it reads the source ("video_size": "1280x720").
        base: Folder that a relative path is relative to; None: the current one.
        secret: A password in the address, so that it is shown nowhere, at whatever place it stands.

    Raises:
        ConfigError: An address of no known kind.
        SourceError: No such file or folder.
    """
    location = Location(address, secret)
    if location.scheme in STREAMS:
        _check_host(location)
        return VideoSource(location, live=True, timeouts=timeouts, options=options)
    if match := re.fullmatch(r"(?:v4l2:|camera:)?(/dev/video\d+|(?<=camera:)\d+)", address):
        node = match[1] if match[1].startswith("/") else f"/dev/video{match[1]}"
        return VideoSource(Location(node), live=True, timeouts=timeouts, form="video4linux2,v4l2", options=options)
    if address.startswith("gst:") and address[4:].strip():
        return GStreamerSource(address[4:].strip(), timeouts=timeouts, secret=secret)
    if match := re.fullmatch(r"libcamera:(\d+)", address):
        return LibcameraSource(int(match[1]))
    if address.startswith("replay:"):
        film = _path(address[7:].strip(), base)
        if film.is_dir():
            raise SourceError("replay: no recording", got=f"{film}, a folder", next_step="name a film")
        return ReplaySource(VideoSource(Location(str(film)), live=False, options=options))
    if location.scheme or re.match(r"[a-z0-9]+:(?![\\/])", address):
        raise ConfigError("source: unknown kind of address", got=location.shown, allowed=GRAMMAR)
    path = _path(address, base)
    if path.is_dir():
        return FolderSource(path)
    return VideoSource(Location(str(path)), live=False, options=options)


def _path(text: str, base: Path | None) -> Path:
    path = (base or Path()) / user_path(text)
    if not path.exists():
        raise SourceError("no such file or folder", got=str(path), next_step="sources are: " + ", ".join(GRAMMAR))
    return path


def _check_host(location: Location) -> None:
    """Raise ConfigError for an address of a stream that names no host, or a port that is none."""
    try:
        parts = urlsplit(location.address)
        found = bool(parts.hostname)
    except ValueError:  # such as a bracket that does not close
        found = False
    if not found:
        raise ConfigError("source: no address of a stream", got=location.shown, allowed="rtsp://host:port/path")
    port_of(f"source {location.shown}", parts)
