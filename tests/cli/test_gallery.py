"""gallery: people are enrolled from photographs, and told from others, with a real detector of faces."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from edgevision.adopt import adopt
from edgevision.artifact import Artifact
from edgevision.data.images import load_image
from edgevision.gallery import enrol, open_reader
from edgevision.tasks.embedding import Gallery


@pytest.fixture(scope="module")
def models(face_models):
    return "--model", face_models[0], "--faces", face_models[1]


@pytest.fixture(scope="module")
def photographs(shared_data, tmp_path_factory):
    """A folder with Ada (twice, once mirrored), Grace, and four people on one picture."""
    folder = tmp_path_factory.mktemp("photographs")
    ada = load_image(shared_data / "images/astronaut.png")
    (folder / "ada").mkdir()
    Image.fromarray(ada).save(folder / "ada/1.png")
    Image.fromarray(np.ascontiguousarray(ada[:, ::-1])).save(folder / "ada/2.png")
    for name in ("grace_hopper.bmp", "face.jpg"):
        shutil.copy(shared_data / "images" / name, folder)
    return folder


def test_people_are_enrolled_and_told_apart(run, models, photographs, shared_data, tmp_path):
    people = tmp_path / "people.npz"
    done = run("gallery", "enrol", people, "Ada", photographs / "ada", *models, "--json")
    assert done.exit_code == 0, done.output
    assert [one["name"] for one in json.loads(done.stdout)["enrolled"]] == [None, None]
    done = run("gallery", "enrol", people, "Grace", photographs / "grace_hopper.bmp", *models, "--json")
    (grace,) = json.loads(done.stdout)["enrolled"]
    assert grace["name"] == "Ada" and 0.5 < grace["score"] < 0.96
    assert json.loads(run("gallery", "list", people, "--json").stdout)["people"] == {"Ada": 2, "Grace": 1}
    images = [shared_data / "images/astronaut.png", photographs / "grace_hopper.bmp", photographs / "face.jpg"]
    done = run("gallery", "identify", people, *images, *models, "--threshold", "0.97", "--json")
    found = json.loads(done.stdout)["faces"]
    assert [one["name"] for one in found] == ["Ada", "Grace", None, None, None, None]
    text = run("gallery", "identify", people, *images, *models, "--threshold", "0.97").stdout
    assert text.count("unknown") == 4 and text.splitlines()[1].split()[1] == "Ada"
    assert run("gallery", "remove", people, "Ada").exit_code == 0
    assert "Ada" not in run("gallery", "list", people).stdout
    missing = run("gallery", "remove", people, "Adda")
    assert missing.exit_code == 2 and "Grace" in missing.stderr


def test_a_photograph_has_to_show_one_face(run, models, photographs, shared_data, tmp_path):
    people = tmp_path / "people.npz"
    several = run("gallery", "enrol", people, "Ada", photographs / "face.jpg", *models)
    assert several.exit_code == 1 and "got 4 faces" in several.stderr and "--largest" in several.stderr
    none = run("gallery", "enrol", people, "Ada", shared_data / "images/traffic_frame_1.bmp", *models)
    assert none.exit_code == 1 and "no face found" in none.stderr
    assert not people.exists()
    done = run("gallery", "enrol", people, "Ada", photographs / "face.jpg", *models, "--largest")
    assert done.exit_code == 0 and Gallery.open(people).names == ("Ada",)
    before = people.read_bytes()
    (tmp_path / "no.jpg").write_text("no picture")
    bad = run("gallery", "enrol", people, "Ada", photographs / "ada", tmp_path / "no.jpg", *models)
    assert bad.exit_code == 1 and people.read_bytes() == before


def test_who_enrols_at_the_same_time_loses_nobody(models, photographs, tmp_path):
    people, readers = tmp_path / "people.npz", [open_reader(*map(Artifact.open, models[1::2])) for _ in range(2)]
    both = threading.Barrier(2)  # each has its vector, and neither has written it

    def add(name, reader):
        enrol(people, name, [photographs / "ada/1.png"], reader, progress=lambda *_: both.wait(120))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(add, ("Ada", "Ben"), readers))
    assert sorted(Gallery.open(people).names) == ["Ada", "Ben"]


def test_a_gallery_that_was_closed_to_others_stays_closed(run, models, photographs, tmp_path):
    people = tmp_path / "people.npz"
    for name in ("Ada", "Ada", "Ben"):
        assert run("gallery", "enrol", people, name, photographs / "ada/1.png", *models).exit_code == 0
        people.chmod(0o600)
    assert json.loads(run("gallery", "list", people, "--json").stdout)["people"] == {"Ada": 1, "Ben": 1}
    assert run("gallery", "remove", people, "Ben").stdout == "Ben: 1 vector removed\n"
    assert people.stat().st_mode & 0o777 == 0o600


def test_a_gallery_in_the_home_folder_keeps_who_was_there(run, models, photographs, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("Ada", "Ben"):
        assert run("gallery", "enrol", "~/people.npz", name, photographs / "ada/1.png", *models).exit_code == 0
    assert json.loads(run("gallery", "list", "~/people.npz", "--json").stdout)["people"] == {"Ada": 1, "Ben": 1}


def test_an_image_is_nobodys_name(run, models, photographs, tmp_path):
    first, second = photographs / "ada/1.png", photographs / "ada/2.png"
    done = run("gallery", "enrol", tmp_path / "people.npz", first, second, *models)
    assert done.exit_code == 2 and "got the image file" in done.stderr and "GALLERY NAME IMAGES" in done.stderr
    done = run("gallery", "enrol", tmp_path / "people.npz", "\udcff", first, *models)
    assert done.exit_code == 2 and "gallery: a name: got '\\udcff'" in done.stderr
    assert run("gallery", "enrol", tmp_path / "others.npz", "a" * 300 + ".png", first, *models).exit_code == 0
    assert run("gallery", "remove", tmp_path / "none/people.npz", "Ada").exit_code == 1
    assert not (tmp_path / "none").exists() and not (tmp_path / "people.npz").exists()


def test_the_gallery_of_another_model_is_refused(run, models, face_models, photographs, tmp_path):
    people = tmp_path / "people.npz"
    assert run("gallery", "enrol", people, "Ada", photographs / "ada", *models).exit_code == 0
    file = next(face_models[0].glob("*.tflite"))
    adopt(file, tmp_path / "other", task="embedding", preprocessing={"std": [2]})
    other = ("--model", tmp_path / "other", "--faces", face_models[1])
    for command in (("enrol", people, "Ben"), ("identify", people)):
        done = run("gallery", *command, photographs / "grace_hopper.bmp", *other)
        assert done.exit_code == 1 and "not made by this model" in done.stderr
    whole = run("gallery", "identify", people, photographs / "grace_hopper.bmp", "--model", face_models[0])
    assert whole.exit_code == 1 and "crop whole" in whole.stderr


def test_what_makes_no_sense_is_told(run, models, face_models, photographs, tmp_path):
    nothing = run("gallery", "list", tmp_path / "none.npz")
    assert nothing.exit_code == 1 and "edgevision gallery enrol" in nothing.stderr
    assert "no such command 'enroll'; did you mean 'enrol'?" in run("gallery", "enroll").stderr
    assert "enrol" in run("gallery").stdout
    swapped = run("gallery", "enrol", tmp_path / "p.npz", "Ada", photographs / "ada", "--model", face_models[1])
    assert swapped.exit_code == 1 and "not for embedding" in swapped.stderr
