"""Learning from the field: frames that the model was unsure of, that are unlike those before, or drawn at random."""

from edgevision.pipeline.capture.capturing import Capture
from edgevision.pipeline.capture.drift import DriftSettings
from edgevision.pipeline.capture.settings import CaptureSettings

__all__ = ["Capture", "CaptureSettings", "DriftSettings"]
