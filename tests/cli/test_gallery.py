"""gallery: people are enrolled from photographs, and told from others, with a real detector of faces."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from edgevision.adopt import adopt
from edgevision.data.images import load_image
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
