"""An embedding artifact, loaded and ready: an image in, a unit vector out."""

from __future__ import annotations

from edgevision.errors import IncompatibleModelError
from edgevision.image_model import ImageModel
from edgevision.tasks.embedding import embedding
from edgevision.tensors import Array


class Embedder(ImageModel):
    """An embedding artifact on one runtime, taking one image at a time; a context manager."""

    task = "embedding"

    def __call__(self, image: Array) -> Array:
        """Return the unit vector of an image, uint8 RGB HWC: float32 (D,)."""
        return embedding(self.outputs(image)[0][0], self.model.outputs[0])

    def _prepare(self) -> None:
        output = self.model.outputs[0]
        if any(size != 1 for size in output.shape[:1]) or (None not in output.shape and 0 in output.shape):
            raise IncompatibleModelError(
                f"{self.artifact.path}: its first output is no vector of one image", got=list(output.shape)
            )
