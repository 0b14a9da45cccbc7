"""A detection artifact, loaded and ready: an image in, boxes in its pixels out."""

from __future__ import annotations

from edgevision.frames import Frame
from edgevision.image_model import ImageModel
from edgevision.tasks.decoders import read_decoding
from edgevision.tasks.decoders.base import Decoder
from edgevision.tasks.detection import detect
from edgevision.tasks.detections import Detections
from edgevision.tensors import Array


class Detector(ImageModel):
    """A detection artifact on one runtime, taking one image at a time; a context manager.

    Attributes:
        decoder: What the outputs mean, and the thresholds; may be replaced, by one of
            `edgevision.tasks.detection.with_thresholds` for example.

    Raises:
        ConfigError: ``decoding`` in the manifest names no decoder.
    """

    task = "detection"

    decoder: Decoder

    def __call__(self, image: Array | Frame) -> Detections:
        """Return the objects in an image, uint8 RGB HWC, or in a camera's frame, in its pixels.

        Raises:
            InferenceError: The outputs are not those that the decoder is for.
        """
        outputs, geometry = self.outputs(image)
        return detect(outputs, self.model.outputs, self.decoder, geometry)

    def _prepare(self) -> None:
        self.decoder = read_decoding(self.artifact.manifest.decoding)
