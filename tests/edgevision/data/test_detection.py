"""Images with boxes: YOLO's texts and COCO's JSON, in folders and zips."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from edgevision.data.locate import open_dataset, open_image_splits, open_images
from edgevision.data.locate_boxes import open_detection_dataset
from edgevision.errors import ConfigError, DatasetError


def picture(path, width=100, height=50, color=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), color, np.uint8)).save(path)


def text(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def yolo(tmp_path):
    for name in ("a", "b", "c"):
        picture(tmp_path / f"images/{name}.png", color=ord(name))
    text(tmp_path / "labels/a.txt", "1 0.5 0.5 0.2 0.4", "0 0.1 0.2 0.3 0.2 0.2 0.8")
    text(tmp_path / "labels/b.txt", "0 0.25 0.5 0.5 1.0")
    text(tmp_path / "classes.txt", "cat", "dog")
    return tmp_path


def zipped(folder, target):
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return target


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_yolo(yolo, tmp_path_factory, kind):
    place = yolo if kind == "folder" else zipped(yolo, tmp_path_factory.mktemp("zip") / "set.zip")
    dataset = open_detection_dataset(place)
    assert (len(dataset), dataset.labels) == (3, ("cat", "dog"))
    image, truth = dataset.labelled(0)
    assert image.shape == (50, 100, 3) and image[0, 0, 0] == ord("a")
    np.testing.assert_allclose(truth.boxes, [[40, 15, 60, 35], [10, 10, 30, 40]], atol=1e-4)  # a box and an outline
    assert truth.classes.tolist() == [1, 0] and not truth.crowd.any()
    np.testing.assert_allclose(truth.areas, [400, 600], rtol=1e-5)
    assert len(dataset.labelled(2)[1]) == 0  # no text: nothing in it
    assert dataset.name(1) == "images/b.png" and dataset.stamp(0) != dataset.stamp(1)
    assert [part.name(0) for part in (dataset.subset([2, 0]), dataset.balanced(3))] == ["images/c.png", "images/a.png"]
    assert dataset.target(0) is None


@pytest.mark.parametrize(
    "names",
    [
        "names: [cat, 'dog']",
        'nc: 2\nnames:\n- cat\n- "dog"\ntrain: x',
        "names:\n  0: cat\n  1: dog  \n",
        "names: {0: cat, 1: dog}",
    ],
)
def test_yolo_names_in_yaml(yolo, names):
    (yolo / "classes.txt").unlink()
    with pytest.raises(DatasetError, match=r"names of the classes .* classes\.txt"):
        open_detection_dataset(yolo)
    text(yolo / "data.yaml", *names.split("\n"))
    assert open_detection_dataset(yolo).labels == ("cat", "dog")


@pytest.mark.parametrize("layout", ["images/{}/1.png", "{}/images/1.png"])
def test_yolo_with_splits(tmp_path, layout):
    for place, split in enumerate(("train", "val")):
        picture(tmp_path / layout.format(split), color=place)
        text(tmp_path / layout.format(split).replace("images", "labels").replace("png", "txt"), "0 0.5 0.5 1 1")
    text(tmp_path / "classes.txt", "train")
    assert open_detection_dataset(tmp_path).name(0) == layout.format("val")
    assert open_detection_dataset(tmp_path, "train").name(0) == layout.format("train")
    train, test = open_image_splits(tmp_path)
    assert (train.image(0).max(), test.image(0).max()) == (0, 1)
    (tmp_path / layout.format("val")).unlink()
    with pytest.raises(DatasetError, match="name its other split, 'train'"):
        open_detection_dataset(tmp_path, "test")


@pytest.mark.parametrize(
    ("line", "says"),
    [("0 0.5 0.5", "no label"), ("2 0.5 0.5 1 1", "allowed: 0 to 1"), ("cat 0 0 1 1", "no label"),
     ("0 nan 0 1 1", "no label"), ("0.5 0.5 0.5 1 1", "class")],
)  # fmt: skip
def test_yolo_labels_that_make_no_sense(yolo, line, says):
    text(yolo / "labels/b.txt", line)
    with pytest.raises(DatasetError, match=says):
        open_detection_dataset(yolo).labelled(1)


def coco(root, **changes):
    document = {
        "images": [
            {"id": 7, "file_name": "x.png", "height": 50, "width": 100},
            {"id": 9, "file_name": "y.png", "height": 100, "width": 200},
        ],
        "categories": [{"id": 3, "name": "dog"}, {"id": 1, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 5, 20, 30], "area": 444.0, "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 9, 9], "iscrowd": 1},
            {"id": 3, "image_id": 9, "category_id": 1, "bbox": [20, 20, 40, 40]},
        ],
        **changes,
    }
    for name in ("x", "y"):
        picture(root / f"val2017/{name}.png")
    path = root / "annotations/instances_val2017.json"
    text(path, json.dumps(document))
    return path


@pytest.mark.parametrize("kind", ["folder", "zip", "json"])
def test_coco(tmp_path, tmp_path_factory, kind):
    path = coco(tmp_path)
    archive = zipped(tmp_path, tmp_path_factory.mktemp("zip") / "set.zip")
    dataset = open_detection_dataset({"folder": tmp_path, "zip": archive, "json": path}[kind])
    assert (len(dataset), dataset.labels) == (2, ("cat", "dog"))
    truth = dataset.labelled(0)[1]
    np.testing.assert_allclose(truth.boxes, [[10, 5, 30, 35], [0, 0, 9, 9]])
    assert (truth.classes.tolist(), truth.crowd.tolist(), truth.areas.tolist()) == ([1, 0], [False, True], [444, 81])
    smaller = dataset.labelled(1)[1]  # the image has half the size that it was annotated in
    np.testing.assert_allclose(smaller.boxes, [[10, 10, 30, 30]])
    assert smaller.areas.tolist() == [400]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"annotations": [{"id": 5, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}]}, "annotation 5"),
        ({"annotations": [{"id": 5, "image_id": 7, "category_id": 1}]}, "no 'bbox'"),
        ({"images": [{"id": 7, "file_name": "z.png"}], "annotations": []}, "image z.png is not there"),
        ({"categories": [{"id": "x"}]}, "damaged annotations"),
    ],
)
def test_coco_that_is_damaged(tmp_path, changes, says):
    coco(tmp_path, **changes)
    with pytest.raises(DatasetError, match=says):
        open_detection_dataset(tmp_path)


def test_what_is_no_such_dataset(tmp_path, yolo):
    with pytest.raises(DatasetError, match="no dataset at"):
        open_detection_dataset(tmp_path / "nothing")
    with pytest.raises(DatasetError, match="is not divided"):
        open_detection_dataset(yolo, "train")
    with pytest.raises(ConfigError, match="split"):
        open_detection_dataset(yolo, "val")
    with pytest.raises(DatasetError, match="have boxes, not classes"):
        open_dataset(yolo)
    assert len(open_images(yolo)) == 3
    picture(tmp_path / "classes/cat/1.png")
    text(tmp_path / "classes/cat/1.txt", "a caption")
    assert open_images(tmp_path / "classes").labels == ("cat",)
    with pytest.raises(DatasetError, match="holds no images with boxes"):
        open_detection_dataset(tmp_path / "classes")


def test_the_shared_subset_of_coco(shared_data):
    dataset = open_detection_dataset(shared_data / "coco128_train.zip")
    assert (len(dataset), len(dataset.labels)) == (128, 80)
    assert sum(len(dataset.labelled(index)[1]) for index in range(0, 128, 16)) > 8
