"""Pictures and clips of what happened, kept within limits of bytes and days."""

from edgevision.pipeline.recording.clips import ClipRecorder, ClipSettings
from edgevision.pipeline.recording.retention import Retention
from edgevision.pipeline.recording.snapshots import save_snapshot

__all__ = ["ClipRecorder", "ClipSettings", "Retention", "save_snapshot"]
