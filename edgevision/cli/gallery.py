"""``edgevision gallery``: who is known by their face."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command, command_group
from edgevision.cli.options import FloatRange
from edgevision.cli.output import show, table, working

if TYPE_CHECKING:
    from edgevision.face_reader import FaceReader
    from edgevision.gallery import Recognized

GALLERY = click.argument("gallery", type=click.Path(path_type=Path))
IMAGES = click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
PATH = click.Path(path_type=Path)


def reader_options(function: Callable[..., None]) -> Callable[..., None]:
    """``--model --faces --runtime --device``: what makes vectors of faces."""
    for option in (
        click.option("--device", default="cpu", show_default=True, help="Where they run."),
        click.option("--runtime", metavar="NAME", help="What runs both. By default the first runtime here that can."),
        click.option(
            "--faces", metavar="MODEL", type=PATH,
            help="Detector that finds the faces, brought upright by landmarks if it has any. By default an image is "
            "one face.",
        ),
        click.option(
            "--model", "embedder", metavar="MODEL", type=PATH, required=True, help="Embedding model: task embedding."
        ),
    ):  # fmt: skip
        function = option(function)
    return function


@command_group("gallery", "edgevision gallery list people.npz", "edgevision gallery --help")
def gallery() -> None:
    """Enrol people by photographs of their faces, and say who is in others.

    A gallery is one file with a vector for each photograph, and no picture. It says which embedding model made the
    vectors, and is refused with another one.
    """
    click.echo(click.get_current_context().get_help())


@command(
    "enrol",
    "edgevision gallery enrol people.npz Ada ada1.jpg ada2.jpg --model embedder --faces yunet",
    "edgevision gallery enrol people.npz Ada photographs-of-ada --model embedder --faces yunet --largest",
)
@GALLERY
@click.argument("name")
@IMAGES
@reader_options
@click.option("--largest", is_flag=True, help="Of several faces in a photograph take the largest.")
def enrol(gallery: Path, name: str, images: tuple[Path, ...], largest: bool, **reader: Any) -> None:
    """Add the face in each of IMAGES, files or folders, to GALLERY under NAME.

    GALLERY is made where there is none. A photograph that NAME has already adds nothing. The other name that is closest
    to each face is shown: where the score is above the threshold that faces are identified with, the two are taken for
    each other.
    """
    from edgevision.gallery import enrol as enrol_faces

    with working("enrolling") as progress, _reader(**reader) as faces:
        made = enrol_faces(gallery, name, images, faces, largest=largest, progress=progress)
    show(
        {"gallery": str(gallery), "name": name, "enrolled": [one.to_dict() for one in made]},
        table(["image", "face", "closest other", "score"], [
            [one.image, f"{one.face_score:.2f}", one.identity.name or "–", _score(one)] for one in made
        ]),
    )  # fmt: skip


@command("identify", "edgevision gallery identify people.npz door.jpg --model embedder --faces yunet --threshold 0.4")
@GALLERY
@IMAGES
@reader_options
@click.option(
    "--threshold",
    type=FloatRange(-1, 1),
    help="Least cosine to be recognized; measure it for a model.  [default: 0.35]",
)
def identify(gallery: Path, images: tuple[Path, ...], threshold: float | None, **reader: Any) -> None:
    """Say who is in IMAGES, files or folders, going by GALLERY."""
    from edgevision.gallery import identify as identify_faces
    from edgevision.tasks.embedding import UNKNOWN_BELOW

    least = UNKNOWN_BELOW if threshold is None else threshold
    with working("identifying") as progress, _reader(**reader) as faces:
        found = identify_faces(gallery, images, faces, threshold=least, progress=progress)
    rows = [
        [one.image, one.identity.name or "unknown", _score(one), *[f"{value:.0f}" for value in one.box]]
        for one in found
    ]
    show(
        {"gallery": str(gallery), "threshold": least, "faces": [one.to_dict() for one in found]},
        table(["image", "who", "score", "x1", "y1", "x2", "y2"], rows) if rows else "no faces",
    )


@command("list", "edgevision gallery list people.npz")
@GALLERY
def list_(gallery: Path) -> None:
    """Show who is enrolled in GALLERY, with how many photographs, and by which model."""
    from edgevision.tasks.embedding import Gallery

    found = Gallery.open(gallery)
    counts = {name: found.names.count(name) for name in sorted(set(found.names))}
    source = None if found.source is None else vars(found.source)
    model = "an unknown model" if found.source is None else f"{found.source.model}, crop {found.source.crop}"
    text = table(["name", "vectors"], list(counts.items())) if counts else "nobody"
    show({"gallery": str(gallery), "people": counts, "source": source}, f"{text}\nmade by {model}")


@command("remove", "edgevision gallery remove people.npz Ada")
@GALLERY
@click.argument("name")
def remove(gallery: Path, name: str) -> None:
    """Take every vector of NAME out of GALLERY."""
    from edgevision.gallery import remove as remove_name

    removed = remove_name(gallery, name)
    show({"gallery": str(gallery), "removed": removed}, f"{name}: {removed} vector{'s' * (removed != 1)} removed")


for one in (enrol, identify, list_, remove):
    gallery.add_command(one)


def _reader(embedder: Path, faces: Path | None, runtime: str | None, device: str) -> FaceReader:
    from edgevision.cli.models import open_model
    from edgevision.gallery import open_reader

    found = None if faces is None else open_model(faces)
    return open_reader(open_model(embedder), found, runtime=runtime, device=device)


def _score(one: Recognized) -> str:
    return f"{one.identity.score:.3f}" if one.identity.score > -1 else "–"
