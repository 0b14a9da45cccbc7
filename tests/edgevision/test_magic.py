import io
import zipfile

import pytest

from edgevision.errors import ArtifactError
from edgevision.magic import check_format, detect_format

IR = b'<?xml version="1.0"?>\n<net name="m" version="11"></net>\n'


def keras_zip(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "make", "format_"),
    [
        ("m.tflite", lambda tflite: tflite, "tflite"),
        ("odd.bin", lambda tflite: tflite, "tflite"),
        ("m.tflite", lambda tflite: tflite + b"edgetpu-custom-op", "edgetpu"),
        ("m.tflite", lambda tflite: tflite + b"ethos-u", "vela"),
        ("m.keras", lambda _: keras_zip("metadata.json", "config.json", "model.weights.h5"), "keras"),
        ("m.h5", lambda _: b"\x89HDF\r\n\x1a\n" + bytes(100), "keras"),
        ("m.onnx", lambda _: b"\x08\x09\x12\x07pytorch\x3a\x02\x0a\x00", "onnx"),
        ("m.engine", lambda _: b"ftrt" + bytes(100), "tensorrt"),
        ("m.xml", lambda _: IR, "openvino"),
        ("m.xml", lambda _: b"\xef\xbb\xbf<net></net>", "openvino"),
    ],
)
def test_content_tells_the_format(tmp_path, tflite_bytes, name, make, format_):
    (tmp_path / name).write_bytes(make(tflite_bytes))
    if name.endswith(".xml"):
        (tmp_path / "m.bin").touch()
    assert detect_format(tmp_path / name) == format_
    check_format(tmp_path / name, format_)
    with pytest.raises(ArtifactError, match=f"got {format_}; allowed: c?[a-z]+"):
        check_format(tmp_path / name, "keras" if format_ != "keras" else "tflite")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("m.tflite", b"", "empty file"),
        ("m.tflite", b"hello world, not a model", "starts with b'hello wo'"),
        ("m.tflite", b"\xff\xff\xff\x7fTFL3" + bytes(20), "damaged TFLite"),
        ("m.tflite", b"\x10\0\0\0TFL3", "damaged TFLite"),
        ("m.keras", keras_zip("a.txt"), "not a .keras model: got a.txt"),
        ("m.keras", keras_zip("config.json")[:-10], "damaged zip"),
        ("m.onnx", b"\x08\x09\x12\x07pytorch", "damaged ONNX model: got 0 graphs with 0 nodes"),
        ("m.onnx", b"\x08\x09\x3a\x03\x0a\x01\x88", "damaged ONNX model, or one that was cut off: got an integer"),
        ("m.onnx", b"\x08\x09\x3a\x04\x0a\x02\x0b\x00", "cut off: got wire type 3 before byte 1"),
        ("m.xml", b"<?xml version='1.0'?><html></html>", "not an OpenVINO model"),
        ("m.xml", IR[:-9], "cut off"),
        ("n.xml", IR, r"no weights beside it; put n\.bin there"),
        ("m.pb", b"\x08\x09", "not a model file"),
    ],
)
def test_damage_and_other_files(tmp_path, name, data, message):
    (tmp_path / "m.bin").touch()
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ArtifactError, match=message):
        detect_format(tmp_path / name)


def test_every_cut_through_a_tflite_header_is_noticed(tmp_path, tflite_bytes):
    for length in range(len(tflite_bytes) - 4):
        (tmp_path / "m.tflite").write_bytes(tflite_bytes[:length])
        with pytest.raises(ArtifactError):
            detect_format(tmp_path / "m.tflite")


def test_every_cut_through_an_onnx_file_is_noticed(tmp_path, make_onnx):
    whole = make_onnx()
    last = len(whole) - 6  # what follows the graph: the versions of operators
    for length in range(1, last):
        (tmp_path / "m.onnx").write_bytes(whole[:length])
        with pytest.raises(ArtifactError):
            detect_format(tmp_path / "m.onnx")


def test_a_saved_model_is_told_from_other_directories(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"a SavedModel, .*convert it first"):
        detect_format(tmp_path)


def test_no_file_and_a_directory(tmp_path):
    with pytest.raises(ArtifactError, match="no such file"):
        detect_format(tmp_path / "none.tflite")
    with pytest.raises(ArtifactError, match="a directory"):
        detect_format(tmp_path)


def test_models_of_other_people(shared_data):
    found = {}
    for path in sorted((shared_data / "models").rglob("*")):
        if path.suffix in (".tflite", ".onnx", ".h5", ".keras"):
            found[path.name] = detect_format(path)
    assert found
    by_suffix = {".onnx": "onnx", ".h5": "keras", ".keras": "keras", ".tflite": "tflite"}
    for name, format_ in found.items():
        special = "edgetpu" if "_edgetpu." in name else "vela" if "_vela_" in name else None
        assert format_ == (special or by_suffix["." + name.rpartition(".")[2]]), name
