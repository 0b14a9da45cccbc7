"""predict of segmentations and embeddings, and pictures with results on them."""

import json

import numpy as np
import pytest

from edgevision.adopt import adopt
from edgevision.data.images import load_image
from edgevision.embedder import Embedder
from edgevision.segmenter import Segmenter
from edgevision.tasks.embedding import Gallery

VOC = ("background,aeroplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,diningtable,dog,horse,motorbike,person,"
       "pottedplant,sheep,sofa,train,tv")  # fmt: skip


@pytest.fixture(scope="module")
def deeplab(shared_data, tmp_path_factory):
    return adopt(
        shared_data / "models/coral/deeplabv3_mnv2_dm05_pascal_quant.tflite", tmp_path_factory.mktemp("d") / "deeplab",
        task="segmentation", labels=VOC.split(","), preprocessing={"mean": [127.5], "std": [127.5]},
    )  # fmt: skip


def test_a_segmentation(run, deeplab, shared_data, tmp_path):
    image = shared_data / "images/cat_720p.jpg"
    done = run("predict", deeplab.path, image, "--draw", tmp_path / "drawn")
    assert done.exit_code == 0, done.stderr
    assert [line.split()[-2] for line in done.stdout.splitlines()[1:]] == ["background", "cat"]
    document = json.loads(run("predict", deeplab.path, image, "--json").stdout)
    assert document["images"][0]["segmentation"][1]["label"] == "cat"
    drawn = load_image(tmp_path / "drawn/0001-cat_720p.png")
    assert drawn.shape == (720, 1280, 3) and (drawn != load_image(image)).any(axis=2).mean() > 0.3
    with Segmenter(deeplab) as segmenter:
        classes = segmenter(load_image(image)).classes
    assert classes.shape == (720, 1280) and classes[400, 600] == VOC.split(",").index("cat")


def test_an_embedding_and_a_gallery(run, tflite_file, images, tmp_path):
    model = adopt(tflite_file, tmp_path / "e", task="embedding", preprocessing={"mean": [128], "std": [64]})
    document = json.loads(run("predict", model.path, images / "red/00.png", "--json").stdout)
    vector = np.array(document["images"][0]["embedding"])
    assert vector.shape == (3,) and np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert run("predict", model.path, images / "red/00.png").stdout.splitlines()[1].split()[1] == "3"
    with Embedder(model) as embedder:
        gallery = Gallery()
        for name in ("red", "green"):
            gallery = gallery.enrol(name, embedder(load_image(images / name / "00.png")))
        seen = [gallery.identify(embedder(load_image(images / name / "05.png")), 0.9)[0].name for name in
                ("red", "green", "blue")]  # fmt: skip
    assert seen == ["red", "green", None]
    refused = run("predict", model.path, images / "red/00.png", "--draw", tmp_path / "drawn")
    assert refused.exit_code == 2 and not (tmp_path / "drawn").exists()


def test_classes_are_drawn_too(run, artifact, images, tmp_path):
    assert run("predict", artifact.path, images / "red", "--draw", tmp_path).exit_code == 0
    assert len(list(tmp_path.glob("*.png"))) == 12
    (tmp_path / "file").write_text("")
    refused = run("predict", artifact.path, images / "red/00.png", "--draw", tmp_path / "file")
    assert refused.exit_code == 1 and "file" in refused.stderr


def test_declarations_that_do_not_go_together(run, tflite_file, tmp_path):
    for options, says in (
        (["--task", "embedding", "--activation", "softmax"], "an activation is for classifiers"),
        (["--task", "segmentation", "--decoding", "classes_axis=middle"], "classes_axis: got middle"),
        (["--task", "embedding", "--decoding", "threshold=1"], "decoding: no decoder"),
    ):
        refused = run("adopt", tflite_file, "--out", tmp_path / "m", *options)
        assert refused.exit_code == 2 and says in refused.stderr, refused.stderr
