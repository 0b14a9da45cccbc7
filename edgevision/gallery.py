"""A gallery file: people enrolled from photographs, and who is in others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.data.folders import SUFFIXES, image_files
from edgevision.data.images import load_image
from edgevision.detector import Detector
from edgevision.embedder import Embedder
from edgevision.errors import ConfigError, InputError
from edgevision.face_reader import FaceCrop, FaceReader
from edgevision.files import check_file_place, turn_at, user_path
from edgevision.image_model import Progress
from edgevision.tasks.embedding import UNKNOWN_BELOW, Gallery, Identity, check_name


@dataclass(frozen=True)
class Recognized:
    """One face in one image, and whom it is taken for.

    Attributes:
        image: The image's path.
        box: x1, y1, x2, y2 in its pixels.
        face_score: How sure it is that this is a face, 0 to 1.
        identity: The closest one in the gallery, if close enough.
    """

    image: str
    box: tuple[float, float, float, float]
    face_score: float
    identity: Identity

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "image": self.image, "box": [round(value, 1) for value in self.box], "face_score": self.face_score,
            **self.identity.to_dict(),
        }  # fmt: skip


def open_reader(
    model: Artifact, faces: Artifact | None = None, *, runtime: str | None = None, device: str = "cpu"
) -> FaceReader:
    """Load what makes vectors of faces.

    Args:
        model: An embedding model.
        faces: A detector of faces; None where an image is one face.
        runtime: What runs both; None for the first that can.
        device: Where.

    Raises:
        EdgeVisionError: One of them does not load, or is for something else.
    """
    with ExitStack() as opened:
        embedder = opened.enter_context(Embedder(model, runtime=runtime, device=device))
        detector = None if faces is None else opened.enter_context(Detector(faces, runtime=runtime, device=device))
        reader = FaceReader(embedder, detector)
        opened.pop_all()
    return reader


def enrol(
    path: str | Path,
    name: str,
    images: Iterable[str | Path],
    reader: FaceReader,
    *,
    largest: bool = False,
    progress: Progress | None = None,
) -> list[Recognized]:
    """Add the face in each of some photographs to a gallery file under a name; a new file is made where there is none.

    Args:
        path: The gallery's file; it is replaced in one step, or stays as it was.
        name: Who it is; may be enrolled already.
        images: Image files, or folders of them.
        reader: Finds faces and makes vectors.
        largest: Of several faces take the largest; else several are an error.
        progress: Called after each image.

    Returns:
        For each image the face, and the closest one of another name that was enrolled before: a high score there says
        that the two will be taken for each other.

    Raises:
        InputError: An image without a face, or with several; a gallery of another model.
        ArtifactError: The gallery is damaged.
        ConfigError: A name that is none, or is an image file.
        OutputError: The gallery cannot be written.
    """
    path, files = user_path(str(path)), _files(images)
    _check_person(name)
    _open(path, reader)
    check_file_place(path, overwrite=True)
    faces, vectors = [], []
    for done, file in enumerate(files, 1):
        faces.append(_one_face(reader.find(load_image(file)), file, largest))
        vectors.append(reader.vectors([faces[-1].pixels])[0])
        if progress:
            progress(done, len(files))
    with turn_at(path):  # others may have enrolled somebody meanwhile
        gallery = _open(path, reader)
        gallery.enrol(name, np.stack(vectors)).save(path, overwrite=True)
    others = gallery.remove(name) if name in gallery.names else gallery
    closest = others.identify(np.stack(vectors), -1.0)
    return [_recognized(*one) for one in zip(files, faces, closest, strict=True)]


def remove(path: str | Path, name: str) -> int:
    """Take every vector of a name out of a gallery file; returns how many there were.

    Raises:
        ArtifactError: The gallery cannot be read.
        ConfigError: Nobody of that name is in it.
        OutputError: It cannot be written.
    """
    Gallery.open(path).remove(name)  # before a folder is made for it
    with turn_at(path):
        gallery = Gallery.open(path)
        left = gallery.remove(name)
        left.save(path, overwrite=True)
    return len(gallery) - len(left)


def identify(
    path: str | Path,
    images: Iterable[str | Path],
    reader: FaceReader,
    *,
    threshold: float = UNKNOWN_BELOW,
    progress: Progress | None = None,
) -> list[Recognized]:
    """Say who is in images, going by a gallery file; images without a face have no entry.

    Args:
        path: The gallery's file.
        images: Image files, or folders of them.
        reader: Finds faces and makes vectors; it has to be what the gallery was made with.
        threshold: Least cosine, -1 to 1.
        progress: Called after each image.

    Raises:
        InputError: Something is no image; a gallery of another model.
        ArtifactError: The gallery cannot be read.
        ConfigError: A threshold that is no cosine.
    """
    gallery, files = Gallery.open(path), _files(images)
    reader.source.check(gallery.source, str(path))
    made = []
    for done, file in enumerate(files, 1):
        faces = reader.find(load_image(file))
        if faces:
            found = gallery.identify(reader.vectors([face.pixels for face in faces]), threshold)
            made += [_recognized(file, face, identity) for face, identity in zip(faces, found, strict=True)]
        if progress:
            progress(done, len(files))
    return made


def _open(path: Path, reader: FaceReader) -> Gallery:
    gallery = Gallery.open(path) if path.exists() else Gallery(source=reader.source)
    reader.source.check(gallery.source, str(path))
    return gallery


def _check_person(name: str) -> None:
    check_name(name)
    if Path(name).suffix.lower() in SUFFIXES and os.path.isfile(name):  # False for one that is too long, too
        raise ConfigError(
            "gallery: a name", got=f"the image file {name}", allowed="somebody's name, before the images",
            next_step="edgevision gallery enrol GALLERY NAME IMAGES...",
        )  # fmt: skip


def _one_face(faces: Sequence[FaceCrop], file: Path, largest: bool) -> FaceCrop:
    if not faces:
        raise InputError(f"{file}: no face found", next_step="take a photograph from nearer, or leave it out")
    if len(faces) > 1 and not largest:
        raise InputError(
            f"{file}: whose face is it?", got=f"{len(faces)} faces", allowed="one",
            next_step="cut the photograph, or take the largest face: --largest",
        )  # fmt: skip
    return max(faces, key=lambda face: face.side)


def _recognized(file: Path, face: FaceCrop, identity: Identity) -> Recognized:
    left, top, right, bottom = (float(value) for value in face.box)
    return Recognized(str(file), (left, top, right, bottom), round(face.score, 4), identity)


def _files(images: Iterable[str | Path]) -> list[Path]:
    files: list[Path] = []
    for image in map(Path, images):
        found = sorted(file for file in image_files(image) if file.is_file()) if image.is_dir() else [image]
        if not found:
            raise InputError(f"{image}: no images in this folder", allowed=sorted(SUFFIXES))
        files += found
    if not files:
        raise ConfigError("gallery: no images", next_step="name image files or folders")
    return files
