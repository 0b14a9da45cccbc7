"""Frames of recordings: when each would be seen, whatever places the file says."""

import time
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from edgevision.pipeline.sources import source_for
from edgevision.pipeline.sources.recording import PlayingTime, RecordingReader

av = pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")


def transport_stream(path, begins_s, count=30):
    """Frames at 25 a second in a stream whose first one is at a place of its own, as in what a camera cuts."""
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), index, np.uint8), format="rgb24")
            frame.pts, frame.time_base = begins_s * 25 + index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def captured(path):
    """When each frame was taken, in seconds after the reader began."""
    began_s, found = time.monotonic(), []
    with RecordingReader("file", lambda: source_for(str(path))) as reader:
        while not reader.ended:
            frame = reader.take(1)
            if frame is not None:
                found.append(frame.captured_s - began_s)
    return found


def test_a_stream_that_begins_anywhere_is_watched_from_now(tmp_path):
    """Its events would be told to happen fourteen hours from now."""
    times = captured(transport_stream(tmp_path / "cut.ts", 50_000))
    assert len(times) == 30 and 0 <= times[0] < 5
    np.testing.assert_allclose(np.diff(times), 0.04, atol=1e-6)


@pytest.mark.parametrize("begins_s", [3600, 80_000, 0])
def test_two_streams_in_one_file_are_watched_one_after_the_other(tmp_path, begins_s):
    """The events of the second one would be told to happen hours from now."""
    first, second = transport_stream(tmp_path / "1.ts", 1800), transport_stream(tmp_path / "2.ts", begins_s)
    (tmp_path / "both.ts").write_bytes(first.read_bytes() + second.read_bytes())
    times = captured(tmp_path / "both.ts")
    assert len(times) == 60 and times[-1] - times[0] < 2.6
    assert sorted(times) == times


def test_a_gap_in_a_file_of_another_kind_is_one():
    """Frames that are minutes apart, or a recording that paused."""
    for jumps, wanted in ((False, 60.0), (True, 1e-4)):
        clock = PlayingTime(100.0, jumps=jumps)
        first, second = (clock.captured_s(place, 0.0) for place in (0.0, 60.0))
        assert second - first == pytest.approx(wanted)


def test_places_that_jump_back_go_on_at_their_own_speed():
    clock = PlayingTime(100.0)
    places = [3600 + index / 25 for index in range(50)] + [index / 25 for index in range(50)]
    times = [clock.captured_s(place, 0.0) for place in places]
    steps = [after - before for before, after in pairwise(times)]
    assert 100 < times[0] < 100.01 and 0 < steps[49] < 0.01
    np.testing.assert_allclose(steps[:49] + steps[50:], 0.04, atol=1e-6)


def test_places_that_are_out_of_order_or_missing_go_on_too():
    clock = PlayingTime(100.0)
    times = [clock.captured_s(place, 101.0 + number) for number, place in enumerate((0, 0.08, 0.04, 0.12, None, None))]
    assert all(before < after for before, after in pairwise(times))
    np.testing.assert_allclose(np.array(times) - 100, [0, 0.08, 0.08, 0.12, 5, 6], atol=1e-3)


class Stubborn:
    """A library that fails when it is closed."""

    live = False

    def open(self):
        pass

    def read(self):
        return None

    def close(self):
        raise OSError("busy")


@pytest.mark.parametrize(
    ("make", "kind", "says"),
    [
        (lambda: source_for("gone.mp4"), "refused", "no such file"),
        (lambda: 1 / 0, "refused", "ZeroDivisionError"),
        (Stubborn, "closed", "every frame was read"),
    ],
)
def test_a_recording_ends_whatever_its_source_does(make, kind, says):
    told = []
    with RecordingReader("file", make, told=told.append) as reader:
        end = time.monotonic() + 10
        while not reader.ended and time.monotonic() < end:
            time.sleep(0.01)
        assert reader.ended and not reader.state().connected
    assert told[-1].kind == kind and says in told[-1].reason


def test_what_cannot_be_read_is_counted_and_costs_no_other_frame(tmp_path):
    Image.new("RGB", (3, 2)).save(tmp_path / "0.png")
    (tmp_path / "1.png").write_bytes(b"no image")
    Image.new("RGB", (3, 2)).save(tmp_path / "2.png")
    with RecordingReader("folder", lambda: source_for(str(tmp_path))) as reader:
        taken = 0
        while not reader.ended:
            taken += reader.take(1) is not None
        state = reader.state()
    assert (taken, state.corrupt, state.failures) == (2, 1, 1)
    assert "images that cannot be read: 1" in state.reason and "1.png" in state.reason
