"""What is inside of files that vendors' compilers made: of the Edge TPU, and of Vela."""

import dataclasses
import json

import pytest

from edgevision.adopt import adopt
from edgevision.artifact import Artifact
from edgevision.cli import main
from edgevision.devices.edgetpu import predict_mapping
from edgevision.errors import ArtifactError
from edgevision.graphs import read_graph
from edgevision.graphs.vela import inspect_vela
from edgevision.inspecting import compiled_tensors, inspect_contents
from edgevision.mapping import LEFT
from edgevision.runtimes import load

PAIRS = ("deeplabv3_mnv2_dm05_pascal_quant", "keras_lstm_mnist_ptq", "mobilenet_v1_0.25_128_quant",
         "mobilenet_v2_1.0_224_quant", "split_concat")  # fmt: skip


@pytest.fixture(scope="module")
def coral(shared_data):
    return shared_data / "models/coral"


@pytest.mark.parametrize("name", PAIRS)
def test_why_an_operator_of_a_compiled_file_is_on_the_processor(coral, name):
    """The reasons are those that the prediction from the source gives, operator by operator; none is left open."""
    found = inspect_contents(Artifact.describe(coral / f"{name}_edgetpu.tflite"))
    predicted = predict_mapping(read_graph(coral / f"{name}.tflite"))
    left = [(placed.kind, placed.reason) for placed in found.mapping.on_cpu]
    assert [kind for kind, _ in left] == [placed.kind for placed in predicted.on_cpu]
    assert LEFT not in [reason for _, reason in left]
    if left:  # what only follows in the source can have a reason of its own besides
        assert left[0] == (predicted.on_cpu[0].kind, predicted.on_cpu[0].reason)


def test_what_two_executables_hold(coral):
    found = inspect_contents(Artifact.describe(coral / "keras_lstm_mnist_ptq_edgetpu.tflite"))
    assert [(part.type, part.parameter_bytes) for part in found.parts] == [
        ("execution_only", 576),
        ("parameter_caching", 43_968),
    ]
    assert found.mapping.facts == {
        "parameter_bytes_on_chip": 43_968, "parameter_bytes_streamed": 576, "runtime_version": 12,
    }  # fmt: skip
    assert len({part.caching_token for part in found.parts}) == 1


def test_models_that_were_compiled_apart_do_not_share_a_token(coral):
    tokens = [
        {part.caching_token for part in inspect_contents(Artifact.describe(path)).parts}
        for path in sorted(coral.glob("*_edgetpu.tflite"))
    ]
    assert len(set.union(*tokens)) == len(tokens) == len(PAIRS)


def test_a_file_of_vela(shared_data):
    """Arm's person detection, compiled by Arm for an Ethos-U55 of 256."""
    path = shared_data / "models/edge_cases/person_detect_vela_ethosu.tflite"
    (part,) = inspect_contents(Artifact.describe(path)).parts
    assert part.to_dict() == {
        "operator": 0, "accelerator": "ethos-u55-256", "stream_bytes": 8168, "weight_bytes": 260_480,
        "scratch_bytes": 74_464, "fast_scratch_bytes": 74_464,
    }  # fmt: skip


@pytest.mark.parametrize("at", ["COP1", "product"])
def test_a_damaged_command_stream(shared_data, tmp_path, at):
    data = bytearray((shared_data / "models/edge_cases/person_detect_vela_ethosu.tflite").read_bytes())
    place = data.index(b"COP1")
    data[place if at == "COP1" else place + 11] = 0xFF
    path = tmp_path / "damaged.tflite"
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match="damaged command stream"):
        inspect_vela(path)


def test_a_file_that_nobody_compiled(coral):
    artifact = Artifact.describe(coral / "split_concat.tflite")
    assert inspect_contents(artifact) is None
    with pytest.raises(ArtifactError, match="Ethos-U"):
        inspect_vela(artifact.model_file)


def test_an_operator_that_the_rules_take_has_no_made_up_reason(coral):
    from edgevision.devices.compiled import explain_compiled

    graph = read_graph(coral / "deeplabv3_mnv2_dm05_pascal_quant_edgetpu.tflite")
    alone = dataclasses.replace(graph, nodes=(graph.nodes[0], dataclasses.replace(graph.nodes[2], index=1)))
    assert explain_compiled(alone).on_cpu[0].reason == LEFT


def test_inspect_as_typed(capsys, coral):
    model = coral / "deeplabv3_mnv2_dm05_pascal_quant_edgetpu.tflite"
    assert main(["inspect", str(model)], standalone_mode=False) == 0
    text = capsys.readouterr().out
    assert "parameter bytes on chip   766,720" in text and "on the processor: ARG_MAX 8 (ArgMax)" in text
    assert main(["inspect", str(model), "--json"], standalone_mode=False) == 0
    compiled = json.loads(capsys.readouterr().out)["compiled"]
    assert [part["instruction_bytes"] for part in compiled["parts"]] == [160_672, 8_016]
    assert compiled["mapping"]["mapped"] == 1 and compiled["mapping"]["operators"] == 9


@pytest.mark.parametrize("name", PAIRS)
def test_the_tensors_of_a_compiled_file_are_those_of_its_source(coral, name):
    """As TFLite reads them from the file that was compiled; the device need not be here to adopt it."""
    with load(Artifact.describe(coral / f"{name}.tflite")) as model:
        expected = [[(s.shape, s.dtype, s.quant) for s in side] for side in (model.inputs, model.outputs)]
    found = compiled_tensors(Artifact.describe(coral / f"{name}_edgetpu.tflite"))
    assert [[(s.shape, s.dtype, s.quant) for s in side] for side in found] == expected


def test_the_tensors_of_a_file_of_vela(shared_data):
    path = shared_data / "models/edge_cases/person_detect_vela_ethosu.tflite"
    (image,), (scores,) = compiled_tensors(Artifact.describe(path))
    assert (image.shape, image.dtype, image.layout, image.quant.zero_point) == ((1, 96, 96, 1), "int8", "NHWC", (-1,))
    assert (scores.shape, scores.dtype) == ((1, 2), "int8")


def test_a_compiled_file_is_adopted_with_its_tensors(coral, tmp_path):
    model = coral / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    preprocessing = {"mean": (128.0,) * 3, "std": (128.0,) * 3, "resize": "stretch", "filter": "bilinear"}
    manifest = adopt(model, tmp_path / "made", task="classification", preprocessing=preprocessing).manifest
    assert (manifest.format, manifest.inputs[0].layout, manifest.outputs[0].shape) == ("edgetpu", "NHWC", (1, 1001))
    assert (manifest.preprocessing.height, manifest.preprocessing.width) == (128, 128)
