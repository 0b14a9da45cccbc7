"""What happens to a pipeline itself, as its parts tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Notice:
    """Something that an operator wants to know.

    Attributes:
        kind: "source", "level", "model", "worker", "clock" or "error".
        camera: Name of the camera; None where it is about all.
        text: What happened, without secrets.
        at_s: When, in seconds of `time.monotonic`.
        what: Of a source the kind of its `SourceEvent`, of a level its name, of a model the kind of its `Swap`, of a
            worker "died" or "revived"; else ''.
        data: Figures and words of it, in JSON's types.
    """

    kind: str
    camera: str | None
    text: str
    at_s: float
    what: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_trouble(self) -> bool:
        """Whether it is more than news."""
        troubles = {
            "source": ("lost", "refused", "stalled", "recovered", "damaged", "whole again"),
            "model": ("rolled back",),
            "worker": ("died", "revived"),
        }
        return self.what in troubles[self.kind] if self.kind in troubles else True
