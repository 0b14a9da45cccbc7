"""Results of a pipeline made by hand, and settings that capture all of them."""

import numpy as np
import pytest

from edgevision.frames import encode_frame
from edgevision.pipeline.capture import CaptureSettings
from edgevision.pipeline.lane import Result
from edgevision.pipeline.recording import Retention
from edgevision.pipeline.sources import CapturedFrame
from edgevision.tasks.detections import Detections


@pytest.fixture(scope="session")
def picture():
    """picture(seed) -> an image of 64×96 unlike those of other seeds, uint8 RGB."""

    def picture(seed=0):
        cells = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), np.uint8)
        return np.kron(cells, np.ones((8, 8, 1), np.uint8))

    return picture


@pytest.fixture(scope="session")
def result(picture):
    """result(time_s, [(box, score, class)], image=…, model="m") -> Result."""

    def result(time_s, objects=(), image=None, model="m", camera="gate"):
        boxes = np.array([box for box, _, _ in objects], float).reshape(-1, 4)
        scores, classes = [score for _, score, _ in objects], [kind for _, _, kind in objects]
        image = picture(round(time_s * 1000)) if image is None else image
        frame = CapturedFrame(camera, round(time_s * 10), time_s, encode_frame(image, "rgb888"))
        return Result(frame, Detections(boxes, np.array(scores), np.array(classes)), time_s, False, model)

    return result


@pytest.fixture
def settings(tmp_path):
    """settings(…) -> CaptureSettings: every frame with a score of 0.3 to 0.5, but for what is said."""

    def settings(**changes):
        wide = {
            "low_confidence": (0.3, 0.5), "drift": None, "random": 0.0, "max_per_hour": 1000, "min_interval_s": 0.0,
            "retention": Retention(None, None), "min_free_bytes": 0, "folder": tmp_path / "captured",
        }  # fmt: skip
        return CaptureSettings(**{**wide, **changes})

    return settings
