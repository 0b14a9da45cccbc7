from edgevision.pipeline.pace import FEWEST, Pace


def said(gaps, lost_s=1.0):
    pace, now = Pace(lost_s), 100.0
    texts = [pace.note(now)]
    for gap in gaps:
        now += gap
        texts.append(pace.note(now))
    return [text for text in texts if text is not None]


def test_frames_that_are_too_far_apart_are_said_once_with_what_to_do():
    (text,) = said([1.3] * 40)
    assert "every 1.3 s" in text and "lost_s" in text and "inertia_s" in text


def test_a_gap_now_and_then_is_nothing():
    assert not said(([1.3] * (FEWEST - 1) + [0.1]) * 5)
    assert not said([0.9] * 40) and not said([1.3] * 40, lost_s=5.0) and not said([60.0] * 9, lost_s=float("inf"))
