"""An artifact that takes one image, loaded and ready: an image in, the model's stored outputs out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from edgevision.artifact import Artifact
from edgevision.errors import ArtifactError, IncompatibleModelError
from edgevision.runtimes.base import CompiledModel, load
from edgevision.tensors import Array

if TYPE_CHECKING:
    from edgevision.binding import BoundPreprocessing
    from edgevision.frames import Frame
    from edgevision.resize import Geometry

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""

M = TypeVar("M", bound="ImageModel")


class ImageModel:
    """An artifact on one runtime, taking one image at a time; a context manager. Each task has a class of its own.

    Attributes:
        artifact: What it was loaded from.
        model: The compiled model.
    """

    task: ClassVar[str]
    """What the artifact is for."""

    def __init__(
        self,
        artifact: Artifact,
        *,
        runtime: str | None = None,
        device: str = "cpu",
        options: Mapping[str, Any] | None = None,
        loader: Callable[..., CompiledModel] = load,
    ) -> None:
        """Load the artifact; arguments are those of `edgevision.runtimes.load`, which ``loader`` stands in for.

        Raises:
            ArtifactError: Its preprocessing or task is unknown.
            IncompatibleModelError: It is for another task, or does not take single images.
        """
        require_known(artifact, self.task, "preprocessing")
        self.artifact = artifact
        self.model = loader(artifact, device, runtime=runtime, options=options)
        try:
            self._bound = self._bind()
            self._prepare()
        except BaseException:
            self.model.close()
            raise

    def prepare(self, image: Array | Frame) -> tuple[Array, Geometry]:
        """Return the input tensor of an image, uint8 RGB HWC or a frame, and where the model's pixels lie in it."""
        return self._bound(image)

    def outputs(self, image: Array | Frame) -> tuple[tuple[Array, ...], Geometry]:
        """Return the stored outputs for an image, uint8 RGB HWC or a frame, and where the model's pixels lie in it."""
        tensor, geometry = self.prepare(image)
        return self.model.infer((tensor,)), geometry

    @property
    def runtime(self) -> str:
        """The package and version that run the model, as in "ai-edge-litert 2.3.0"."""
        facts = self.model.facts
        return f"{facts.get('package', 'unknown')} {facts.get('version') or ''}".strip()

    def __enter__(self: M) -> M:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.model.close()

    def _prepare(self) -> None:
        """Read what the task needs from the manifest and the model."""

    def _bind(self) -> BoundPreprocessing:
        preprocessing, inputs = self.artifact.manifest.preprocessing, self.model.inputs
        if preprocessing is None or len(inputs) != 1:
            names = ", ".join(spec.name for spec in inputs)
            raise IncompatibleModelError(f"{self.artifact.path}: not a model of one image", got=f"inputs {names}")
        return preprocessing.bind(inputs[0])


_DECLARE = {
    "preprocessing": "--mean … --std …",
    "labels": "--labels …",
}


def require_known(artifact: Artifact, task: str, *names: str) -> None:
    """Raise unless an artifact is for a task and its manifest has each of ``names``.

    Args:
        artifact: Any artifact.
        task: What it has to be for.
        names: Fields of the manifest: "preprocessing", "labels".

    Raises:
        ArtifactError: One is unknown; the message names the option of ``edgevision adopt`` that declares it.
        IncompatibleModelError: The artifact is for another task.
    """
    unknown = [name for name in ("task", *names) if getattr(artifact.manifest, name) is None]
    if unknown:
        options = {"task": f"--task {task}", **_DECLARE}
        raise ArtifactError(
            f"{artifact.model_file}: {', '.join(unknown)} unknown: a bare model file does not say",
            next_step="declare what it wants: edgevision adopt MODEL " + " ".join(options[name] for name in unknown),
        )
    if artifact.manifest.task != task:
        raise IncompatibleModelError(
            f"{artifact.path}: not for {task}", got=f"task {artifact.manifest.task}", allowed=task
        )
