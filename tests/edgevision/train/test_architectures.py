import numpy as np
import pytest

from edgevision.errors import ConfigError
from edgevision.train.architectures import ARCHITECTURES, build


def test_unknown_names_list_the_known():
    with pytest.raises(ConfigError, match=r"cnn, resnet8.*did you mean resnet8"):
        build("resnet9", (32, 32, 3), 10)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_ends_in_probabilities(name):
    model = build(name, (32, 32, 3), 7, width=0.5)
    output = model(np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)).numpy()
    assert output.shape == (2, 7)
    assert np.allclose(output.sum(1), 1, atol=1e-5)
    assert model.output_names == ["probabilities"]
    assert model.input_names == ["image"]


def test_resnet8_has_the_published_size():
    """MLPerf Tiny's ResNet-8 has 78,666 parameters; ours leaves out the biases that batch norm cancels."""
    biases = 16 * 3 + 32 * 2 + 64 * 2
    assert build("resnet8", (32, 32, 3), 10).count_params() == 78_666 - biases


def test_resnet8_has_the_reference_models_kernels(shared_data):
    import h5py

    shapes = []

    def note(name, item):
        if "kernel" in name:
            shapes.append(item.shape)

    with h5py.File(shared_data / "models" / "mlperf_tiny" / "resnet8_cifar10" / "pretrainedResnet.h5") as file:
        file["model_weights"].visititems(note)
    ours = [tuple(weight.shape) for weight in build("resnet8", (32, 32, 3), 10).weights if "kernel" in weight.name]
    assert sorted(ours) == sorted(shapes)


def test_width_scales_channels_in_eights():
    assert build("mobilenet_v1", (96, 96, 3), 2, width=0.25).get_layer("block12_pointwise_conv").filters == 256
    assert build("resnet8", (32, 32, 3), 10, width=0.25).get_layer("stem_conv").filters == 8
