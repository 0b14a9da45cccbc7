"""Which detection is who: a tracker in NumPy, in seconds, with nothing else to install.

>>> import numpy as np
>>> tracker = Tracker()
>>> for frame in range(3):
...     box = np.array([[10.0 + 4 * frame, 20, 40 + 4 * frame, 90]])
...     tracks = tracker.update(box, np.array([0.9]), np.array([0]), time_s=frame * 0.1)
>>> tracks.ids.tolist(), tracks.confirmed.boxes.round().tolist()
([1], [[18.0, 20.0, 48.0, 90.0]])
"""

from edgevision.pipeline.tracking.tracker import Tracker, TrackerSettings
from edgevision.pipeline.tracking.tracks import CONFIRMED, LOST, TENTATIVE, Tracks

__all__ = ["CONFIRMED", "LOST", "TENTATIVE", "Tracker", "TrackerSettings", "Tracks"]
