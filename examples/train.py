"""Train a small network on the images that come with edgevision, and write it as an artifact.

python examples/train.py [FOLDER]
"""

import sys
from pathlib import Path

from edgevision.data.locate import open_splits
from edgevision.preprocessing import Preprocessing
from edgevision.train.config import TrainingConfig
from edgevision.train.run import train_artifact


def main(folder: Path) -> None:
    train_images, test_images = open_splits("sample")  # 1,600 and 1,000 images of CIFAR-10
    # Pixels to -2 … 2, so that an int8 input can later hold each pixel value exactly.
    preprocessing = Preprocessing(32, 32, mean=(128,), std=(64,))
    config = TrainingConfig(architecture="cnn", epochs=6, batch_size=64, learning_rate=0.05, seed=1)

    artifact = train_artifact(
        train_images, preprocessing, config, folder / "cnn", test=test_images, data_name="sample", overwrite=True,
        progress=lambda epoch, record: print(f"epoch {epoch}: loss {record['loss']:.3f}"),
    )  # fmt: skip

    accuracy = artifact.manifest.metrics["test"]["accuracy"]
    print(f"test accuracy {accuracy['value']:.3f} (95% interval {accuracy['low']:.3f} to {accuracy['high']:.3f})")
    print(f"written to {artifact.path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
