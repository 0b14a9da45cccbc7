"""Events: under ids that do not change, and never lost on their way to a sink."""

from edgevision.pipeline.events.event import Event
from edgevision.pipeline.events.log import EventLog
from edgevision.pipeline.events.spool import DAMAGED, DROPPED, INTERRUPTED, Spool, SpoolStats
from edgevision.pipeline.events.store import Message
from edgevision.pipeline.events.writer import SpoolWriter

__all__ = ["DAMAGED", "DROPPED", "INTERRUPTED", "Event", "EventLog", "Message", "Spool", "SpoolStats", "SpoolWriter"]
