"""Does an artifact still say what the float model says, on each runtime here."""

from edgevision.verify.agreement import agreement

__all__ = ["agreement"]
