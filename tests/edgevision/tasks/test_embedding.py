"""Embeddings: directions, a gallery that is searched by them, and faces brought upright."""

import numpy as np
import pytest
from PIL import Image

from edgevision.errors import ArtifactError, ConfigError, InferenceError, InputError
from edgevision.tasks.alignment import ARCFACE, align, align_face, similarity
from edgevision.tasks.embedding import Gallery, Identity, VectorSource, embedding, unit
from edgevision.tensors import QuantParams, TensorSpec

RNG = np.random.default_rng(0)
PEOPLE = {name: RNG.normal(size=(3, 1)) * 0.2 + RNG.normal(size=64) for name in ("Ada", "Björn", "Chen")}


@pytest.fixture
def gallery():
    one = Gallery()
    for name, vectors in PEOPLE.items():
        one = one.enrol(name, vectors + RNG.normal(size=vectors.shape) * 0.2)
    return one


def test_an_embedding_has_length_one():
    spec = TensorSpec("e", (1, 4), "int8", "NC", QuantParams((0.5,), (10,)))
    np.testing.assert_allclose(embedding(np.array([[16, 10, 10, 18]], np.int8), spec), [0.6, 0, 0, 0.8], rtol=1e-6)
    with pytest.raises(InferenceError, match="without a direction"):
        embedding(np.full((1, 4), 10, np.int8), spec)
    with pytest.raises(InferenceError):
        unit(np.array([[np.nan, 1]]))


def test_known_people_are_identified_and_strangers_are_not(gallery):
    for name, vectors in PEOPLE.items():
        found = gallery.identify(vectors[:1] * 7 + RNG.normal(size=(1, 64)) * 0.3, 0.5)
        assert found[0].name == name and found[0].score > 0.9
    (stranger,) = gallery.identify(RNG.normal(size=64), 0.5)
    assert stranger.name is None and -1 <= stranger.score < 0.5
    assert len(gallery.identify(np.eye(64)[:5], 0.5)) == 5
    assert Gallery().identify(np.ones(3)) == [Identity(None, -1.0)]


def test_a_person_can_be_enrolled_again_and_removed(gallery):
    more = gallery.enrol("Ada", RNG.normal(size=64))
    assert (len(gallery), len(more), more.names.count("Ada")) == (9, 10, 4)
    less = more.remove("Ada")
    assert "Ada" not in less.names and len(less) == 6
    assert less.identify(PEOPLE["Ada"][:1], 0.5)[0].name is None
    with pytest.raises(ConfigError, match="Dora; allowed: Ada, Björn, Chen"):
        gallery.remove("Dora")
    with pytest.raises(ConfigError, match="Dora; allowed: nobody is enrolled"):
        Gallery().remove("Dora")
    for wrong in (lambda: gallery.enrol(" ", np.ones(64)), lambda: gallery.identify(np.ones(64), 2)):
        with pytest.raises(ConfigError):
            wrong()
    with pytest.raises(InputError, match="another model: got 5 values; allowed: 64"):
        gallery.enrol("Eve", np.ones(5))
    with pytest.raises(InputError, match="another model"):
        gallery.identify(np.ones((2, 5)))


def test_one_photograph_is_one_vector_however_often_it_is_enrolled(gallery):
    one, other = RNG.normal(size=(2, 64))
    more = gallery.enrol("Eve", np.stack([one, other, one * 3]))
    assert more.names.count("Eve") == 2
    assert more.enrol("Eve", other).names.count("Eve") == 2
    assert more.enrol("Fay", other).names.count("Fay") == 1  # of another person it is one more


@pytest.mark.parametrize("name", ["", " ", " Ada", "Ada\n", "\x1b[31mAda", "\udcff", "\u202eadA", "\u200d"])
def test_a_name_can_be_shown_and_written(gallery, name):
    with pytest.raises(ConfigError, match=r"gallery: a name: got .*; allowed: characters that can be printed"):
        gallery.enrol(name, np.ones(64))


@pytest.mark.parametrize("name", ["Ada Lovelace", "山田\u3000太郎", "علی\u200cرضا", "ශ්\u200dරී"])
def test_names_are_written_as_people_write_them(gallery, name):
    assert gallery.enrol(name, np.ones(64)).names[-1] == name


def test_a_gallery_survives_the_disk(gallery, tmp_path):
    gallery.save(tmp_path / "people.npz")
    again = Gallery.open(tmp_path / "people.npz")
    assert again.names == gallery.names
    np.testing.assert_allclose(again.vectors, gallery.vectors, atol=1e-6)
    with pytest.raises(ConfigError, match="overwrite"):
        gallery.save(tmp_path / "people.npz")
    Gallery().save(tmp_path / "nobody.npz")
    assert len(Gallery.open(tmp_path / "nobody.npz")) == 0
    (tmp_path / "bad.npz").write_bytes((tmp_path / "people.npz").read_bytes()[:200])
    with pytest.raises(ArtifactError, match="not a gallery, or damaged"):
        Gallery.open(tmp_path / "bad.npz")


@pytest.mark.parametrize(("place", "value"), [(4, 255), (6, 1), (8, 77)])  # of an entry: version, encrypted, method
def test_an_archive_that_nobody_can_unpack_is_damaged(gallery, tmp_path, place, value):
    gallery.save(tmp_path / "people.npz")
    content = bytearray((tmp_path / "people.npz").read_bytes())
    content[content.index(b"PK\x01\x02") + place + 2] = content[place] = value
    (tmp_path / "people.npz").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"people.npz: not a gallery, or damaged"):
        Gallery.open(tmp_path / "people.npz")


