"""Does an artifact still say what it said when it was made, and what the float model says, on each runtime here."""

from edgevision.verify.agreement import agreement
from edgevision.verify.checking import verify
from edgevision.verify.sealing import seal
from edgevision.verify.verification import OutputCheck, RuntimeCheck, Verification

__all__ = ["OutputCheck", "RuntimeCheck", "Verification", "agreement", "seal", "verify"]
