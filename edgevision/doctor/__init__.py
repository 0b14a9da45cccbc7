"""Which preprocessing a model wants: recovered from labelled images for a bare file, or what is declared tested."""

from edgevision.doctor.diagnosing import diagnose
from edgevision.doctor.diagnosis import Diagnosis, Field, Rival, Sensitivity

__all__ = ["Diagnosis", "Field", "Rival", "Sensitivity", "diagnose"]
