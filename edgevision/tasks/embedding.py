"""Embeddings: vectors whose direction says who or what is seen, and a gallery of known ones."""

from __future__ import annotations

import io
import json
import unicodedata
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.errors import ArtifactError, ConfigError, InferenceError, InputError, reason_of
from edgevision.files import atomic_file, user_path
from edgevision.tasks.outputs import Output
from edgevision.tensors import Array, TensorSpec

SCHEMA = 2
UNKNOWN_BELOW = 0.35
"""Cosine under which nobody is recognised, unless told; measure it for a model: `edgevision.metrics.faces`."""

SAME = 1 - 1e-6
"""Cosine from which on two vectors are of one photograph."""

JOINERS = "\u200c\u200d"
"""They say whether the letters beside them are joined, and have no shape of their own."""

_DAMAGES = (ValueError, TypeError, KeyError, AttributeError, EOFError, RuntimeError, zipfile.BadZipFile)
"""What reading a damaged archive raises; RuntimeError where it looks encrypted, or of a method that nobody has."""


def embedding(stored: Array, spec: TensorSpec) -> Array:
    """Return the unit vector of one image, float32 (D,), from a model's output of D values.

    Raises:
        InferenceError: It is NaN, infinite, or all zeros.
    """
    vector: Array = unit(Output(stored, spec).real(stored).reshape(1, -1))[0]
    return vector


def unit(vectors: Array) -> Array:
    """Return vectors (N, D) at length 1, float32; raises InferenceError for one without a direction."""
    wide = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(wide, axis=-1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise InferenceError("embedding: a vector without a direction", got="zeros, NaN or infinity")
    shortened: Array = (wide / lengths).astype(np.float32)
    return shortened


def check_name(name: str) -> None:
    """Raise ConfigError unless a text can be somebody's name: logs, tables and topics have it as it is."""
    if not name.strip(JOINERS) or name != name.strip() or not all(_can_be_printed(character) for character in name):
        raise ConfigError(
            "gallery: a name", got=repr(name), allowed="characters that can be printed, without spaces around them"
        )


def _can_be_printed(character: str) -> bool:
    """Whether a terminal shows it; names are written with wide spaces (Japanese) and joiners (Persian), too."""
    return character.isprintable() or unicodedata.category(character) == "Zs" or character in JOINERS


@dataclass(frozen=True)
class Identity:
    """Who an embedding is taken for.

    Attributes:
        name: The enrolled name; None when nobody is close enough.
        score: Cosine of the angle to the closest enrolled vector, -1 to 1; -1 in an empty gallery.
    """

    name: str | None
    score: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"name": self.name, "score": self.score}


@dataclass(frozen=True)
class VectorSource:
    """What made vectors: those of two sources cannot be compared.

    Attributes:
        model: Name of the embedding model, for people.
        sha256: SHA-256 of its model file.
        preprocessing: Hash of its preprocessing.
        crop: What of an image it was given: "whole", the "box" of a face, or a face brought upright by "landmarks".
    """

    model: str
    sha256: str
    preprocessing: str
    crop: str

    def check(self, other: VectorSource | None, what: str) -> None:
        """Raise InputError unless vectors of another source can be compared with those of this one.

        Args:
            other: The source of ``what``; None when it is unknown.
            what: For the error: the gallery's path.
        """
        mine, theirs = ({**asdict(one), "model": ""} if one is not None else None for one in (self, other))
        if mine == theirs:
            return
        got = "unknown" if other is None else f"{other.model} (sha256 {other.sha256[:12]}…), crop {other.crop}"
        raise InputError(
            f"{what}: its vectors were not made by this model in this way", got=got,
            allowed=f"{self.model} (sha256 {self.sha256[:12]}…), crop {self.crop}",
            next_step="enrol everybody anew: edgevision gallery enrol",
        )  # fmt: skip


