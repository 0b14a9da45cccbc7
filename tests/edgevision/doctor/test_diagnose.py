"""The doctor finds what a model wants, says what it cannot know, and does not cry wolf."""

from dataclasses import replace

import numpy as np
import pytest

from edgevision.data.dataset import ArrayDataset
from edgevision.doctor import diagnose
from edgevision.doctor.space import STORED, make_space
from edgevision.errors import ConfigError, DatasetError, IncompatibleModelError
from edgevision.tensors import QuantParams, TensorSpec


def field(diagnosis, name):
    return next(entry for entry in diagnosis.fields if entry.name == name)


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_a_bare_file_of_unknown_origin(resnet8, cifar, kind):
    found = diagnose(resnet8[kind], cifar)
    assert found.verdict == "recovered" and found.passed and found.declared is None
    assert found.spec.color == "RGB" and found.activation == "softmax" and found.labels_by_position
    wanted = field(found, "normalization")
    assert "-2 to 2" in (wanted.value, *wanted.close)  # 150 images do not tell apart what lies near
    assert not {"0 to 1", "0 to 255", "ImageNet mean"} & {wanted.value, *wanted.close}
    for name in ("resize", "filter"):  # the images have the model's size
        entry = field(found, name)
        assert not entry.identified and len(entry.unseen) == len(entry.rivals) and entry.close == ()


def test_what_is_declared_and_right_holds(declared, cifar):
    found = diagnose(declared("float"), cifar)
    assert found.verdict == "holds" and found.spec == found.declared and found.against_declared is None
    assert found.accuracy == found.declared_accuracy


def test_what_is_declared_and_wrong_is_flagged(declared, cifar):
    found = diagnose(declared("float", mean=(0.0,), std=(255.0,)), cifar)
    assert found.verdict == "another is better" and not found.passed
    assert abs(found.spec.mean[1] - 128) < 12 and 50 < found.spec.std[1] < 80
    assert found.against_declared.low > 0 and found.against_declared.p < 0.05
    assert found.accuracy.value > found.declared_accuracy.value


def test_geometry_is_found_where_the_images_show_it(declared, resized):
    found = diagnose(declared("float", resize="stretch"), resized)
    assert found.verdict == "another is better" and found.spec.resize == "center_crop"
    assert field(found, "resize").identified
    assert set(field(found, "filter").unseen) == {"area", "linear_fixed", "nearest"}


def test_labels_in_another_order_are_not_taken_for_a_finding(resnet8, cifar):
    turned = tuple(cifar.labels[1:] + cifar.labels[:1])
    found = diagnose(resnet8["float"], cifar.balanced(60), labels=turned)
    assert found.verdict == "unknown" and not found.passed and not found.labels_by_position


def test_images_of_one_class_tell_nothing(resnet8, cifar):
    cats = cifar.subset([index for index, target in enumerate(cifar.targets) if target == 3])
    more = cats.subset([index % len(cats) for index in range(30)])
    with pytest.raises(DatasetError, match=r"one class tell nothing.*got 30 images of class 3; .*a folder for each"):
        diagnose(resnet8["float"], more)


def test_images_of_noise_accuse_nobody(declared):
    generator = np.random.default_rng(0)
    pixels, targets = generator.integers(0, 256, (60, 32, 32, 3), np.uint8), np.arange(60) % 10
    found = diagnose(declared("float"), ArrayDataset(pixels, targets, [str(n) for n in range(10)], "noise"))
    assert found.verdict == "unknown" and found.spec == found.declared


def test_what_makes_the_same_input_is_counted_once(cifar):
    spec = TensorSpec("image", (1, 32, 32, 3), "float32", "NHWC")
    same = make_space(spec, [cifar.image(0)], None)
    high = make_space(spec, [np.random.default_rng(0).integers(0, 256, (90, 40, 3), np.uint8)], None)
    assert same.geometries == 1 and high.geometries == 16
    assert high.size == 16 * same.size and same.size > 2 * len(same.normalizations)


def test_grey_images_say_nothing_of_the_channel_order(declared, cifar):
    grey = np.stack([cifar.image(index).mean(axis=2).astype(np.uint8) for index in range(60)])
    dataset = ArrayDataset(np.repeat(grey[..., None], 3, axis=3), cifar.targets[:60], cifar.labels, "grey")
    color = field(diagnose(declared("float"), dataset), "color")
    assert color.unseen == ("BGR",) and not color.identified


def test_the_same_seed_says_the_same(resnet8, cifar):
    some = cifar.balanced(40)
    assert diagnose(resnet8["float"], some).to_dict() == diagnose(resnet8["float"], some).to_dict()


def test_adopt_takes_what_was_found(resnet8, cifar):
    options = diagnose(resnet8["float"], cifar.balanced(60)).adopt_options()
    pairs = dict(zip(options[::2], options[1::2], strict=True))
    assert pairs == {
        "--task": "classification", "--mean": "128", "--std": "64", "--color": "RGB", "--resize": "stretch",
        "--filter": "bilinear", "--activation": "softmax",
    }  # fmt: skip


def test_what_makes_no_sense_is_refused(resnet8, cifar):
    bare = resnet8["float"]
    with pytest.raises(DatasetError, match="too few images to tell anything from chance: got 10; allowed: 20 or more"):
        diagnose(bare, cifar.subset(range(10)))
    with pytest.raises(ConfigError, match="labels: got 2 labels; allowed: 10, one per class"):
        diagnose(bare, cifar, labels=("cat", "dog"))
    with pytest.raises(ConfigError, match="confidence"):
        diagnose(bare, cifar, confidence=1.0)
    with pytest.raises(IncompatibleModelError, match="not for classification: got task detection"):
        diagnose(replace(bare, manifest=replace(bare.manifest, task="detection")), cifar)


@pytest.mark.parametrize(
    ("scale", "zero_point", "best"),
    [
        (1 / 128, 0, "-1 to 1 by 128"),
        ((2.64 + 2.1179) / 255, -14, "ImageNet mean and std"),  # as calibration on real images leaves it
        (0.9 / 255, -128, STORED),
    ],
)
def test_the_range_of_a_quantized_input_speaks_for_what_fills_it(cifar, scale, zero_point, best):
    quant = QuantParams((scale,), (zero_point,))
    space = make_space(TensorSpec("image", (1, 32, 32, 3), "int8", "NHWC", quant), [cifar.image(0)], None)
    assert {pair: name for name, pair in space.normalizations.items()}[space.hints[-1]] == best
