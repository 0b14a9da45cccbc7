import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from edgevision.data.locate import open_dataset, open_splits
from edgevision.data.mosaic import write_mosaic
from edgevision.errors import ConfigError, DatasetError, InputError


def png(value):
    content = io.BytesIO()
    Image.new("RGB", (6, 5), (value, 0, 0)).save(content, "PNG")
    return content.getvalue()


def folder(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


CLASSES = {"dog/1.png": png(10), "cat/2.PNG": png(20), "cat/1.png": png(30)}


def reds(dataset):
    return [int(dataset.image(i)[0, 0, 0]) for i in range(len(dataset))]


def zipped(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def batches(root):
    """CIFAR-10's python version, two images a batch."""
    root.mkdir(exist_ok=True)
    for number, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        planes = np.zeros((2, 3, 32, 32), np.uint8)
        planes[:, 2] = 40 + number  # the blue plane
        batch = {b"data": planes.reshape(2, -1), b"labels": [number, 9], b"batch_label": b"x"}
        (root / name).write_bytes(pickle.dumps(batch, protocol=2))
    return root


def test_folder_with_a_directory_per_class(tmp_path):
    dataset = open_dataset(folder(tmp_path, CLASSES))
    assert dataset.labels == ("cat", "dog")
    assert dataset.targets.tolist() == [0, 0, 1]
    assert reds(dataset) == [30, 20, 10]
    assert dataset.name(2) == "dog/1.png"


@pytest.mark.parametrize("top", ["", "pets/"])
def test_zip_with_a_directory_per_class(tmp_path, top):
    dataset = open_dataset(zipped(tmp_path / "pets.zip", {top + name: content for name, content in CLASSES.items()}))
    assert dataset.labels == ("cat", "dog")
    assert reds(dataset) == [30, 20, 10]


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_splits_are_found_and_the_default_is_the_callers(tmp_path, form):
    files = {f"train/{name}": content for name, content in CLASSES.items()} | {"val/cat/9.png": png(90)}
    location = folder(tmp_path / "d", files) if form == "folder" else zipped(tmp_path / "d.zip", files)
    assert reds(open_dataset(location)) == [90]
    assert len(open_dataset(location, default="train")) == 3
    assert len(open_dataset(location, "train")) == 3


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_missing_split_is_refused_not_replaced(tmp_path, form):
    files = {f"train/{name}": content for name, content in CLASSES.items()}
    location = folder(tmp_path / "d", files) if form == "folder" else zipped(tmp_path / "d.zip", files)
    with pytest.raises(DatasetError, match=r"no split 'test'.*'train'"):
        open_dataset(location)


def test_an_unsplit_location_refuses_a_split(tmp_path):
    with pytest.raises(DatasetError, match="not divided"):
        open_dataset(folder(tmp_path, CLASSES), "test")


def test_cifar10_batches_folder_and_archive_give_the_same(tmp_path):
    root = batches(tmp_path / "cifar-10-batches-py")
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(root, "cifar-10-batches-py")
    for location in (root, tmp_path / "cifar-10-python.tar.gz"):
        train, test = open_dataset(location, "train"), open_dataset(location, "test")
        assert (len(train), len(test)) == (10, 2)
        assert train.targets.tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
        assert test.image(0)[3, 4].tolist() == [0, 0, 45]
        assert train.labels[9] == "truck"


class Payload:
    def __reduce__(self):
        return (print, ("executed",))


def test_a_forged_cifar10_batch_runs_nothing(tmp_path, capsys):
    root = batches(tmp_path / "b")
    (root / "test_batch").write_bytes(pickle.dumps({b"data": Payload()}))
    with pytest.raises(DatasetError, match="no business with builtins"):
        open_dataset(root, "test")
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("side", [32, 48, 9])
def test_mosaic_archives_are_lossless_and_found_by_split(tmp_path, side):
    rng = np.random.default_rng(0)
    pixels, targets = rng.integers(0, 256, (57, side, side, 3), np.uint8), rng.integers(0, 3, 57)
    write_mosaic(tmp_path / "x_train.zip", pixels, targets, ("a", "b", "c"))
    for dataset in (open_dataset(tmp_path / "x_train.zip"), open_dataset(tmp_path, "train")):
        assert np.array_equal(np.stack([dataset.image(i) for i in range(57)]), pixels)
        assert np.array_equal(dataset.targets, targets)


def test_a_mosaic_without_a_tile_for_each_label_is_refused(tmp_path):
    write_mosaic(tmp_path / "x.zip", np.zeros((3, 32, 32, 3), np.uint8), np.zeros(3, int), ("a",))
    mosaic = zipfile.ZipFile(tmp_path / "x.zip").read("mosaic.webp")
    labels = io.BytesIO()
    np.save(labels, np.zeros(70000, np.uint8))
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as archive:
        members = ("mosaic.webp", mosaic), ("labels.npy", labels.getvalue()), ("classes.txt", b"a")
        for name, content in members:
            archive.writestr(name, content)
    with pytest.raises(DatasetError, match="one square tile per label: got 70000 labels"):
        open_dataset(tmp_path / "y.zip")


def test_a_truncated_mosaic_is_refused(tmp_path):
    write_mosaic(tmp_path / "x.zip", np.zeros((3, 32, 32, 3), np.uint8), np.zeros(3, int), ("a",))
    content = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match="not a dataset"):
        open_dataset(tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("files", "message"),
    [({}, "holds no image"), ({"notes.txt": b"x"}, "holds no image"), ({"1.png": png(1)}, "outside any class")],
)
def test_folders_without_classes_are_refused(tmp_path, files, message):
    with pytest.raises(DatasetError, match=message):
        open_dataset(folder(tmp_path, files))


def test_a_missing_path_says_what_a_dataset_may_be():
    with pytest.raises(DatasetError, match=r"no dataset at .*nowhere.*allowed: .*directory per class"):
        open_dataset("/nowhere")


def test_a_file_that_is_no_image_is_named_when_it_is_read(tmp_path):
    dataset = open_dataset(folder(tmp_path, {"cat/1.png": b"not a picture"}))
    with pytest.raises(InputError, match=r"1\.png"):
        dataset.image(0)


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="train, test"):
        open_dataset("sample", "validation")


