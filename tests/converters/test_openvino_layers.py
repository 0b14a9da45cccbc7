from functools import partial

import pytest

from edgevision.converters.keras_import import SourceModel
from edgevision.converters.layer_choice import chosen_layers
from edgevision.converters.openvino_layers import operations_of

pytest.importorskip("openvino", reason="the extra openvino is not installed")
keras = pytest.importorskip("tf_keras", reason="the extra train is not installed")


@pytest.fixture(scope="module")
def network():
    """Everything that OpenVINO merges or moves: scaling, padding, batch norms, activations, a model in the model."""
    layers = keras.layers
    image = keras.Input((32, 32, 3), name="image")
    x = layers.ZeroPadding2D(1, name="pad")(layers.Rescaling(1 / 64, -2, name="rescale")(image))
    x = layers.Conv2D(8, 3, strides=2, name="stem")(x)
    x = layers.ReLU(6.0, name="stem_relu")(layers.BatchNormalization(name="stem_bn")(x))
    x = layers.DepthwiseConv2D(3, strides=2, name="depthwise")(layers.ZeroPadding2D(1, name="pad2")(x))
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="bn")(x))
    x = layers.SeparableConv2D(8, 3, name="separable")(x)
    part = keras.Input(x.shape[1:])
    inner = keras.Model(part, layers.Conv2D(8, 1, activation="relu", name="inside")(part), name="inner")
    x = layers.BatchNormalization(name="alone")(inner(x) * 2.0)
    x = layers.Concatenate(name="join")([x, layers.Conv2D(8, 1, name="branch")(x)])
    x = layers.Dense(4, activation="softmax", name="scores")(layers.GlobalAveragePooling2D(name="pool")(x))
    return SourceModel(keras.Model(image, [x], name="net"), "net")


@pytest.fixture(scope="module")
def trace(network):
    from edgevision.converters.openvino import _graph

    return partial(_graph, network, 1)


@pytest.fixture(scope="module")
def graph(trace):
    return trace()


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        (["stem", "pad", "stem_relu", "rescale"], {"Multiply": 1, "Add": 1, "Convolution": 1, "Clamp": 1}),
        (["pad2", "bn"], {"GroupConvolution": 1, "Relu": 1}),
        (["separable"], {"GroupConvolution": 1, "Convolution": 1}),
        (["inside", "alone"], {"Convolution": 1, "Relu": 1, "Multiply": 1}),
        (["branch", "join", "scores"], {"Convolution": 1, "Concat": 1, "MatMul": 1, "Softmax": 1}),
    ],
)
def test_a_layers_operations_are_found_by_what_flows_through_it(names, kinds, network, graph, trace):
    found = operations_of(names, network.model, graph, trace)
    operations = [op.get_type_name() for op in graph.get_ordered_ops() if op.get_friendly_name() in found]
    counts = {kind: operations.count(kind) for kind in kinds}
    assert counts == kinds
    weighted = [kind for kind in operations if kind in ("Convolution", "GroupConvolution", "MatMul")]
    assert len(weighted) == sum(kinds.get(kind, 0) for kind in ("Convolution", "GroupConvolution", "MatMul"))


def test_a_traced_layer_is_left_as_it_was(network, graph, trace):
    layer = network.model.get_layer("stem")
    operations_of(["stem"], network.model, graph, trace)
    assert "call" not in vars(layer)
    assert chosen_layers("float_layers", ["ins*", "stem"], network.model) == ["stem", "inside"]
