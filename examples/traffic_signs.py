"""Train a classifier of traffic signs, make it int8, and prove the result on signs that it never saw.

python examples/traffic_signs.py GTSRB.zip [FOLDER]

GTSRB.zip is a mosaic archive (see edgevision.data.mosaic) of the German Traffic Sign Recognition Benchmark, with
tracks.npy beside the labels: pictures of one physical sign, taken one after the other, share a number. A fifth of the
signs is held out whole; pictures of the same sign on both sides would make the figure too good.
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from edgevision import Preprocessing, open_dataset
from edgevision.converters.golden_samples import make_golden
from edgevision.converters.keras_import import load_source
from edgevision.evaluate import evaluate
from edgevision.export import export
from edgevision.train.config import TrainingConfig
from edgevision.train.run import train_artifact
from edgevision.verify import verify


def main(archive: Path, folder: Path) -> None:
    images = open_dataset(archive)
    tracks = np.load(io.BytesIO(zipfile.ZipFile(archive).read("tracks.npy")))
    _, signs = np.unique(np.stack([images.targets, tracks]), axis=1, return_inverse=True)
    held_out = signs.ravel() % 5 == 0
    train, test = (images.subset(np.flatnonzero(part).tolist()) for part in (~held_out, held_out))

    # No flips: a sign that points to the left is another one than its mirror image.
    config = TrainingConfig(architecture="cnn", epochs=12, batch_size=64, learning_rate=0.05, augment="none", seed=1)
    trained = train_artifact(
        train, Preprocessing(32, 32, mean=(128,), std=(64,)), config, folder / "signs", test=test, overwrite=True
    )
    source = load_source(trained.path)
    golden = make_golden(source, test)
    (conversion,) = export(
        source, folder, scheme="static_wi8_ai8", calibration_data=train, golden=golden, overwrite=True
    )
    for artifact in (trained, conversion.artifact):
        accuracy = evaluate(artifact, test).classification.accuracy
        interval = f"95% interval {accuracy.low:.3f} to {accuracy.high:.3f}"
        print(f"{artifact.manifest.scheme}: {artifact.bytes} bytes, accuracy {accuracy.value:.3f} ({interval})")
    print(f"{conversion.artifact.path} {verify(conversion.artifact).verdict}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "runs/signs"))
