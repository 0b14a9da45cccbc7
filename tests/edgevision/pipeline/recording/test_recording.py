"""Clips and snapshots: what is in them, what is kept, and what a full disk does."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgevision.errors import ConfigError, OutputError
from edgevision.frames import encode_frame
from edgevision.pipeline.recording import ClipRecorder, ClipSettings, Retention, save_snapshot
from edgevision.pipeline.recording.clips import BEHIND, tidy
from edgevision.pipeline.recording.names import RECORDED, file_name, folder_name
from edgevision.pipeline.sources import CapturedFrame

av = pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")
SHORT = ClipSettings(pre_s=1, post_s=0.5)


def frames(count, start=0, size=(48, 64)):
    """Frames at 10 a second that get brighter."""
    for index in range(start, start + count):
        image = np.full((*size, 3), 10 + 4 * index, np.uint8)
        yield CapturedFrame("gate", index, 100 + index / 10, encode_frame(image, "rgb888"))


def shown(path):
    """Time in seconds and mean brightness of each frame of a clip."""
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray(format="rgb24").mean()) for frame in container.decode(video=0)]


def record(folder, events, settings=SHORT, source=None, **rest):
    """Give a recorder frames, and events at some of them: {number: [("begin", id), ("end", id)]}."""
    done, failed = [], []
    recorder = ClipRecorder(folder, "gate", settings, done=done.append, failed=failed.append, **rest)
    names = []
    for frame in source or frames(60):
        recorder.frame(frame)
        for what, which in events.get(frame.sequence, ()):
            if what == "begin":
                names.append(recorder.begin(which, 1_700_000_000 + frame.captured_s))
            else:
                recorder.end(which)
        time.sleep(0.001)
    recorder.close()
    recorder.close()
    return names, done, failed


def test_a_clip_begins_before_its_event_and_ends_after_it(tmp_path):
    names, done, failed = record(tmp_path, {20: [("begin", "a1")], 30: [("end", "a1")]})
    assert not failed and [path.relative_to(tmp_path).as_posix() for path in done] == names
    assert re.fullmatch(r"gate/\d{8}T\d{6}\.\d{3}Z_a1\.mp4", names[0])
    seen = shown(done[0])
    numbers = [round((mean - 10) / 4) for _, mean in seen]
    assert numbers == list(range(10, 36))
    assert [round(at, 3) for at, _ in seen] == [round(index / 10, 3) for index in range(26)]
    assert os.listdir(tmp_path / "gate") == [done[0].name]


def test_events_that_overlap_share_a_clip_and_later_ones_get_their_own(tmp_path):
    events = {15: [("begin", "a")], 20: [("begin", "b"), ("end", "a")], 25: [("end", "b")], 50: [("begin", "c")]}
    names, done, _ = record(tmp_path, events)
    assert names[0] == names[1] != names[2] and len(done) == 2
    assert [len(shown(path)) for path in done] == [31 - 5, 60 - 40]


def test_a_long_event_is_cut(tmp_path):
    _, done, _ = record(tmp_path, {5: [("begin", "a")]}, ClipSettings(pre_s=0.2, post_s=0.2, longest_s=2))
    assert len(done) == 1 and shown(done[0])[-1][0] <= 2


def test_what_is_held_before_events_is_bounded(tmp_path):
    size = 48 * 64 * 3
    _, done, _ = record(tmp_path, {40: [("begin", "a")]}, ClipSettings(pre_s=100, post_s=0, buffer_bytes=4 * size))
    assert round((shown(done[0])[0][1] - 10) / 4) == 37


def test_more_frames_before_an_event_than_may_wait_are_all_in_the_clip(tmp_path):
    count = BEHIND + 40
    settings = ClipSettings(pre_s=100, post_s=0)
    _, (path,), failed = record(tmp_path, {count - 1: [("begin", "a")]}, settings, source=frames(count))
    assert not failed and len(shown(path)) == count


def test_frames_that_come_faster_than_they_are_encoded_are_counted_and_said(tmp_path):
    def slow(picture):
        time.sleep(0.02)
        return picture

    _, done, (told,) = record(tmp_path, {0: [("begin", "a")]}, source=frames(BEHIND + 60), masked=slow)
    (path,) = tmp_path.glob("gate/*.mp4")
    assert not done and path.name in str(told)
    lacks = int(re.search(r"lacks (\d+) frames", str(told))[1])
    assert lacks > 0 and len(shown(path)) == BEHIND + 60 - lacks


def test_a_disk_that_hangs_does_not_hold_the_camera(tmp_path):
    hangs = threading.Event()

    def masked(picture):
        assert hangs.wait(60)
        return picture

    recorder = ClipRecorder(tmp_path, "gate", ClipSettings(pre_s=0.1, post_s=0), masked=masked)

    def watch():
        for frame in frames(4 * BEHIND):
            recorder.frame(frame)
            if frame.sequence % 50 == 0:
                recorder.begin(f"a{frame.sequence}", 1.0)
            if frame.sequence % 50 == 40:
                recorder.end(f"a{frame.sequence - 40}")

    camera = threading.Thread(target=watch, daemon=True)
    camera.start()
    camera.join(20)
    try:
        assert not camera.is_alive() and recorder.left_out > 0
    finally:
        hangs.set()
        camera.join(20)
        recorder.close()


def test_masks_are_painted_before_anything_is_recorded(tmp_path):
    def masked(picture):
        picture = picture.copy()
        picture[:, :32] = 0
        return picture

    _, (path,), _ = record(tmp_path, {10: [("begin", "a")], 12: [("end", "a")]}, masked=masked)
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            picture = frame.to_ndarray(format="rgb24")
            assert picture[:, :28].max() < 3 and picture[:, 36:].min() > 5


def test_another_size_in_the_middle_is_scaled(tmp_path):
    source = [*frames(20), *frames(10, 20, size=(96, 32))]
    _, (path,), failed = record(tmp_path, {15: [("begin", "a")]}, source=source)
    assert not failed and len(shown(path)) == 25


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_ends_the_clip_and_nothing_else(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    generator = np.random.default_rng(0)
    source = [
        CapturedFrame(
            "gate", i, 100 + i / 10, encode_frame(generator.integers(0, 256, (240, 320, 3), np.uint8), "rgb888")
        )
        for i in range(60)
    ]
    try:
        _, done, failed = record(disk, {10: [("begin", "a")], 40: [("end", "a")]}, source=source)
        assert not done and len(failed) == 1 and isinstance(failed[0], OutputError), failed
        assert "make room" in str(failed[0])
        with pytest.raises(OutputError):
            save_snapshot(disk, "gate", "b", 1.0, generator.integers(0, 256, (2000, 2000, 3), np.uint8))
        assert not list(disk.glob("**/*.part"))
    finally:
        subprocess.run(["umount", disk], check=True)


RECORDING = """
import sys, time
from pathlib import Path
import numpy as np
from edgevision.frames import encode_frame
from edgevision.pipeline.recording import ClipRecorder, ClipSettings
from edgevision.pipeline.sources import CapturedFrame
still = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
written = []
settings, masked = ClipSettings(pre_s=1, post_s=1), lambda picture: written.append(1) or picture
recorder = ClipRecorder(Path(sys.argv[1]), "gate", settings, masked=masked)
for index in range(100):
    recorder.frame(CapturedFrame("gate", index, index / 25, encode_frame(still, "rgb888")))
    if index == 10:
        recorder.begin("a", 1.0)
    while index > 10 and len(written) < index:
        time.sleep(0.001)
