"""An artifact: one model in one format, in a directory with its manifest and golden samples."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from edgevision.documents import digest
from edgevision.errors import ArtifactError, ConfigError
from edgevision.files import atomic_directory, atomic_file, deflated_bytes, sha256_file
from edgevision.golden import Golden
from edgevision.magic import check_format, detect_format
from edgevision.manifest import MANIFEST, FileEntry, Manifest, check_file_name
from edgevision.preprocessing import Preprocessing


@dataclass(frozen=True)
class Artifact:
    """One model in one format, with what is known about it.

    Attributes:
        path: The directory that the manifest's file names are relative to.
        manifest: What is known about the model.
        bare: True for a model file of someone else, described in memory only.
    """

    path: Path
    manifest: Manifest
    bare: bool = False

    @property
    def model_file(self) -> Path:
        """The file that a runtime is given (OpenVINO: the .xml)."""
        return self.path / self.manifest.files[0].name

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that the manifest lists."""
        return tuple(self.path / entry.name for entry in self.manifest.files)

    @property
    def model_files(self) -> tuple[Path, ...]:
        """The files that make the model: `model_file`, and those of the same stem beside it (.xml and .bin)."""
        return tuple(self.path / entry.name for entry in self._model_entries())

    def _model_entries(self) -> tuple[FileEntry, ...]:
        first = PurePosixPath(self.manifest.files[0].name)
        names = [PurePosixPath(entry.name) for entry in self.manifest.files]
        both = zip(names, self.manifest.files, strict=True)
        return tuple(entry for name, entry in both if (name.parent, name.stem) == (first.parent, first.stem))

    @property
    def bytes(self) -> int:
        """Bytes of the model's files; golden samples and histories are not counted."""
        return sum(entry.bytes for entry in self._model_entries())

    @property
    def deflated_bytes(self) -> int:
        """Bytes of the model's files when each is deflated; see `edgevision.files.deflated_bytes`."""
        return deflated_bytes(self.model_files)

    @property
    def sha256(self) -> str:
        """SHA-256 of the model: of its file, or where it has several (.xml and .bin) of the table of their hashes."""
        entries = self._model_entries()
        return entries[0].sha256 if len(entries) == 1 else digest({entry.name: entry.sha256 for entry in entries})

    @classmethod
    def open(cls, path: str | Path, check_hashes: bool = True) -> Artifact:
        """Open an artifact directory (or the manifest in it), and check that it is whole.

        Args:
            path: The directory, or its manifest.json.
            check_hashes: Whether to read every file and compare its hash; sizes are always compared.

        Raises:
            ArtifactError: It is no artifact, has a newer schema, or a file is missing, cut off or changed.
        """
        root = _root(Path(path))
        try:
            manifest = Manifest.from_json((root / MANIFEST).read_bytes())
        except ArtifactError as exc:
            raise ArtifactError(f"{root}: {exc}") from exc
        except OSError as exc:
            raise ArtifactError(f"{root / MANIFEST}: cannot be read ({exc.strerror})") from exc
        for entry in manifest.files:
            _check_file(root, entry, check_hashes)
        check_format(root / manifest.files[0].name, manifest.format)
        return cls(root, manifest)

    @classmethod
    def describe(
        cls,
        bare_file: str | Path,
        *,
        preprocessing: Preprocessing | None = None,
        labels: Sequence[str] | None = None,
        task: str | None = None,
        **known: Any,
    ) -> Artifact:
        """Describe a model file that edgevision did not make; what is not given stays unknown.

        Args:
            bare_file: The file; its format is read from its content. An OpenVINO .xml brings the .bin beside it.
            preprocessing: How an image becomes the input.
            labels: Class names in the order of the outputs.
            task: "classification", ….
            known: Other fields of the `Manifest`.

        Raises:
            ArtifactError: It is not a model file, or is damaged.
        """
        path = Path(bare_file)
        format_ = detect_format(path)
        parts = [path, path.with_suffix(".bin")] if format_ == "openvino" else [path]
        entries = tuple(_entry(part.name, part) for part in parts)
        texts = None if labels is None else tuple(labels)
        facts = {"name": path.stem, "task": task, "labels": texts, "preprocessing": preprocessing, **known}
        return cls(path.parent, Manifest(format=format_, files=entries, **facts), bare=True)

    def golden(self) -> Golden | None:
        """Read the golden samples; None when the artifact has none; raises ArtifactError when they are damaged."""
        return None if self.manifest.golden is None else Golden.read(self.path, self.manifest.golden)

    def update(self, *, golden: Golden | None = None, **manifest_changes: Any) -> Artifact:
        """Return the artifact with some fields of its manifest, or its golden samples, replaced on disk in one step.

        Raises:
            ConfigError: A field that the manifest does not have, or an artifact that is only described.
            OutputError: It could not be written.
        """
        if self.bare:
            raise ConfigError(f"{self.model_file}: a bare model file has no manifest", next_step="adopt it first")
        if "files" in manifest_changes:
            raise ConfigError("the files of an artifact are not changed one by one", next_step="write a new artifact")
        try:
            manifest = replace(self.manifest, **manifest_changes)
        except TypeError as exc:
            raise ConfigError(f"manifest: {exc}") from exc
        if golden is None:
            text = manifest.to_json()
            with atomic_file(self.path / MANIFEST, overwrite=True) as file:
                file.write_text(text, encoding="utf-8")
            return replace(self, manifest=Manifest.from_json(text))
        kept = {e.name: self.path / e.name for e in manifest.files if not e.name.startswith("golden/")}
        return write_artifact(self.path, _fields(manifest), kept, golden, overwrite=True)


