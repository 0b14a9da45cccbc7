"""Int8 models with random weights that firmware is tried on: a MobileNetV2 0.35 and a detector like YOLO."""

from __future__ import annotations

from typing import Any

import numpy as np


def random_weights(model: Any, seed: int = 0) -> Any:
    """Fill a Keras model with weights under which its activations keep their size and differ from input to input."""
    draw = np.random.default_rng(seed)
    for layer in model.layers:
        found = []
        for weight in layer.weights:
            shape = tuple(weight.shape)
            if len(shape) > 1:
                # Of depthwise kernels, (height, width, channels, 1), each channel sums over the window alone.
                fan = np.prod(shape[:2]) if "depthwise" in weight.name else np.prod(shape[:-1])
                value = draw.normal(size=shape) * (2 / fan) ** 0.5
            elif "gamma" in weight.name or "variance" in weight.name:
                value = draw.uniform(0.5, 1, shape)
            else:
                value = draw.normal(size=shape) * 0.2
            found.append(value.astype(np.float32))
        layer.set_weights(found)
    return model


def quantized(model: Any, shape: tuple[int, ...], seed: int = 0) -> bytes:
    """Return a Keras model in int8, calibrated on normal values."""
    import tensorflow as tf

    draw = np.random.default_rng(seed)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([draw.normal(size=shape).astype(np.float32)] for _ in range(10))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    content: bytes = converter.convert()
    return content


def mobilenet_v2() -> bytes:
    """MobileNetV2 of width 0.35 for images of 96 × 96; ten logits come out, so that no softmax hides a difference."""
    import tf_keras as keras

    model = keras.applications.MobileNetV2(
        (96, 96, 3), alpha=0.35, weights=None, classes=10, classifier_activation=None
    )
    return quantized(random_weights(model), (1, 96, 96, 3))


def detector() -> bytes:
    """Two scales joined by resizing and concatenation, boxes and scores of both in one output: a model like YOLO."""
    import tf_keras as keras

    layers = keras.layers

    def block(x: Any, channels: int, strides: int = 1) -> Any:
        x = layers.Conv2D(channels, 3, strides, "same")(x)
        return layers.Multiply()([x, layers.Activation("sigmoid")(x)])

    image = keras.Input((64, 64, 3), batch_size=1)
    fine = block(block(image, 8, 2), 16, 2)
    coarse = layers.MaxPool2D(5, 1, "same")(block(fine, 24, 2))
    upper = layers.Concatenate()([layers.UpSampling2D(2)(coarse), fine])
    heads = [
        layers.Reshape((-1, 7))(layers.Activation("sigmoid")(layers.Conv2D(7, 1)(x)))
        for x in (block(upper, 16), coarse)
    ]
    model = keras.Model(image, [layers.Concatenate(axis=1)(heads)])
    return quantized(random_weights(model), (1, 64, 64, 3))
