"""A classification artifact, loaded and ready: an image in, the model's stored scores out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edgevision.artifact import Artifact
from edgevision.errors import ArtifactError, IncompatibleModelError
from edgevision.runtimes.base import load
from edgevision.tensors import Array, TensorSpec

if TYPE_CHECKING:
    from edgevision.binding import BoundPreprocessing

TASK = "classification"
Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""

_DECLARE = {
    "task": "--task classification",
    "preprocessing": "--mean … --std …",
    "labels": "--labels …",
}


def require_known(artifact: Artifact, *names: str) -> None:
    """Raise unless an artifact is for classification and its manifest has each of ``names``.

    Args:
        artifact: Any artifact.
        names: Fields of the manifest: "preprocessing", "labels".

    Raises:
        ArtifactError: One is unknown; the message names the option of ``edgevision adopt`` that declares it.
        IncompatibleModelError: The artifact is for another task.
    """
    unknown = [name for name in ("task", *names) if getattr(artifact.manifest, name) is None]
    if unknown:
        raise ArtifactError(
            f"{artifact.model_file}: {', '.join(unknown)} unknown: a bare model file does not say",
            next_step="declare what it wants: edgevision adopt MODEL " + " ".join(_DECLARE[name] for name in unknown),
        )
    if artifact.manifest.task != TASK:
        raise IncompatibleModelError(
            f"{artifact.path}: not for classification", got=f"task {artifact.manifest.task}", allowed=TASK
        )


class Classifier:
    """A classification artifact on one runtime, taking one image at a time; a context manager.

    Attributes:
        artifact: What it was loaded from.
        model: The compiled model.
        output: Specification of the scores, the model's first output.
        classes: How many classes it tells apart.
    """

    def __init__(
        self,
        artifact: Artifact,
        *,
        runtime: str | None = None,
        device: str = "cpu",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Load the artifact; arguments are those of `edgevision.runtimes.load`.

        Raises:
            ArtifactError: Its preprocessing or task is unknown.
            IncompatibleModelError: It does not classify single images.
        """
        require_known(artifact, "preprocessing")
        self.artifact = artifact
        self.model = load(artifact, device, runtime=runtime, options=options)
        try:
            self._bound = self._bind()
            self.output = self.model.outputs[0]
            self.classes = class_count(artifact, self.output)
        except BaseException:
            self.model.close()
            raise

    def __call__(self, image: Array) -> Array:
        """Return the stored scores, of shape ``output.shape``, for an image, uint8 RGB HWC."""
        tensor, _ = self._bound(image)
        return self.model.infer((tensor,))[0]

    @property
    def runtime(self) -> str:
        """The package and version that run the model, as in "ai-edge-litert 2.3.0"."""
        facts = self.model.facts
        return f"{facts.get('package', 'unknown')} {facts.get('version') or ''}".strip()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.model.close()

    def _bind(self) -> BoundPreprocessing:
        preprocessing, inputs = self.artifact.manifest.preprocessing, self.model.inputs
        if preprocessing is None or len(inputs) != 1:
            names = ", ".join(spec.name for spec in inputs)
            raise IncompatibleModelError(f"{self.artifact.path}: not a model of one image", got=f"inputs {names}")
        return preprocessing.bind(inputs[0])


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
