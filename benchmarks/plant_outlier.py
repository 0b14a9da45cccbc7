"""Plant an outlier in the shipped ResNet-8: the same answers in float, ruined ones in int8.

    python benchmarks/plant_outlier.py OUT [--layer stage1_block0_a] [--factor 300]

One channel behind the layer's ReLU is multiplied by the factor, and divided by it where the next convolution takes it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from edgevision.converters.fine_tuning import copy_model
from edgevision.converters.keras_import import load_source, save_keras_artifact
from edgevision.shipped import shipped_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--layer", default="stage1_block0_a", help="the first convolution of a block")
    parser.add_argument("--factor", type=float, default=300.0)
    options = parser.parse_args()
    source = load_source(shipped_model())
    model = copy_model(source)
    norm, following = model.get_layer(f"{options.layer}_bn"), model.get_layer(f"{options.layer[:-1]}b_conv")
    gamma, beta, mean, variance = norm.get_weights()
    kernel, *rest = following.get_weights()
    channel = int((gamma + beta).argmax())
    gamma[channel] *= options.factor
    beta[channel] *= options.factor
    kernel[:, :, channel] /= options.factor
    norm.set_weights([gamma, beta, mean, variance])
    following.set_weights([kernel, *rest])
    save_keras_artifact(replace(source, model=model, name="planted"), options.out, overwrite=True)


if __name__ == "__main__":
    main()
