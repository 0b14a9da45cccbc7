"""Metadata in TFLite files: read back by other code than ours, and nothing else in the file disturbed."""

import io
import subprocess
import sys
import zipfile

import flatbuffers
import numpy as np
import pytest
from flatbuffers.table import Table

from edgevision.converters.tflite_metadata import embed_metadata, read_metadata
from edgevision.errors import ArtifactError, ConfigError, ConversionError
from edgevision.optional import available
from edgevision.preprocessing import Preprocessing

LABELS = ("cat", "Ampère-mètre", "", "dog, big", "e")
PREPROCESSING = Preprocessing(12, 16, mean=(128.0, 100.0, 0.5), std=(64.0, 50.0, 1.0))
SCHEMES = ("float32", "static_wi8_ai8")


@pytest.fixture(scope="module")
def models() -> dict[str, bytes]:
    """A small convolutional network, by scheme."""
    tf, keras = pytest.importorskip("tensorflow"), pytest.importorskip("tf_keras")
    keras.utils.set_random_seed(3)
    network = keras.Sequential(
        [
            keras.layers.InputLayer((12, 16, 3), batch_size=1, name="image"),
            keras.layers.Conv2D(7, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(len(LABELS), activation="softmax", name="scores"),
        ]
    )
    samples = np.random.default_rng(0).normal(size=(8, 1, 12, 16, 3)).astype(np.float32)
    files = {}
    for scheme in SCHEMES:
        converter = tf.lite.TFLiteConverter.from_keras_model(network)
        if scheme != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([sample] for sample in samples)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        files[scheme] = converter.convert()
    return files


@pytest.fixture(scope="module", params=SCHEMES)
def model(request, models) -> bytes:
    return models[request.param]


def embed(model: bytes, **changes) -> bytes:
    facts = {"name": "tiny", "preprocessing": PREPROCESSING, "labels": LABELS, "task": "classification"}
    return embed_metadata(model, **{**facts, **changes})


class Raw:
    """A table read with flatbuffers' own reader, by the id of a field."""

    def __init__(self, data: bytes, position: int | None = None) -> None:
        self.data = bytearray(data)
        root = flatbuffers.encode.Get(flatbuffers.packer.uoffset, self.data, 0)
        self.table = Table(self.data, root if position is None else position)

    def _at(self, field: int) -> int:
        return self.table.Offset(4 + 2 * field)

    def has(self, field: int) -> bool:
        return self._at(field) != 0

    def child(self, field: int) -> "Raw":
        return Raw(self.data, self.table.Indirect(self.table.Pos + self._at(field)))

    def children(self, field: int) -> list["Raw"]:
        if not self.has(field):
            return []
        start, count = self.table.Vector(self._at(field)), self.table.VectorLen(self._at(field))
        return [Raw(self.data, self.table.Indirect(start + 4 * i)) for i in range(count)]

    def text(self, field: int) -> str:
        return self.table.String(self.table.Pos + self._at(field)).decode()

    def number(self, field: int, flags=flatbuffers.number_types.Int8Flags) -> int:
        return self.table.Get(flags, self.table.Pos + self._at(field))

    def array(self, field: int, flags=flatbuffers.number_types.Float32Flags) -> np.ndarray:
        return self.table.GetVectorAsNumpy(flags, self._at(field))

    def start(self, field: int) -> int:
        return self.table.Vector(self._at(field))


def raw_metadata(model: bytes) -> Raw:
    root = Raw(model)
    (entry,) = [e for e in root.children(6) if e.text(0) == "TFLITE_METADATA"]
    buffer = root.children(4)[entry.number(1, flatbuffers.number_types.Uint32Flags)]
    content = buffer.array(0, flatbuffers.number_types.Uint8Flags).tobytes()
    assert content[4:8] == b"M001"
    return Raw(content)


RUN = """
import sys
import numpy as np
from {package}.interpreter import Interpreter
for path in sys.argv[1:]:
    interpreter = Interpreter(model_path=path)
    interpreter.allocate_tensors()
    (image,), (scores,) = interpreter.get_input_details(), interpreter.get_output_details()
    random = np.random.default_rng(5)
    for _ in range(20):
        values = random.integers(-128, 128, image["shape"]).astype(image["dtype"])
        interpreter.set_tensor(image["index"], values)
        interpreter.invoke()
        print(interpreter.get_tensor(scores["index"]).tobytes().hex(), end=" ")
    print(image["name"], scores["name"], *interpreter.get_signature_list())
"""


@pytest.mark.parametrize("package", ["ai_edge_litert", "tflite_runtime"])
def test_interpreters_compute_the_same_bits(model, package, tmp_path):
    if not available(package):
        pytest.skip(f"{package} is not installed")
    (tmp_path / "before.tflite").write_bytes(model)
    (tmp_path / "after.tflite").write_bytes(embed(model))
    paths = [tmp_path / "before.tflite", tmp_path / "after.tflite"]
    run = subprocess.run(
        [sys.executable, "-c", RUN.format(package=package), *paths], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr[-2000:]
    before, after = run.stdout.splitlines()
    assert before == after
    assert len(set(before.split())) > 10


def test_what_was_written_reads_back_by_field_ids(models):
    content = raw_metadata(embed(models["float32"], description="Sorts pets."))
    assert (content.text(0), content.text(1), content.text(7)) == ("tiny", "Sorts pets.", "1.0.0")
    (graph,) = content.children(3)
    (image,), (scores,) = graph.children(2), graph.children(3)
    assert image.text(0) == "image"
    assert image.child(3).number(0) == 2  # ImageProperties
    properties = image.child(3).child(1)
    assert properties.number(0) == 1  # RGB
    wide, high = (properties.child(1).number(i, flatbuffers.number_types.Uint32Flags) for i in (0, 1))
    assert (wide, high) == (16, 12)
    (unit,) = image.children(4)
    assert unit.number(0) == 1  # NormalizationOptions
    np.testing.assert_array_equal(unit.child(1).array(0), PREPROCESSING.mean)
    np.testing.assert_array_equal(unit.child(1).array(1), PREPROCESSING.std)
    np.testing.assert_allclose(image.child(5).array(0), [127 / 64, 155 / 50, 254.5])
    np.testing.assert_allclose(image.child(5).array(1), [-2, -2, -0.5])
    assert scores.text(0) == "scores"
    (file,) = scores.children(6)
    assert (file.text(0), file.number(2)) == ("labels.txt", 2)  # TENSOR_AXIS_LABELS


def test_statistics_of_an_integer_input_are_of_stored_values(models):
    (image,) = raw_metadata(embed(models["static_wi8_ai8"])).children(3)[0].children(2)
    high, low = image.child(5).array(0), image.child(5).array(1)
    assert (high == high.round()).all() and (low == low.round()).all()
    assert high[2] == 127 and -128 <= low.min() < high.max() <= 127


def test_the_labels_are_an_uncompressed_file_behind_the_model(model):
    embedded = embed(model)
    with zipfile.ZipFile(io.BytesIO(embedded)) as archive:
        (member,) = archive.infolist()
        assert (member.filename, member.compress_type) == ("labels.txt", zipfile.ZIP_STORED)
        assert archive.read(member).decode() == "cat\nAmpère-mètre\n\ndog, big\ne\n"
        assert archive.testzip() is None
    assert read_metadata(embedded)["labels"] == list(LABELS)


def test_constants_stay_and_lie_at_multiples_of_16_bytes(model):
    kept, embedded = ([b for b in Raw(m).children(4) if b.has(0)] for m in (model, embed(model)))
    content = [b.array(0, flatbuffers.number_types.Uint8Flags).tobytes() for b in embedded]
    assert content[: len(kept)] == [b.array(0, flatbuffers.number_types.Uint8Flags).tobytes() for b in kept]
    assert len(content) == len(kept) + 1
    assert {b.start(0) % 16 for b in embedded if b.start(0)} == {0}
    assert any(len(data) >= 64 for data in content)


def test_the_same_model_gives_the_same_bytes_also_when_it_had_metadata(model):
    once = embed(model)
    assert once == embed(model) == embed(once)
    assert read_metadata(embed(once, name="other", labels=None))["name"] == "other"
    assert not zipfile.is_zipfile(io.BytesIO(embed(once, labels=None)))
    assert len(once) < len(model) + 2000


def test_what_is_unknown_is_left_out(model):
    embedded = embed(model, preprocessing=None, labels=None, task=None)
    (graph,) = raw_metadata(embedded).children(3)
    (image,), (scores,) = graph.children(2), graph.children(3)
    assert [image.has(field) for field in range(7)] == [True] + [False] * 6
    assert not scores.has(6)
    found = read_metadata(embedded)
    assert found["labels"] is None
    assert found["inputs"][0]["mean"] is None and found["inputs"][0]["color"] is None


def test_reading_gives_what_was_embedded(models):
    found = read_metadata(embed(models["float32"]))
    (image,), (scores,) = found["inputs"], found["outputs"]
    assert (image["color"], image["mean"], image["std"]) == ("RGB", [128.0, 100.0, 0.5], [64.0, 50.0, 1.0])
    assert (image["name"], scores["name"], scores["min"]) == ("image", "scores", None)
    assert read_metadata(models["float32"]) == {}


def test_a_colour_order_that_the_schema_lacks_is_not_claimed_to_be_rgb(model):
    bgr = Preprocessing(12, 16, color="BGR")
    assert read_metadata(embed(model, preprocessing=bgr))["inputs"][0]["color"] is None


def test_labels_without_an_axis_of_their_own_belong_to_the_model(model):
    assert read_metadata(embed(model, labels=("a", "b"), task="detection"))["labels"] == ["a", "b"]
    assert raw_metadata(embed(model, labels=("a", "b"), task="detection")).children(6)[0].number(2) == 3


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"labels": ("a", "b")}, ConversionError, "2 labels; allowed: scores"),
        ({"labels": ("a\nb", *LABELS[1:])}, ConfigError, "line break"),
        ({"preprocessing": Preprocessing(32, 32)}, ConversionError, "[32, 32, 3]; allowed: image"),
    ],
)
def test_what_contradicts_the_model_is_refused(model, changes, error, words):
    with pytest.raises(error) as caught:
        embed(model, **changes)
    assert words in str(caught.value)