class Gallery:
    """Enrolled names with one or more unit vectors each; searched by cosine.

    Attributes:
        names: The name of each vector, in order of enrolment.
        vectors: float32 (N, D).
        source: What made the vectors; None when unknown.
    """

    def __init__(
        self, names: Sequence[str] = (), vectors: Array | None = None, source: VectorSource | None = None
    ) -> None:
        """Make a gallery of vectors (N, D); raises InputError when there are other numbers of names and vectors."""
        given = np.zeros((0, 0), np.float32) if vectors is None else np.asarray(vectors, np.float32)
        if given.ndim != 2 or len(names) != len(given):
            raise InputError("gallery: as many names as vectors [N, D]", got=f"{len(names)} and {list(given.shape)}")
        self.names, self.source = tuple(names), source
        self.vectors = unit(given) if len(given) else given

    def __len__(self) -> int:
        return len(self.names)

    def enrol(self, name: str, vectors: Array) -> Gallery:
        """Return a gallery with more vectors, (D,) or (K, D), for a name, which may be there already.

        A vector that the name has already, as the same photograph gives it, is not added again.

        Raises:
            InputError: The vectors have another length than those that are enrolled.
            ConfigError: No name, see `check_name`.
        """
        check_name(name)
        new = unit(np.atleast_2d(np.asarray(vectors, np.float32)))
        self._check(new)
        new = _distinct(new, [vector for other, vector in zip(self.names, self.vectors, strict=True) if other == name])
        both = np.concatenate([self.vectors, new]) if len(self) else new
        return Gallery([*self.names, *[name] * len(new)], both, self.source)

    def remove(self, name: str) -> Gallery:
        """Return a gallery without a name; raises ConfigError when it is not there."""
        if name not in self.names:
            raise ConfigError("gallery: name", got=name, allowed=sorted(set(self.names)) or "nobody is enrolled")
        kept = [place for place, other in enumerate(self.names) if other != name]
        return Gallery([self.names[place] for place in kept], self.vectors[kept], self.source)

    def identify(self, vectors: Array, threshold: float = UNKNOWN_BELOW) -> list[Identity]:
        """Say who each of some vectors is: the name of the closest enrolled one, if it is close enough.

        Args:
            vectors: (N, D); need not have length 1.
            threshold: Least cosine, -1 to 1.

        Raises:
            ConfigError: A threshold that is no cosine.
            InputError: Vectors of another length than those that are enrolled.
        """
        if not -1 <= threshold <= 1:
            raise ConfigError("gallery: threshold", got=threshold, allowed="-1 to 1")
        asked = unit(np.atleast_2d(np.asarray(vectors, np.float32)))
        if not len(self):
            return [Identity(None, -1.0)] * len(asked)
        self._check(asked)
        cosines = asked @ self.vectors.T
        best = cosines.argmax(axis=1)
        scores = cosines[np.arange(len(asked)), best]
        return [
            Identity(self.names[place] if score >= threshold else None, float(score))
            for place, score in zip(best, scores, strict=True)
        ]

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the gallery as one file, in one step; raises ConfigError for a place that is taken."""
        content = io.BytesIO()
        names = np.array([name.encode() for name in self.names] or [b""], dtype=np.bytes_)
        source = np.frombuffer(json.dumps(None if self.source is None else asdict(self.source)).encode(), np.uint8)
        np.savez(content, schema=np.array(SCHEMA), names=names, vectors=self.vectors, source=source)
        with atomic_file(Path(path), overwrite=overwrite) as file:
            file.write_bytes(content.getvalue())

    @classmethod
    def open(cls, path: str | Path) -> Gallery:
        """Read what `save` wrote; raises ArtifactError when it is damaged, or of a newer edgevision."""
        try:
            content = io.BytesIO(user_path(str(path)).read_bytes())
            if not zipfile.is_zipfile(content):  # what numpy says of it is about pickles
                raise ArtifactError(f"{path}: not a gallery, or damaged (no archive)")
            content.seek(0)
            with np.load(content, allow_pickle=False) as file:
                schema = int(file["schema"])
                if schema > SCHEMA:
                    raise ArtifactError(
                        f"{path}: written by a newer edgevision", got=f"schema {schema}", allowed=f"{SCHEMA}"
                    )
                vectors = file["vectors"]
                names = [name.decode() for name in file["names"]][: len(vectors)]
                said = json.loads(file["source"].tobytes()) if schema > 1 else None  # the first schema did not tell
            source = None if said is None else VectorSource(**said)
            return cls(names, vectors if len(names) else None, source)
        except OSError as exc:
            raise ArtifactError(
                f"{path}: cannot be read: {exc.strerror or reason_of(exc)}",
                next_step="make a gallery: edgevision gallery enrol" if isinstance(exc, FileNotFoundError) else "",
            ) from exc
        except (*_DAMAGES, InputError, InferenceError) as exc:
            raise ArtifactError(f"{path}: not a gallery, or damaged ({reason_of(exc)})") from exc

    def _check(self, vectors: Array) -> None:
        if len(self) and vectors.shape[1] != self.vectors.shape[1]:
            raise InputError(
                "gallery: vectors of another model", got=f"{vectors.shape[1]} values",
                allowed=f"{self.vectors.shape[1]}, as enrolled",
            )  # fmt: skip


def _distinct(new: Array, known: list[Array]) -> Array:
    """Return those of unit vectors (K, D) that are neither among the known ones nor twice among themselves."""
    kept: list[Array] = []
    for vector in new:
        if all(float(vector @ other) < SAME for other in (*known, *kept)):
            kept.append(vector)
    return np.array(kept, np.float32).reshape(-1, new.shape[1])
