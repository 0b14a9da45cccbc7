"""A classification artifact, loaded and ready: an image in, the model's stored scores out."""

from __future__ import annotations

from edgevision.artifact import Artifact
from edgevision.errors import ArtifactError, IncompatibleModelError
from edgevision.image_model import ImageModel
from edgevision.tensors import Array, TensorSpec


class Classifier(ImageModel):
    """A classification artifact on one runtime, taking one image at a time; a context manager.

    Attributes:
        output: Specification of the scores, the model's first output.
        classes: How many classes it tells apart.
    """

    task = "classification"

    output: TensorSpec
    classes: int

    def __call__(self, image: Array) -> Array:
        """Return the stored scores, of shape ``output.shape``, for an image, uint8 RGB HWC."""
        return self.outputs(image)[0][0]

    def _prepare(self) -> None:
        self.output = self.model.outputs[0]
        self.classes = class_count(self.artifact, self.output)


def known_activation(artifact: Artifact) -> str:
    """Return what a classifier's scores are; raises ArtifactError where it is unknown, so that no threshold means
    anything."""
    activation: str | None = artifact.manifest.decoding.get("activation")
    if activation is None:
        raise ArtifactError(
            f"{artifact.path}: activation unknown, so no score can be compared with a threshold",
            next_step="declare it: edgevision adopt MODEL --activation …",
        )
    return activation


def class_count(artifact: Artifact, output: TensorSpec) -> int:
    """Return how many classes a model's first output tells apart.

    Raises:
        IncompatibleModelError: It is no row of scores, or the artifact has another number of labels.
    """
    classes = output.shape[-1] if output.shape else None
    if classes is None or any(size != 1 for size in output.shape[:-1]):
        raise IncompatibleModelError(
            f"{artifact.path}: its first output is no row of scores", got=list(output.shape), allowed="[1, classes]"
        )
    labels = artifact.manifest.labels
    if labels is not None and len(labels) != classes:
        raise IncompatibleModelError(
            f"{artifact.path}: as many labels as classes", got=f"{len(labels)} labels, {classes} classes"
        )
    return classes
