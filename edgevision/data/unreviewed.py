"""What a model said of images that nobody looked at: kept apart from labels, so that nobody learns from it unknowingly.

The pipeline's capture (`edgevision.pipeline.capture`) writes frames below ``images/`` with YOLO's texts below
``unreviewed/``, and cuttings below ``unreviewed/LABEL/``. Either is read as images without labels. Whoever looked at a
text moves it to ``labels/``; whoever looked at a cutting, to ``train/LABEL/`` or ``test/LABEL/``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

UNREVIEWED = "unreviewed"
_PARTS = frozenset(("images", UNREVIEWED))


def are_unlabelled(images: Sequence[str]) -> bool:
    """Say whether images, by their names in a store, have no labels by their place.

    >>> are_unlabelled(["1.png"]), are_unlabelled(["images/gate/1.webp", "unreviewed/car/2.webp"])
    (True, True)
    >>> are_unlabelled(["cat/1.png"]), are_unlabelled(["unreviewed/car/2.webp", "train/car/1.webp"])
    (False, False)
    """
    paths = [PurePosixPath(name) for name in images]
    return all(len(path.parts) == 1 for path in paths) or all(path.parts[0] in _PARTS for path in paths)


def refusal(labels: Collection[str]) -> str | None:
    """Return what to do about folders that are no classes; None where these labels may be classes."""
    if UNREVIEWED in labels:
        return (
            f"what is in {UNREVIEWED}/ are a model's answers: look at them and move those that are right to "
            f"train/LABEL/ or test/LABEL/; to take them as they are all the same, name the folder {UNREVIEWED}/ itself"
        )
    if set(labels) == {"images"}:
        return f"label them: move the texts from {UNREVIEWED}/ to labels/ when you have looked at them"
    return None
