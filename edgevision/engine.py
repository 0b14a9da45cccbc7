"""What a TensorRT engine was built for, in ``engine.json`` beside it, and why it may not run here.

An engine holds kernels that were chosen and measured on one GPU by one release of TensorRT. Elsewhere the library
refuses it with a message about a serialization tag, or, on a GPU of the same architecture and another size, may run
it slowly: two Jetson Orin modules both call their GPU "Orin" and have compute capability 8.7. So this is compared
before the library sees the file.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgevision.documents import check_fields, check_schema, pretty_json
from edgevision.errors import ArtifactError, BackendUnavailableError, IncompatibleModelError
from edgevision.jetson import jetpack_of, l4t_here, module_here
from edgevision.optional import require

if TYPE_CHECKING:
    from edgevision.artifact import Artifact
    from edgevision.cuda import Cuda

ENGINE_FILE = "engine.json"
INSTALL = (
    "on a Jetson sudo apt install tensorrt python3-libnvinfer, in a venv with --system-site-packages; elsewhere "
    "pip install tensorrt"
)
"""How TensorRT's Python package is installed: no extra of edgevision can, on a Jetson it comes with JetPack."""
SCHEMA = 1
_TITLES = {
    "gpu": "GPU", "compute_capability": "compute capability", "multiprocessors": "multiprocessors",
    "tensorrt": "TensorRT", "l4t": "L4T",
}  # fmt: skip
"""What has to be the same, and what it is called."""


@dataclass(frozen=True)
class EngineFacts:
    """Where an engine was built.

    Attributes:
        gpu: What NVIDIA calls the GPU ("Orin").
        compute_capability: Such as "8.7".
        multiprocessors: How many the GPU has.
        tensorrt: Version of TensorRT, three numbers ("10.3.0").
        l4t: Release of Jetson Linux ("36.4.3"); None on what is no Jetson.
        module: What the device tree calls the board; None where there is none. It is told, not compared.
    """

    gpu: str
    compute_capability: str
    multiprocessors: int
    tensorrt: str
    l4t: str | None = None
    module: str | None = None

    @property
    def jetpack(self) -> str | None:
        """Major version of JetPack; None where it is not known."""
        return jetpack_of(self.l4t)

    def differences(self, here: EngineFacts) -> tuple[str, ...]:
        """Return what is not as it was where the engine was built, one text each; none where it may run."""
        return tuple(
            f"{title} {getattr(here, name) or 'none'} here, built with {getattr(self, name) or 'none'}"
            for name, title in _TITLES.items()
            if getattr(here, name) != getattr(self, name)
        )


@dataclass(frozen=True)
class EngineDocument:
    """``engine.json``: where an engine was built, by what, and for which device.

    Attributes:
        facts: Where.
        by: What built it: "python" or "trtexec".
        dla: The DLA core that it was built for; None for the GPU.
    """

    facts: EngineFacts
    by: str
    dla: int | None = None

    @property
    def device(self) -> str:
        """The device string that it is loaded onto."""
        return "gpu" if self.dla is None else f"dla:{self.dla}"

    def to_json(self) -> str:
        """Return the text of the file."""
        document = {"schema": SCHEMA, **asdict(self)}
        document["facts"]["jetpack"] = self.facts.jetpack
        return pretty_json(document)

    @classmethod
    def from_json(cls, text: str | bytes) -> EngineDocument:
        """Read the file; raises ArtifactError when it is damaged or of a newer schema."""
        try:
            data = json.loads(text)
        except ValueError as exc:
            raise ArtifactError(f"{ENGINE_FILE}: not JSON ({exc})") from exc
        check_schema(ENGINE_FILE, data, SCHEMA, ArtifactError)
        check_fields(ENGINE_FILE, data, required=("schema", "facts", "by", "dla"), error=ArtifactError)
        return cls(_facts(data["facts"]), str(data["by"]), _core(data["dla"]))


def _facts(data: Any) -> EngineFacts:
    names = ("gpu", "compute_capability", "multiprocessors", "tensorrt", "l4t", "module")
    check_fields(f"{ENGINE_FILE}: facts", data, required=names, optional=("jetpack",), error=ArtifactError)
    texts = [data[name] for name in names if name != "multiprocessors"]
    if not all(isinstance(text, str | None) for text in texts) or type(data["multiprocessors"]) is not int:
        raise ArtifactError(f"{ENGINE_FILE}: facts of the wrong types", got=str(dict(data))[:120])
    return EngineFacts(**{name: data[name] for name in names})


def _core(value: Any) -> int | None:
    if value is not None and type(value) is not int:
        raise ArtifactError(f"{ENGINE_FILE}: dla is the number of a core", got=repr(value))
    return value


def facts_here(cuda: Cuda, tensorrt: str, root: str | Path = "/") -> EngineFacts:
    """Return the facts of this machine and one of its GPUs.

    Args:
        cuda: The GPU.
        tensorrt: Version of the TensorRT library.
        root: The file system to read what a Jetson says of itself.
    """
    return EngineFacts(
        cuda.name, cuda.compute_capability, cuda.multiprocessors, short_version(tensorrt), l4t_here(root),
        module_here(root),
    )  # fmt: skip


def tensorrt_package() -> Any:
    """Import and return TensorRT's Python package.

    Raises:
        BackendUnavailableError: It is not here, or does not load.
    """
    try:
        return require("tensorrt")
    except BackendUnavailableError as exc:
        raise BackendUnavailableError(exc.what, next_step=f"install it: {INSTALL}") from exc


def short_version(text: str) -> str:
    """Return the first three numbers of a version: what an engine is bound to.

    >>> short_version("10.16.1.11")
    '10.16.1'
    """
    return ".".join(text.split(".")[:3])


def read_engine_document(artifact: Artifact) -> EngineDocument | None:
    """Return what an engine's artifact says of it; None for an engine of someone else, which has no such file."""
    names = [entry.name for entry in artifact.manifest.files]
    if ENGINE_FILE not in names:
        return None
    return EngineDocument.from_json((artifact.path / ENGINE_FILE).read_bytes())


def device_of(artifact: Artifact) -> str:
    """Return the device string that an artifact runs on unless another is named: the processor, for most."""
    if artifact.manifest.format != "tensorrt":
        return "cpu"
    document = read_engine_document(artifact)
    return "gpu" if document is None else document.device


def check_engine(artifact: Artifact, document: EngineDocument, here: EngineFacts) -> None:
    """Raise IncompatibleModelError, with the command that builds it anew, unless an engine was built on such a machine.

    Args:
        artifact: The engine's artifact.
        document: Its ``engine.json``.
        here: This machine.
    """
    differences = document.facts.differences(here)
    if differences:
        raise IncompatibleModelError(
            f"{artifact.manifest.name}: the engine is of another machine", got="; ".join(differences),
            next_step=f"build it here: {rebuild_command(artifact)}",
        )  # fmt: skip


def rebuild_command(artifact: Artifact) -> str:
    """Return the command that builds an engine's artifact anew, from what it was built from and carries with it."""
    place = artifact.path.resolve()
    words: Mapping[str, str] = {"--target": "tensorrt", "--out": str(place.parent)}
    options = " ".join(f"{name} {shlex.quote(value)}" for name, value in words.items())
    return f"edgevision compile {shlex.quote(str(place))} {options} --overwrite"
