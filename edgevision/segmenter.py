"""A segmentation artifact, loaded and ready: an image in, the class of each of its pixels out."""

from __future__ import annotations

from edgevision.image_model import ImageModel
from edgevision.tasks.segmentation import Segmentation, SegmentationDecoding, segment
from edgevision.tensors import Array


class Segmenter(ImageModel):
    """A segmentation artifact on one runtime, taking one image at a time; a context manager.

    Attributes:
        decoding: What the first output means.
    """

    task = "segmentation"

    decoding: SegmentationDecoding

    def __call__(self, image: Array) -> Segmentation:
        """Return the class of each pixel of an image, uint8 RGB HWC."""
        outputs, geometry = self.outputs(image)
        return segment(outputs[0], self.model.outputs[0], self.decoding, geometry)

    def _prepare(self) -> None:
        self.decoding = SegmentationDecoding.from_dict(self.artifact.manifest.decoding)
