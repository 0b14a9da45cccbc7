"""What is written, and that edgevision's readers of data sets take it: as unlabelled first, as labelled afterwards."""

import json
import os
import shutil

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.data.images import load_image
from edgevision.data.locate import open_dataset, open_images, open_splits
from edgevision.data.locate_boxes import open_detection_dataset
from edgevision.doctor import diagnose
from edgevision.errors import ConfigError, DatasetError
from edgevision.pipeline.capture.choosing import Chosen
from edgevision.pipeline.capture.folder import CaptureFolder
from edgevision.pipeline.recording import Retention
from edgevision.pipeline.rules import PrivacyMask
from edgevision.shipped import shipped_model

LABELS = ("person", "traffic light", "car")
OBJECTS = [((10, 10, 40, 50), 0.4, 0), ((50, 8, 96, 64), 0.9, 2)]
MASK = PrivacyMask([[(0, 0), (20, 0), (20, 20), (0, 20)]], 96, 64)


@pytest.fixture
def folder(tmp_path):
    def folder(crops=False, labels=LABELS, least=0):
        made = CaptureFolder(tmp_path / "captured", labels, crops=crops, min_free_bytes=least)
        made.prepare()
        return made

    return folder


def chosen(result, time_s, objects=OBJECTS, cuttings=None, mask=MASK, camera="gate"):
    one = result(time_s, objects, camera=camera)
    return Chosen(one, one.detections, "low_confidence", {"scores": [0.4]}, mask, cuttings, 1.7e9 + time_s)


