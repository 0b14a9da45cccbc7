import numpy as np
import pytest

from edgevision.converters.histogram import Histogram
from edgevision.converters.statistics_cache import cache_file, load_statistics, store_statistics
from edgevision.errors import CalibrationError, OutputError


@pytest.fixture
def statistics():
    found = {name: Histogram() for name in ("net/conv/Conv2D", "empty", "ünï")}
    found["net/conv/Conv2D"].add(np.random.default_rng(0).normal(size=1000).astype(np.float32))
    found["ünï"].add(np.zeros(3, np.float32))
    found["first"] = Histogram()
    found["first"].add(np.arange(9, dtype=np.float32))
    return found


def test_what_was_stored_comes_back(statistics, tmp_path):
    file = cache_file(tmp_path / "new" / "folder", "a" * 64, "b" * 64)
    store_statistics(file, statistics)
    found = load_statistics(file)
    assert list(found) == sorted(statistics)
    for name, histogram in statistics.items():
        assert found[name].counts.tolist() == histogram.counts.tolist()
        assert vars(found[name]) | {"counts": 0} == vars(histogram) | {"counts": 0}
    first = file.read_bytes()
    store_statistics(file, statistics)
    assert file.read_bytes() == first and len(list(file.parent.iterdir())) == 1


def test_other_models_and_inputs_have_other_files(tmp_path):
    files = {cache_file(tmp_path, model, inputs) for model in ("a", "b") for inputs in ("a", "b")}
    assert len(files) == 4


@pytest.mark.parametrize("damage", ["cut", "text", "other", "fewer", "newer"])
def test_what_is_damaged_or_foreign_is_named(damage, statistics, tmp_path):
    file = tmp_path / "x.npz"
    store_statistics(file, statistics)
    content = file.read_bytes()
    with np.load(file) as arrays:
        document, counts = arrays["document"], arrays["counts"]
    if damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        file.write_text("not ours")
    elif damage == "other":
        np.savez(file, weights=np.zeros(3))
    elif damage == "fewer":
        np.savez(file, document=document, counts=counts[:-1])
    else:
        text = document.tobytes().replace(b'"schema":1', b'"schema":2')
        np.savez(file, document=np.frombuffer(text, np.uint8), counts=counts)
    with pytest.raises(CalibrationError, match=r"x\.npz.*" + ("newer" if damage == "newer" else "delete it")):
        load_statistics(file)


def test_any_damage_is_an_error_of_ours_or_none(statistics, tmp_path):
    file = tmp_path / "x.npz"
    store_statistics(file, statistics)
    content, random = file.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        for place in random.integers(0, len(content), 3):
            damaged[place] = random.integers(0, 256)
        file.write_bytes(damaged)
        try:
            load_statistics(file)
        except CalibrationError:
            refused += 1
    assert refused > 250


def test_a_place_that_cannot_be_written_is_an_error_of_ours(statistics, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        store_statistics(tmp_path / "file" / "x.npz", statistics)
