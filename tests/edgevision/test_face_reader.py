"""Faces found, cut out and made vectors, with real detectors on real photographs."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from edgevision import face_reader, gallery
from edgevision.adopt import adopt
from edgevision.artifact import Artifact
from edgevision.data.images import load_image
from edgevision.detector import Detector
from edgevision.errors import EdgeVisionError, IncompatibleModelError
from edgevision.face_reader import square
from edgevision.gallery import open_reader
from edgevision.tasks.alignment import ARCFACE
from edgevision.tasks.detection import detect


@pytest.fixture(scope="module")
def astronaut(shared_data):
    return load_image(shared_data / "images/astronaut.png")


@pytest.fixture(scope="module")
def blazeface(shared_data, tmp_path_factory):
    file = shared_data / "models/face/blazeface_short_range.tflite"
    return adopt(file, tmp_path_factory.mktemp("b") / "blazeface", decoder="blazeface")


def test_a_face_is_brought_upright_by_its_landmarks(face_models, blazeface, astronaut):
    """However the photograph is turned, eyes, nose and mouth come to where ArcFace has them."""
    wanted = np.concatenate([ARCFACE[:3], ARCFACE[3:].mean(axis=0, keepdims=True)])
    vectors = []
    with open_reader(Artifact.open(face_models[0]), blazeface) as reader, Detector(blazeface) as detector:
        reader._size = 112  # that landmarks can be found again in what is cut out
        assert reader.source.crop == "landmarks"
        for degrees in (0, 12, -12):
            turned = np.asarray(Image.fromarray(astronaut).rotate(degrees, Image.Resampling.BILINEAR))
            (face,) = reader.find(turned)
            assert face.pixels.shape == (112, 112, 3) and face.score > 0.5
            around = np.full((224, 224, 3), 128, np.uint8)
            around[56:168, 56:168] = face.pixels
            found = detector(around).keypoints[0][:4] - 56
            assert np.abs(found - wanted).mean() < 5
            vectors.append(reader.vectors([face.pixels])[0])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert vectors[0] @ vectors[1] > 0.9 and vectors[0] @ vectors[2] > 0.9


def test_a_face_without_a_place_for_its_landmarks_costs_no_other(face_models, blazeface, astronaut, monkeypatch):
    def spoiled(*given):
        found = detect(*given)
        both = found.take(np.array([0, 0]))
        both.keypoints[0] = np.nan
        return both

    monkeypatch.setattr(face_reader, "detect", spoiled)
    with open_reader(Artifact.open(face_models[0]), blazeface) as reader:
        assert len(reader.find(astronaut)) == 1


def test_without_landmarks_it_is_a_square_around_the_box(face_models, astronaut):
    with open_reader(*(Artifact.open(path) for path in face_models)) as reader:
        assert reader.source.crop == "box"
        (face,) = reader.find(astronaut)
    height, width = face.pixels.shape[:2]
    assert height == width == pytest.approx(1.2 * max(face.box[2:] - face.box[:2]), abs=1)
    corner = square(astronaut, np.array([500.0, 490, 512, 512]))
    assert corner.shape == (26, 26, 3) and (corner == astronaut[-26:, -26:]).all()
    assert square(astronaut, np.array([-9.0, -9, 900, 900])).shape == (512, 512, 3)


def test_without_a_detector_an_image_is_one_face(face_models, astronaut):
    with open_reader(Artifact.open(face_models[0])) as reader:
        (face,) = reader.find(astronaut)
        assert reader.source.crop == "whole" and face.pixels is astronaut and face.side == 512


def test_a_detector_of_more_than_faces_is_refused(face_models, shared_data, tmp_path):
    file = shared_data / "models/detection/yolox_nano_coco.onnx"
    yolox = adopt(file, tmp_path / "y", decoder="yolox", labels=[str(place) for place in range(80)], layout="NCHW")
    with pytest.raises(IncompatibleModelError, match="not a detector of faces alone: got 80 classes"):
        open_reader(Artifact.open(face_models[0]), yolox)


def test_what_was_loaded_before_a_refusal_is_let_go_of(face_models, shared_data, tmp_path, monkeypatch):
    file, made = shared_data / "models/detection/yolox_nano_coco.onnx", []
    yolox = adopt(file, tmp_path / "y", decoder="yolox", labels=[str(place) for place in range(80)], layout="NCHW")
    monkeypatch.setattr(gallery, "Detector", lambda *given, **more: made.append(Detector(*given, **more)) or made[-1])
    with pytest.raises(IncompatibleModelError):
        open_reader(Artifact.open(face_models[0]), yolox)
    with pytest.raises(EdgeVisionError, match="closed"):
        made[0](np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("shape", [(20, 20_000, 3), (20_000, 20, 3), (1, 1, 3)])
def test_a_strip_takes_no_more_memory_than_its_pixels_need(face_models, shape):
    with open_reader(*(Artifact.open(path) for path in face_models)) as reader:
        tracemalloc.start()
        try:
            assert reader.find(np.full(shape, 90, np.uint8)) == []
            assert tracemalloc.get_traced_memory()[1] < 50_000_000
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("detector", ["ultraface", "blazeface"])
def test_a_face_is_found_in_the_crop_of_a_person(face_models, blazeface, shared_data, detector):
    """Such a crop is several times as high as wide, and one of the detectors stretches what it gets."""
    image = load_image(shared_data / "images/grace_hopper.bmp")
    person = np.full((1272, 370, 3), 100, np.uint8)
    person[:532] = image[68:600, 80:450]
    faces = Artifact.open(face_models[1]) if detector == "ultraface" else blazeface
    with open_reader(Artifact.open(face_models[0]), faces) as reader:
        (face,) = reader.find(person)
    left, top, right, bottom = face.box
    assert face.score > 0.85 and 60 < left < 105 and 270 < right < 320
    assert 30 < top < 70 and 240 < bottom < 300 and bottom - top == pytest.approx(right - left, rel=0.3)
