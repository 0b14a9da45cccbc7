"""``edgevision --version``: edgevision, and the packages whose versions decide what it does here."""

from __future__ import annotations

import platform

from edgevision import optional

PACKAGES = (
    "numpy",
    "ai-edge-litert",
    "tflite-runtime",
    "openvino",
    "onnxruntime",
    "nncf",
    "tensorflow",
    "tf-keras",
    "tensorflow-model-optimization",
)


def versions() -> str:
    """Return the text: edgevision's version on the first line, then one line per package that is installed."""
    lines = [f"edgevision {optional.version('edgevision') or 'not installed'}", f"Python {platform.python_version()}"]
    found = optional.versions(*PACKAGES)
    return "\n".join(lines + [f"{package} {number}" for package, number in found.items()])