print("recorded", flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_recorded_of_a_still_scene_can_be_seen(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", RECORDING, tmp_path], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "recorded\n"
    child.kill()
    child.communicate()
    (part,) = tmp_path.glob("gate/.*.part")
    os.utime(part, (1, 1))
    (path,) = tidy(tmp_path)
    assert len(shown(path)) > 40  # four seconds, less the encoder's look ahead and a fragment


def test_unfinished_files_of_others_are_left_alone(tmp_path):
    (tmp_path / "gate").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere" / "..", target_is_directory=True)
    for name in ("gate/.holiday.mp4.part", ".20260101T000000.000Z_a.mp4.part"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1, 1))
    assert tidy(tmp_path) == [] and (tmp_path / "gate" / ".holiday.mp4.part").exists()
    assert (tmp_path / ".20260101T000000.000Z_a.mp4.part").exists()


def test_clips_of_a_killed_process_are_found_again(tmp_path):
    folder = tmp_path / "gate"
    folder.mkdir()
    for name, content in (("a", b"x"), ("b", b"")):
        part = folder / f".20260101T000000.000Z_{name}.mp4.part"
        part.write_bytes(content)
        os.utime(part, (1, 1))
    fresh = folder / ".20260101T000000.000Z_c.mp4.part"
    fresh.write_bytes(b"x")
    assert tidy(tmp_path) == [folder / "20260101T000000.000Z_a.mp4"]
    assert sorted(os.listdir(folder)) == [fresh.name, "20260101T000000.000Z_a.mp4"]


def test_snapshots_are_whole_pictures(tmp_path):
    picture = np.full((20, 30, 3), (10, 200, 90), np.uint8)
    name = save_snapshot(tmp_path, "gate 1", "ev/1", 1_700_000_000.25, picture)
    assert name == "gate_1/20231114T221320.250Z_ev-1.jpg"
    with Image.open(tmp_path / name) as saved:
        assert np.abs(np.asarray(saved, int) - picture).max() <= 4


def recordings(folder, ages_and_sizes):
    (folder / "gate").mkdir()
    for index, (days, size) in enumerate(ages_and_sizes):
        path = folder / "gate" / file_name(index, "a", "mp4")
        path.write_bytes(b"x" * size)
        os.utime(path, (1e9 - days * 86400,) * 2)
    (folder / "gate" / "my notes.txt").write_text("keep")
    (folder / "mine.mp4").write_text("keep")


@pytest.mark.parametrize(
    ("limits", "gone"),
    [((None, None), []), ((None, 2.5), [0, 1]), ((250, None), [0, 1]), ((350, 3.5), [0]), ((1, None), [0, 1, 2, 3])],
)
def test_the_oldest_go_first_and_nothing_else(tmp_path, limits, gone):
    recordings(tmp_path, [(4, 100), (3, 100), (2, 100), (1, 100)])
    found = Retention(*limits).sweep(tmp_path, now_s=1e9)
    assert [path.name for path in found] == [file_name(index, "a", "mp4") for index in gone]
    assert (tmp_path / "gate" / "my notes.txt").exists() and (tmp_path / "mine.mp4").exists()
    assert len(list((tmp_path / "gate").iterdir())) == 5 - len(gone)


def test_what_somebody_else_deletes_meanwhile_is_no_trouble(tmp_path, monkeypatch):
    recordings(tmp_path, [(4, 100), (3, 100)])
    listed = os.scandir

    def scandir(folder):
        entries = list(listed(folder))
        (tmp_path / "gate" / file_name(0, "a", "mp4")).unlink(missing_ok=True)
        return contextlib.nullcontext(entries)

    monkeypatch.setattr(os, "scandir", scandir)
    assert [path.name for path in Retention(50, None).sweep(tmp_path, now_s=1e9)] == [file_name(1, "a", "mp4")]


SWEEPING = """
import os, sys
from pathlib import Path
from edgevision.pipeline.recording import Retention
os.setuid(int(sys.argv[2]))
print(len(Retention(150, None).sweep(Path(sys.argv[1]))))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_folder_of_somebody_else_among_the_cameras_hinders_nothing(tmp_path):
    """As lost+found on a disk of its own, which only root may list."""
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders are closed to others
        folder = Path(place)
        recordings(folder, [(4, 100), (3, 100)])
        for path in (folder, folder / "gate"):
            path.chmod(0o777)
        (folder / "lost+found").mkdir(0o700)
        swept = subprocess.run(
            [sys.executable, "-c", SWEEPING, folder, "65534"], capture_output=True, text=True, check=False
        )
        assert swept.stdout == "1\n", swept.stderr


def test_a_clock_that_was_set_back_deletes_nothing(tmp_path):
    recordings(tmp_path, [(0, 100), (-30, 100)])
    assert Retention(None, 1).sweep(tmp_path, now_s=1e9 - 60 * 86400) == []


def test_a_clip_that_would_end_before_its_event():
    with pytest.raises(ConfigError, match=r"clips: longest_s: got 3.0; allowed: more than pre_s, 3: the event"):
        ClipSettings(longest_s=3.0)


@pytest.mark.parametrize("make", [lambda: Retention(0), lambda: Retention(1, 0), lambda: ClipSettings(pre_s=-1)])
def test_settings_that_make_no_sense(make):
    with pytest.raises(ConfigError):
        make()


@pytest.mark.parametrize("name", ["gate", "../../etc", "a/b", "..", "", "Tür 1"])
def test_names_are_safe(name):
    found = folder_name(name)
    assert found and "/" not in found and not found.startswith(".")
    assert RECORDED.fullmatch(file_name(1.0, name or "x", "jpg"))
