"""Classify images: your own with a model of yours, or some of the shipped ones with the shipped ResNet-8.

python examples/predict.py [MODEL IMAGE …]
"""

import sys

from edgevision import Artifact, open_dataset
from edgevision.predict import predict
from edgevision.shipped import shipped_model


def main(model: str, images: list[str]) -> None:
    for entry in predict(Artifact.open(model), images, top_k=3).images:
        ranked = ", ".join(f"{guess.label} {guess.score:.2f}" for guess in entry.classes)
        print(f"{entry.image}: {ranked}")


def main_on_shipped_images() -> None:
    dataset = open_dataset("sample", "test").balanced(50)
    result = predict(Artifact.open(shipped_model()), [dataset.image(index) for index in range(len(dataset))], top_k=1)
    right = 0
    for entry, target in zip(result.images, dataset.targets, strict=True):
        best = entry.classes[0]
        right += best.index == target
        print(f"{entry.image}: {best.label} {best.score:.2f}, in truth {dataset.labels[target]}")
    print(f"{right} of {len(dataset)} right")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        sys.exit(__doc__)
    if len(sys.argv) > 2:
        main(sys.argv[1], sys.argv[2:])
    else:
        main_on_shipped_images()
