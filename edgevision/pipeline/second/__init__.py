"""Second stages: models that look at the crops of tracks, once and again after a while, beside the first model.

A `Looker` has the models and a thread; a `CameraLooks` for each camera says whose turn it is and keeps what is known:

    looker = Looker({"sign": load_second(stage)})
    looks = CameraLooks([stage], looker, mask)
    looks.update(frame, tracks)                 # frame by frame
    looks.attributes                            # track id -> {"sign": Attribute(label, score, looks, seen_s)}
"""

from edgevision.pipeline.second.camera import CameraLooks, known_of
from edgevision.pipeline.second.looker import Looker
from edgevision.pipeline.second.models import IdentifyModel, SecondModel, labels_of, load_second
from edgevision.pipeline.second.settings import KINDS, SecondStage

__all__ = [
    "KINDS",
    "CameraLooks",
    "IdentifyModel",
    "Looker",
    "SecondModel",
    "SecondStage",
    "known_of",
    "labels_of",
    "load_second",
]
