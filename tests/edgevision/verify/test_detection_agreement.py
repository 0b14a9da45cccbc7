"""Which objects two detectors share."""

import numpy as np
import pytest

from edgevision.errors import InputError
from edgevision.tasks.detections import NOTHING, Detections
from edgevision.verify.agreement import detection_agreement


def found(*rows):
    table = np.array(rows, float).reshape(-1, 5)
    return Detections(table[:, :4], np.full(len(table), 0.9), table[:, 4])


def test_an_object_is_the_same_where_class_and_place_are():
    one = found((0, 0, 10, 10, 1), (0, 0, 10, 9, 1), (50, 50, 60, 60, 2), (80, 0, 90, 9, 0))
    other = found((0, 0, 10, 10, 1), (50, 50, 60, 61, 2), (80, 0, 90, 9, 3))
    same = detection_agreement([one, NOTHING], [other, NOTHING])
    assert (same.successes, same.count) == (2, 5)
    assert detection_agreement([other], [one]).count == 5
    assert detection_agreement([one], [one]).value == 1.0


def test_what_cannot_be_compared():
    with pytest.raises(InputError, match="1 and 2 images"):
        detection_agreement([NOTHING], [NOTHING, NOTHING])
    assert detection_agreement([NOTHING], [NOTHING]).value is None
