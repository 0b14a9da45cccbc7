"""From tracks to what people want to know: small state machines, in seconds of a monotonic clock.

A rule sees one `Scene` after the other and says what changed. Give it tracks under lasting names (`Identities`), or a
flickering id is a new person each time.
"""

from edgevision.pipeline.rules.attributed import Attributed
from edgevision.pipeline.rules.change import (
    END,
    MOMENT,
    PHASES,
    START,
    UPDATE,
    Attribute,
    Attributes,
    Change,
    Rule,
    Scene,
)
from edgevision.pipeline.rules.faces import KnownFaceRule, UnknownFaceRule
from edgevision.pipeline.rules.ground import Ground
from edgevision.pipeline.rules.identities import Identities
from edgevision.pipeline.rules.line import LineRule
from edgevision.pipeline.rules.masks import PrivacyMask
from edgevision.pipeline.rules.schedule import Schedule, Scheduled
from edgevision.pipeline.rules.speed import SpeedRule
from edgevision.pipeline.rules.zone import CountRule, ZoneRule

__all__ = [
    "END",
    "MOMENT",
    "PHASES",
    "START",
    "UPDATE",
    "Attribute",
    "Attributed",
    "Attributes",
    "Change",
    "CountRule",
    "Ground",
    "Identities",
    "KnownFaceRule",
    "LineRule",
    "PrivacyMask",
    "Rule",
    "Scene",
    "Schedule",
    "Scheduled",
    "SpeedRule",
    "UnknownFaceRule",
    "ZoneRule",
]
