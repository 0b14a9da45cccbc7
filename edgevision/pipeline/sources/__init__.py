"""Where frames come from: recordings, folders, cameras, streams, pipelines and programs."""

from edgevision.pipeline.sources.base import CapturedFrame, Source, Timeouts
from edgevision.pipeline.sources.iterator import IteratorSource
from edgevision.pipeline.sources.live import LiveReader, SourceEvent, SourceState
from edgevision.pipeline.sources.location import Location
from edgevision.pipeline.sources.opening import source_for

__all__ = [
    "CapturedFrame",
    "IteratorSource",
    "LiveReader",
    "Location",
    "Source",
    "SourceEvent",
    "SourceState",
    "Timeouts",
    "source_for",
]