def write_artifact(
    out_dir: str | Path,
    manifest_fields: Mapping[str, Any],
    files: Mapping[str, bytes | Path],
    golden: Golden | None = None,
    overwrite: bool = False,
) -> Artifact:
    """Write an artifact directory in one step: a killed program leaves the old one or the new one.

    Args:
        out_dir: The directory to make.
        manifest_fields: Fields of `Manifest`, without ``files`` and ``golden``.
        files: Name inside the artifact -> bytes, or a file to copy. The first is the model file.
        golden: Samples with expected outputs.
        overwrite: Whether an artifact that is there may be replaced.

    Raises:
        ConfigError: ``out_dir`` is taken, or a field makes no sense.
        ArtifactError: The model file is not of the stated format.
        OutputError: It could not be written.
    """
    unexpected = {"files", "golden"} & set(manifest_fields)
    if unexpected:
        raise ConfigError("write_artifact: fields that it works out itself", got=", ".join(sorted(unexpected)))
    for name in files:
        check_file_name(name)
    with atomic_directory(out_dir, overwrite) as folder:
        for name, content in files.items():
            _put(folder / name, content)
        table = None if golden is None else golden.write(folder)
        written = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        names = [*files, *(name for name in written if name not in files)]
        entries = tuple(_entry(name, folder / name) for name in names)
        manifest = Manifest(**{**manifest_fields, "files": entries, "golden": table})
        check_format(folder / names[0], manifest.format)
        text = manifest.to_json()
        (folder / MANIFEST).write_text(text, encoding="utf-8")
    return Artifact(Path(out_dir), Manifest.from_json(text))


def _fields(manifest: Manifest) -> dict[str, Any]:
    return {name: value for name, value in vars(manifest).items() if name not in ("files", "golden")}


def _put(target: Path, content: bytes | Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        shutil.copyfile(content, target)
    else:
        target.write_bytes(content)


def _entry(name: str, path: Path) -> FileEntry:
    return FileEntry(name, sha256_file(path), path.stat().st_size)


def _root(path: Path) -> Path:
    """The directory of an artifact, or an error that says what ``path`` is instead."""
    try:
        if path.name == MANIFEST and path.is_file():
            return path.parent
        if path.is_dir():
            if (path / MANIFEST).is_file():
                return path
            raise ArtifactError(
                f"{path}: not an artifact", got=f"a directory without {MANIFEST}",
                next_step="name a folder that convert, quantize or adopt wrote, or a model file",
            )  # fmt: skip
        exists = path.exists()
    except (OSError, ValueError) as exc:
        raise ArtifactError(f"{path}: cannot be read ({getattr(exc, 'strerror', None) or exc})") from exc
    if not exists:
        raise ArtifactError(
            f"{path}: no such artifact",
            next_step="name a folder that convert, quantize or adopt wrote, or a model file",
        )
    raise ArtifactError(
        f"{path}: not an artifact, which is a directory with {MANIFEST}",
        next_step="describe a bare model file first: edgevision adopt (Artifact.describe)",
    )


def _check_file(root: Path, entry: FileEntry, check_hash: bool) -> None:
    path = root / entry.name
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            raise ArtifactError(f"{path}: a link that leaves the artifact")
        if not path.is_file():
            raise ArtifactError(f"{path}: missing, but the manifest lists it")
        size = path.stat().st_size
        if size != entry.bytes:
            raise ArtifactError(f"{path}: cut off or changed", got=f"{size} bytes", allowed=f"{entry.bytes} bytes")
        if check_hash and (found := sha256_file(path)) != entry.sha256:
            raise ArtifactError(f"{path}: changed since it was made", got=f"sha256 {found[:12]}…", allowed=entry.sha256)
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be read ({exc.strerror})") from exc
