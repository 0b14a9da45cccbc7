"""The model that comes with edgevision: a ResNet-8 of the MLPerf Tiny shape, trained on CIFAR-10."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

SHIPPED = "sample"
"""What commands call the shipped model, and `edgevision.data.locate.open_dataset` the shipped images."""


def shipped_model() -> Path:
    """Return the folder of the shipped model, an artifact of format ``keras`` with its training history."""
    return Path(str(files("edgevision") / "assets" / "resnet8"))