def test_the_shipped_sample_is_balanced_and_its_parts_are_disjoint():
    train, test = open_dataset("sample", "train"), open_dataset("sample", "test")
    assert np.bincount(train.targets).tolist() == [160] * 10
    assert np.bincount(test.targets).tolist() == [100] * 10
    assert train.labels == test.labels
    seen = {train.image(i).tobytes() for i in range(len(train))}
    assert not any(test.image(i).tobytes() in seen for i in range(len(test)))


def test_the_shipped_sample_is_cifar10_pixel_for_pixel(shared_data):
    complete = open_dataset(shared_data / "cifar10", "test")
    assert (len(complete), complete.labels) == (10_000, open_dataset("sample").labels)
    known = {complete.image(i).tobytes(): int(complete.targets[i]) for i in range(len(complete))}
    sample = open_dataset("sample", "test")
    assert all(known[sample.image(i).tobytes()] == sample.targets[i] for i in range(len(sample)))


def test_open_splits_gives_both_parts_or_everything(tmp_path):
    train, test = open_splits("sample")
    assert (len(train), len(test)) == (1600, 1000)
    everything, none = open_splits(folder(tmp_path, CLASSES))
    assert (len(everything), none) == (3, None)


HIDDEN = {".git/a.png": b"", "cat/.ipynb_checkpoints/1.png": b"", "cat/._1.png": b"", "__MACOSX/cat/._1.png": b""}


def test_hidden_files_and_directories_are_no_images(tmp_path):
    for dataset in (
        open_dataset(folder(tmp_path / "images", {**CLASSES, **HIDDEN})),
        open_dataset(zipped(tmp_path / "images.zip", {**CLASSES, **HIDDEN})),
        open_dataset(zipped(tmp_path / "below.zip", {**{f"pets/{k}": v for k, v in CLASSES.items()}, **HIDDEN})),
    ):
        assert (dataset.labels, reds(dataset)) == (("cat", "dog"), [30, 20, 10])


def test_a_directory_with_an_image_s_name_is_no_image(tmp_path):
    place = folder(tmp_path, CLASSES)
    (place / "cat/x.png").mkdir()
    assert len(open_dataset(place)) == 3
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("cat/x.png/", b"")
        archive.writestr("cat/1.png", png(1))
        archive.writestr("dog/1.png", png(2))
    assert reds(open_dataset(tmp_path / "images.zip")) == [1, 2]
