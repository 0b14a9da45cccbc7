"""Make the shipped ResNet-8 a third of its size, and measure what that cost.

python examples/compress.py [FOLDER]
"""

import sys
from pathlib import Path

from edgevision import open_dataset
from edgevision.converters.golden_samples import make_golden
from edgevision.converters.keras_import import load_source
from edgevision.evaluate import evaluate
from edgevision.export import export
from edgevision.shipped import shipped_model
from edgevision.verify import verify


def main(folder: Path) -> None:
    source = load_source(shipped_model())
    train_images, test_images = open_dataset("sample", "train"), open_dataset("sample", "test")
    golden = make_golden(source, test_images)  # a few images travel with each artifact, and the float model's answers

    for scheme in ("float32", "static_wi8_ai8"):
        (conversion,) = export(
            source, folder, scheme=scheme, calibration_data=train_images, golden=golden, overwrite=True
        )
        artifact = conversion.artifact
        accuracy = evaluate(artifact, test_images).classification.accuracy
        interval = f"95% interval {accuracy.low:.3f} to {accuracy.high:.3f}"
        print(
            f"{scheme}: {artifact.bytes} bytes, accuracy {accuracy.value:.3f} ({interval}), {verify(artifact).verdict}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