def names(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_a_frame_is_lossless_masked_and_told_of(folder, result, picture):
    (path,) = folder().write(chosen(result, 3.0))
    root = path.parents[2]
    stem = "20231114T221323.000Z_low-confidence-30"
    assert names(root) == [
        "README.txt", "classes.txt", f"images/gate/{stem}.json", f"images/gate/{stem}.webp",
        f"unreviewed/gate/{stem}.txt",
    ]  # fmt: skip
    expected = MASK.apply(picture(3000))
    assert np.array_equal(load_image(path), expected) and not expected[:20, :20].any()
    about = json.loads(path.with_suffix(".json").read_text())
    assert (about["camera"], about["reason"], about["model"], about["size"]) == (
        "gate",
        "low_confidence",
        "m",
        [96, 64],
    )
    assert about["captured_at"] == "2023-11-14T22:13:23.000+00:00"
    assert about["masked"] is True
    assert [(one["label"], one["score"]) for one in about["detections"]] == [
        ("person", pytest.approx(0.4)), ("car", pytest.approx(0.9)),
    ]  # fmt: skip


def test_before_the_review_it_calibrates_and_trains_nobody(folder, result):
    made = folder()
    for at in range(3):
        made.write(chosen(result, at, camera="gate" if at else "yard"))
    images = open_images(made.root)
    assert len(images) == 3 and images.labels == () and images.target(0) is None
    with pytest.raises(DatasetError, match=r"no images with boxes.*those in unreviewed/ are a model's answers"):
        open_detection_dataset(made.root)
    with pytest.raises(DatasetError, match=r"nobody labelled.*move the texts from unreviewed/ to labels/"):
        open_dataset(made.root)


def test_what_was_reviewed_is_read_and_nothing_else(folder, result):
    """The boxes are the model's, to a thousandth of a pixel; a frame that nobody looked at is not an empty one."""
    made = folder()
    for at in range(3):
        made.write(chosen(result, at, objects=OBJECTS if at < 2 else []))
    proposals = sorted((made.root / "unreviewed" / "gate").iterdir())
    (made.root / "labels" / "gate").mkdir(parents=True)
    for proposal in proposals[::2]:
        shutil.move(proposal, made.root / "labels" / "gate")
    reviewed = open_detection_dataset(made.root)
    assert len(reviewed) == 2 and reviewed.labels == LABELS
    _, objects = reviewed.labelled(0)
    assert np.allclose(objects.boxes, [box for box, _, _ in OBJECTS], atol=1e-3)
    assert objects.classes.tolist() == [0, 2] and len(reviewed.labelled(1)[1]) == 0
    assert len(open_images(made.root)) == 2


def test_cuttings_lie_below_the_label_that_the_model_gave(folder, result, picture):
    made = folder(crops=True)
    one, two = made.write(chosen(result, 1.0, [((10, 10, 40, 50), 0.4, 1), ((0, 0, 20, 30), 0.3, 2)], (0, 1)))
    assert one.parent.name == "traffic light" and two.parent.name == "car"
    assert np.array_equal(load_image(one), MASK.apply(picture(1000))[6:54, 7:43])
    assert json.loads(one.with_suffix(".json").read_text())["cut_out"] == [7, 6, 43, 54]
    assert not load_image(two)[:20, :20].any()
    assert open_images(made.root).labels == () and len(open_images(made.root)) == 2
    with pytest.raises(DatasetError, match=r"nobody labelled.*move those that are right to train/LABEL/"):
        open_splits(made.root)
    asked_for = open_dataset(made.root / "unreviewed")
    assert asked_for.labels == ("car", "traffic light")


def test_cuttings_that_were_reviewed_are_trained_on(folder, result):
    made = folder(crops=True)
    for at in range(4):
        for path in made.write(chosen(result, at, cuttings=(0, 1))):
            if at < 3:
                place = made.root / ("train" if at else "test") / path.parent.name
                place.mkdir(parents=True, exist_ok=True)
                shutil.move(path, place)
    train, test = open_splits(made.root)
    assert (len(train), len(test)) == (4, 2) and train.labels == test.labels == ("car", "person")


def test_the_oldest_go_but_for_those_with_labels(folder, result):
    made = folder()
    for at in range(4):
        (path,) = made.write(chosen(result, at))
        for file in (path, path.with_suffix(".json"), made.root / "unreviewed/gate" / f"{path.stem}.txt"):
            os.utime(file, (1e9 + at,) * 2)
    (made.root / "labels/gate").mkdir(parents=True)
    oldest, *_ = sorted((made.root / "unreviewed/gate").iterdir())
    shutil.move(oldest, made.root / "labels/gate")
    one = sum((made.root / name).stat().st_size for name in names(made.root) if path.stem in name)
    assert made.sweep(Retention(round(2.5 * one), None)) == 3
    kept = [name for name in names(made.root) if name.endswith("webp")]
    assert [name.partition("confidence-")[2] for name in kept] == ["0.webp", "20.webp", "30.webp"]
    assert made.sweep(Retention(None, 1.0)) == 6
    assert len([name for name in names(made.root) if name.endswith("webp")]) == 1


def test_a_folder_of_something_else_is_refused(folder, result):
    folder().write(chosen(result, 0))
    folder()  # the same again
    for other in ({"crops": True}, {"labels": ("cat",)}):
        with pytest.raises(ConfigError, match=r"is there for something else.*name another folder"):
            folder(**other)


@pytest.mark.slow
def test_the_doctor_and_the_trainer_take_cuttings(folder, result):
    """Photographs of CIFAR-10, each an object as large as the frame, that somebody reviewed."""
    pytest.importorskip("tf_keras", reason="tf-keras, of the extra train, is not installed")
    from edgevision.train.config import TrainingConfig
    from edgevision.train.trainer import train

    sample = open_dataset("sample", "train").balanced(60)
    made = folder(crops=True, labels=sample.labels)
    for index in range(60):
        one = result(index, [((0, 0, 32, 32), 0.4, sample.target(index))], sample.image(index))
        about = {"scores": [0.4]}
        (path,) = made.write(Chosen(one, one.detections, "low_confidence", about, None, (0,), 1.7e9 + index))
        (made.root / "train" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.move(path, made.root / "train" / path.parent.name)
    images = open_dataset(made.root, "train")
    assert len(images) == 60 and images.labels == tuple(sorted(sample.labels))
    shipped = Artifact.open(shipped_model())
    found = diagnose(shipped, images)
    assert found.verdict == "holds" and found.images == 60
    config = TrainingConfig(architecture="cnn", epochs=1, batch_size=20, augment="none")
    assert len(train(images, shipped.manifest.preprocessing, config).history) == 1
