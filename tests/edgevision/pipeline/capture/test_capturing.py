"""Disks that are full, folders that are gone, writers that are slow: the pipeline goes on, and a line says so."""

import shutil
import threading
import time

import numpy as np
import pytest

from edgevision.pipeline.capture import Capture, DriftSettings, capturing

UNSURE = [((10, 10, 40, 50), 0.4, 0)]


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


class Run:
    """A capture of one camera, and what it told."""

    def __init__(self, settings):
        self.told = []
        self.capture = Capture(settings, ["person"], lambda *said: self.told.append(said)).start()
        self.chooser = self.capture.chooser("gate", None)
        self.at = 0

    def look(self, result, objects=UNSURE):
        """Let it look at one more frame; return once that was written, or lost."""
        before = self.capture.state()
        self.chooser.look(result(self.at, objects))
        self.at += 1
        wait_for(lambda: any(self.capture.state()[key] > before[key] for key in ("written", "lost")))

    def pictures(self):
        return sorted(self.capture.settings.folder.glob("images/*/*.webp"))


@pytest.fixture
def run(settings):
    runs = []

    def run(**changes):
        runs.append(Run(settings(**changes)))
        return runs[-1]

    yield run
    for one in runs:
        one.capture.close()
        one.capture.close()


def test_a_folder_that_is_removed_is_not_made_anew(run, result):
    one = run()
    one.look(result)
    folder = one.capture.settings.folder
    shutil.move(folder, folder.with_name("away"))
    for _ in range(3):
        one.look(result)
    assert not folder.exists()
    assert [(trouble, text.split(":")[0]) for _, text, trouble in one.told] == [(True, "nothing is captured")]
    assert "is not there" in one.told[0][1] and one.capture.state()["trouble"]
    shutil.move(folder.with_name("away"), folder)
    one.look(result)
    assert one.told[1:] == [(None, "frames are captured again", False)] and len(one.pictures()) == 2
    assert one.capture.state() == {"written": 2, "lost": 3, "trouble": None}


def test_a_folder_that_was_emptied_goes_on(run, result):
    one = run()
    one.look(result)
    shutil.rmtree(one.capture.settings.folder)
    one.capture.settings.folder.mkdir()
    one.look(result)
    assert len(one.pictures()) == 1 and (one.capture.settings.folder / "classes.txt").exists() and not one.told


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(small_disk, fill, settings, result):
    one = Run(settings(folder=small_disk / "captured"))
    one.look(result)
    fill(small_disk / "ballast")
    for _ in range(3):
        one.look(result)
    assert len(one.told) == 1 and "no space left on the disk" in one.told[0][1]
    (small_disk / "ballast").unlink()
    one.look(result)
    assert len(one.told) == 2 and len(one.pictures()) == 2
    assert not [path for path in small_disk.rglob("*") if ".tmp." in path.name]
    one.capture.close()


def test_a_place_that_cannot_be_made_is_tried_again(run, result, tmp_path):
    (tmp_path / "file").touch()
    one = run(folder=tmp_path / "file" / "captured")
    one.look(result)
    one.look(result)
    assert len(one.told) == 1 and "cannot be made" in one.told[0][1]
    (tmp_path / "file").unlink()
    one.look(result)
    assert len(one.told) == 2 and len(one.pictures()) == 1


def test_so_much_of_the_disk_stays_free(run, result):
    one = run(min_free_bytes=2**60)
    one.look(result)
    one.look(result)
    assert len(one.told) == 1 and "min_free_bytes" in one.told[0][1] and not one.pictures()


def test_nobody_waits_for_a_writer_that_hangs(run, result, monkeypatch):
    one, held = run(), threading.Event()
    write = one.capture._folder.write
    monkeypatch.setattr(one.capture._folder, "write", lambda chosen: (held.wait(20), write(chosen))[1])
    began = time.monotonic()
    for at in range(20):
        one.chooser.look(result(at, UNSURE))
    assert time.monotonic() - began < 10
    assert one.chooser.passed_over["busy"] >= 14
    held.set()
    one.capture.close()
    assert len(one.pictures()) == sum(one.chooser.captured.values()) <= 6


def test_the_end_does_not_wait_for_a_disk_that_hangs(settings, result, monkeypatch):
    monkeypatch.setattr(capturing, "END_S", 0.2)
    capture, hangs = Capture(settings(), ["person"], lambda *said: None).start(), threading.Event()
    monkeypatch.setattr(capture._folder, "write", lambda chosen: hangs.wait(60) and [])
    chooser = capture.chooser("gate", None)
    for at in range(10):
        chooser.look(result(at, UNSURE))
    assert chooser.passed_over["busy"] > 0
    began_s = time.monotonic()
    capture.close()
    assert time.monotonic() - began_s < 5
    hangs.set()


def test_another_configuration_of_a_camera_has_no_hour_of_its_own(run, result):
    one = run(max_per_hour=2)
    one.look(result)
    one.chooser = one.capture.chooser("gate", None)
    one.look(result)
    one.chooser.look(result(one.at, UNSURE))
    assert one.chooser.passed_over["rate"] == 1


def test_what_is_usual_is_kept_for_the_next_process(run, result):
    drift = DriftSettings(baseline_s=40, interval_s=2)
    first = run(drift=drift)
    for at in range(45):
        first.chooser.look(result(at, [((10, 10, 40, 50), 0.9, 0)], np.full((64, 96, 3), 100, np.uint8)))
    first.capture.close()
    assert [text.startswith("usual: brightness 100") for _, text, _ in first.told] == [True]
    second = run(drift=drift)
    baseline = second.chooser.monitor.baseline
    assert baseline.usual["brightness"] == (100, 1) and baseline.usual["confidence"][0] == pytest.approx(0.9)
    (first.capture.settings.folder / ".baselines" / "gate.json").write_text("{")
    third = run(drift=drift)
    assert third.chooser.monitor.baseline is None and "learnt anew" in third.told[0][1]