def test_what_is_not_a_gallery_is_named(tmp_path):
    one = {"schema": np.array(1), "names": np.array([1]), "vectors": np.ones((1, 4))}
    np.savez(tmp_path / "other.npz", **one)
    with pytest.raises(ArtifactError, match=r"other.npz: not a gallery, or damaged"):
        Gallery.open(tmp_path / "other.npz")
    (tmp_path / "ada.jpg").write_bytes(b"\xff\xd8\xff" * 100)
    with pytest.raises(ArtifactError, match=r"ada.jpg: not a gallery, or damaged \(no archive\)$"):
        Gallery.open(tmp_path / "ada.jpg")
    with pytest.raises(ArtifactError, match=r"none.npz: cannot be read: .*gallery enrol"):
        Gallery.open(tmp_path / "none.npz")
    with pytest.raises(ArtifactError, match=r"cannot be read: Is a directory$"):
        Gallery.open(tmp_path)


def test_vectors_that_are_no_numbers_are_named_with_their_file(gallery, tmp_path):
    gallery.vectors = np.full_like(gallery.vectors, np.nan)
    gallery.save(tmp_path / "people.npz")
    with pytest.raises(ArtifactError, match=r"people.npz: not a gallery, or damaged .*without a direction"):
        Gallery.open(tmp_path / "people.npz")


def test_landmarks_come_to_the_template():
    angle, scale, shift = 0.6, 2.5, np.array([40.0, -7])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = ARCFACE @ turn.T + shift
    np.testing.assert_allclose(similarity(ARCFACE, points), np.column_stack([turn, shift]), atol=1e-9)
    mirrored = similarity(ARCFACE, ARCFACE * [-1, 1])
    assert np.linalg.det(mirrored[:, :2]) > 0  # a face is turned, never mirrored
    for wrong in ((ARCFACE, ARCFACE[:4]), (ARCFACE[:1], ARCFACE[:1]), (np.ones((3, 2)), np.ones((3, 2)))):
        with pytest.raises(InputError):
            similarity(*wrong)


def test_align_cuts_the_face_out():
    image = np.asarray(Image.fromarray(RNG.integers(0, 256, (6, 6, 3), np.uint8)).resize((240, 240)))
    there = ARCFACE * 2 + [5, 9]  # the template, twice as large, somewhere in the image
    got = align(image, there)
    assert got.shape == (112, 112, 3)
    wanted = image[9 : 9 + 224 : 2, 5 : 5 + 224 : 2].astype(int)
    assert np.abs(got.astype(int) - wanted).mean() < 2
    assert align(image, there, size=56).shape == (56, 56, 3)


def test_a_face_is_aligned_by_the_landmarks_that_its_detector_has():
    image = RNG.integers(0, 256, (240, 240, 3), np.uint8)
    five = ARCFACE * 1.5 + [20, 30]
    six = np.concatenate([five[:3], five[3:].mean(axis=0, keepdims=True), [[0, 0], [239, 0]]])  # ears do not count
    difference = align_face(image, five).astype(int) - align_face(image, six)
    assert np.abs(difference).mean() < 1
    assert align_face(image, five, 64).shape == (64, 64, 3)
    with pytest.raises(InputError, match="landmarks of a face: got 4; allowed: 5, 6"):
        align_face(image, five[:4])


def test_a_gallery_says_which_model_its_vectors_are_of(gallery, tmp_path):
    mine, crop = VectorSource("arc", "a" * 64, "p", "landmarks"), VectorSource("arc", "a" * 64, "p", "box")
    kept = Gallery(source=mine).enrol("Ada", PEOPLE["Ada"]).remove("Ada").enrol("Ben", PEOPLE["Chen"])
    kept.save(tmp_path / "people.npz")
    again = Gallery.open(tmp_path / "people.npz")
    assert again.source == mine
    mine.check(again.source, "people.npz")
    VectorSource("renamed", mine.sha256, "p", "landmarks").check(again.source, "people.npz")
    for other in (
        crop,
        VectorSource("arc", "b" * 64, "p", "landmarks"),
        VectorSource("arc", "a" * 64, "q", "landmarks"),
    ):
        with pytest.raises(InputError, match=r"people.npz: .*not made by this model.*gallery enrol"):
            other.check(again.source, "people.npz")
    with pytest.raises(InputError, match="got unknown"):
        mine.check(gallery.source, "people.npz")


def test_a_gallery_of_the_first_schema_does_not_say_so(gallery, tmp_path):
    names = np.array([name.encode() for name in gallery.names])
    np.savez(tmp_path / "old.npz", schema=np.array(1), names=names, vectors=gallery.vectors)
    old = Gallery.open(tmp_path / "old.npz")
    assert old.names == gallery.names and old.source is None
    np.savez(tmp_path / "new.npz", schema=np.array(3), names=names, vectors=gallery.vectors)
    with pytest.raises(ArtifactError, match="newer edgevision: got schema 3"):
        Gallery.open(tmp_path / "new.npz")
    with pytest.raises(ArtifactError, match=r"No such file.*gallery enrol"):
        Gallery.open(tmp_path / "none.npz")


@pytest.mark.parametrize("keypoints", [np.full((5, 2), 7.0), np.full((5, 2), np.nan), np.full((6, 2), np.inf)])
def test_landmarks_in_no_place_are_refused(keypoints):
    with pytest.raises(InputError, match="landmarks of a face"):
        align_face(np.zeros((9, 9, 3), np.uint8), keypoints)