def test_damaged_metadata_is_an_artifact_error(models):
    sound = embed(models["float32"])
    with pytest.raises(ArtifactError, match="not a TFLite model"):
        read_metadata(b"PK\x03\x04" + bytes(40))
    random = np.random.default_rng(2)
    refused = 0
    for _ in range(600):
        damaged = bytearray(sound[: random.integers(8, len(sound))] if random.random() < 0.3 else sound)
        for position in random.integers(8, len(damaged), 40):
            damaged[position] = random.integers(256)
        damaged[4:8] = b"TFL3"
        try:
            read_metadata(bytes(damaged))
        except ArtifactError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    ("file", "mean", "std", "labels", "first", "version"),
    [
        ("coral/mobilenet_v1_0.25_128_quant.tflite", [127.5], [127.5], 1001, "background", "1.0.0"),
        ("edge_cases/selfie_segmentation_custom_op.tflite", [0.0], [255.0], 1, "selfie", "1.5.0"),
    ],
)
def test_metadata_of_other_writers_is_read(shared_data, file, mean, std, labels, first, version):
    found = read_metadata((shared_data / "models" / file).read_bytes())
    (image,) = found["inputs"]
    assert (image["name"], image["color"], image["mean"], image["std"]) == ("image", "RGB", mean, std)
    assert (len(found["labels"]), found["labels"][0]) == (labels, first)
    assert found["min_parser_version"] == version
