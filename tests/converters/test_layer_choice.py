import pytest

from edgevision.converters.layer_choice import chosen_layers, matching_names, operators_of, owners
from edgevision.errors import ConfigError

OPERATORS = [
    # As TensorFlow's converter names them: the second convolution's kernel shares a constant with the first.
    ["net/stem_relu/Relu", "net/stem_bn/FusedBatchNormV3", "net/stem/BiasAdd", "net/deep/Conv2D", "net/stem/Conv2D1"],
    ["net/deep/BiasAdd", "net/deep/Conv2D", "net/deep/BiasAdd/ReadVariableOp"],
    ["net/sep/separable_conv2d/depthwise"],
    ["net/sep/separable_conv2d", "net/deep/Conv2D"],
    ["net/block/stem/Relu"],
    ["scores", "net/logits/MatMul"],
]


@pytest.mark.parametrize(
    ("layer", "positions"),
    [
        ("stem_relu", {0}), ("stem_bn", {0}), ("deep", {1}), ("sep", {2, 3}), ("stem", {0, 4}), ("block/stem", {4}),
        ("logits", {5}), ("scores", {5}), ("net", {0, 1, 2, 3, 4}), ("dropout", set()), ("tem", set()),
    ],
)  # fmt: skip
def test_an_operator_belongs_to_the_layers_that_were_merged_into_it(layer, positions):
    assert operators_of(layer, owners(OPERATORS)) == positions


def test_names_and_patterns():
    names = ["stage1_a", "stage1_b", "stage2_a", "odd[1]"]
    assert matching_names("float_layers", ["stage2_a", "stage1_*"], names) == ["stage1_a", "stage1_b", "stage2_a"]
    assert matching_names("float_layers", ["odd[1]"], names) == ["odd[1]"]
    assert matching_names("float_layers", [], names) == []
    with pytest.raises(ConfigError, match=r"int16_layers: no layer has this name: got stage3_a; allowed: stage2_a, st"):
        matching_names("int16_layers", ["stage1_a", "stage3_a"], names)


def test_layers_of_a_keras_model(small):
    assert chosen_layers("float_layers", ["stem*", "add"], small.model) == ["stem", "stem_bn", "stem_relu", "add"]
    with pytest.raises(ConfigError, match="no layer has this name: got image"):
        chosen_layers("float_layers", ["image"], small.model)
