"""Network architectures, as tf_keras functional models that end in a float32 softmax named ``probabilities``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgevision.errors import ConfigError, check_choice, reason_of
from edgevision.optional import require


def build(
    name: str, input_shape: tuple[int, int, int], classes: int, *, width: float = 1.0, pretrained: str = ""
) -> Any:
    """Return a freshly initialised ``tf_keras.Model``.

    Args:
        name: one of `ARCHITECTURES`.
        input_shape: (height, width, channels).
        classes: number of classes.
        width: multiplier of every layer's channels (1.0: as published).
        pretrained: weights for the backbone, ``imagenet`` or a file; '' for none. Only for `PRETRAINABLE`.

    Raises:
        ConfigError: unknown name, or weights that do not fit.
    """
    check_choice("architecture", name, tuple(ARCHITECTURES))
    keras = require("tf_keras")
    image = keras.Input(input_shape, name="image")
    if pretrained:
        features = _with_pretrained(keras, name, image, width, pretrained)
    else:
        features = ARCHITECTURES[name](keras, image, width)
    logits = keras.layers.Dense(classes, name="logits")(features)
    probabilities = keras.layers.Softmax(dtype="float32", name="probabilities")(logits)
    return keras.Model(image, probabilities, name=name)


def _channels(count: int, width: float) -> int:
    return max(8, int(count * width + 4) // 8 * 8)


def _convolution(keras: Any, x: Any, filters: int, kernel: int, stride: int, name: str, *, relu: bool = True) -> Any:
    """Convolution without bias, batch norm, and ReLU unless told otherwise."""
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = keras.layers.BatchNormalization(name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _cnn(keras: Any, image: Any, width: float) -> Any:
    """The textbook CIFAR-10 network: three convolution blocks of 32, 64, 64 filters, then a dense layer of 64."""
    x = image
    for index, filters in enumerate((32, 64, 64)):
        x = _convolution(keras, x, _channels(filters, width), 3, 1, f"block{index}")
        if index < 2:
            x = keras.layers.MaxPooling2D(name=f"block{index}_pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    return keras.layers.Dense(_channels(64, width), activation="relu", name="dense")(x)


def _residual(keras: Any, x: Any, filters: int, stride: int, name: str) -> Any:
    """One residual block of two convolutions (He et al., 2016); a 1×1 convolution where the shape changes."""
    y = _convolution(keras, x, filters, 3, stride, f"{name}_a")
    y = _convolution(keras, y, filters, 3, 1, f"{name}_b", relu=False)
    if stride != 1 or x.shape[-1] != filters:
        x = keras.layers.Conv2D(
            filters, 1, strides=stride, padding="same", kernel_initializer="he_normal", name=f"{name}_shortcut"
        )(x)
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_add")([x, y]))


def _resnet(blocks_per_stage: int) -> Callable[[Any, Any, float], Any]:
    def features(keras: Any, image: Any, width: float) -> Any:
        x = _convolution(keras, image, _channels(16, width), 3, 1, "stem")
        for stage, filters in enumerate((16, 32, 64)):
            for block in range(blocks_per_stage):
                stride = 2 if stage and not block else 1
                x = _residual(keras, x, _channels(filters, width), stride, f"stage{stage}_block{block}")
        return keras.layers.GlobalAveragePooling2D(name="pool")(x)

    return features


def _mobilenet_v1(keras: Any, image: Any, width: float) -> Any:
    """MobileNet v1 (Howard et al., 2017); inputs under 96 pixels keep their resolution in the stem."""
    plan = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *(((512, 1),) * 5), (1024, 2), (1024, 1))
    x = _convolution(keras, image, _channels(32, width), 3, 2 if image.shape[1] >= 96 else 1, "stem")
    for index, (filters, stride) in enumerate(plan):
        name = f"block{index}"
        x = keras.layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
        x = keras.layers.BatchNormalization(name=f"{name}_depthwise_bn")(x)
        x = keras.layers.ReLU(name=f"{name}_depthwise_relu")(x)
        x = _convolution(keras, x, _channels(filters, width), 1, 1, f"{name}_pointwise")
    return keras.layers.GlobalAveragePooling2D(name="pool")(x)


def _mobilenet_v2(keras: Any, image: Any, width: float, weights: str | None = None) -> Any:
    """MobileNet v2 (Sandler et al., 2018) from tf_keras.applications."""
    backbone = keras.applications.MobileNetV2(
        input_tensor=image, alpha=width, include_top=False, weights=weights, pooling="avg"
    )
    return backbone.output


def _with_pretrained(keras: Any, name: str, image: Any, width: float, weights: str) -> Any:
    check_choice("architecture with pretrained weights", name, tuple(PRETRAINABLE))
    try:
        return PRETRAINABLE[name](keras, image, width, weights)
    except Exception as exc:  # a failed download is a bare Exception, a file that does not fit a ValueError or OSError
        raise ConfigError(
            f"cannot load the weights for {name}: {reason_of(exc)}",
            got=weights,
            next_step="give 'imagenet' where there is network, or a weights file made for this width without its top",
        ) from exc


ARCHITECTURES: dict[str, Callable[[Any, Any, float], Any]] = {
    "cnn": _cnn,
    "resnet8": _resnet(1),
    "resnet20": _resnet(3),
    "mobilenet_v1": _mobilenet_v1,
    "mobilenet_v2": _mobilenet_v2,
}

PRETRAINABLE: dict[str, Callable[[Any, Any, float, str], Any]] = {"mobilenet_v2": _mobilenet_v2}
