"""CIFAR-10 in its published form, the "python version": a folder of batches or the tar.gz with it.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The batches are pickles; they are read by
an unpickler that knows the three numpy names they use and refuses every other, so a forged file runs nothing.
"""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgevision.data.dataset import ArrayDataset
from edgevision.errors import DatasetError
from edgevision.optional import require

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}


def is_batches_folder(path: Path) -> bool:
    """Tell whether ``path`` is the unpacked folder."""
    return (path / BATCHES["test"][0]).is_file() or (path / BATCHES["train"][0]).is_file()


def read_folder(path: Path, split: str) -> ArrayDataset:
    """Read one split from the unpacked folder."""
    return _dataset(lambda name: (path / name).read_bytes(), split, str(path))


def read_tar(path: Path, split: str) -> ArrayDataset:
    """Read one split from ``cifar-10-python.tar.gz``."""
    try:
        with tarfile.open(path) as archive:
            members = {Path(member.name).name: member for member in archive.getmembers() if member.isfile()}
            return _dataset(lambda name: _member(archive, members[name]), split, path.name)
    except (tarfile.TarError, EOFError) as exc:
        raise DatasetError(f"cannot read {path}: {exc}", next_step="copy the archive again") from exc


def download(split: str) -> ArrayDataset:
    """Fetch the archive once into Keras's cache, check its SHA-256, and read one split.

    Raises:
        DatasetError: no network, or another file came.
        BackendUnavailableError: the ``train`` extra is not installed.
    """
    keras = require("tf_keras")
    try:
        path = keras.utils.get_file("cifar-10-python.tar.gz", URL, file_hash=SHA256, hash_algorithm="sha256")
    except Exception as exc:  # get_file raises bare Exception on network errors and ValueError on a wrong hash
        raise DatasetError(
            f"cannot download CIFAR-10: {exc}", next_step="give --data a folder or archive that is on this machine"
        ) from exc
    return read_tar(Path(path), split)


def _dataset(read: Callable[[str], bytes], split: str, origin: str) -> ArrayDataset:
    import numpy as np

    pixels, targets = [], []
    for name in BATCHES[split]:
        try:
            batch = _Unpickler(io.BytesIO(read(name)), encoding="bytes").load()
            planes = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32)
            classes = np.asarray(batch[b"labels"], np.int64)
        except (OSError, KeyError, EOFError, ValueError, TypeError, pickle.UnpicklingError) as exc:
            raise DatasetError(
                f"{origin}: cannot read {name}: {exc!r}", next_step="unpack the CIFAR-10 archive again"
            ) from exc
        pixels.append(planes.transpose(0, 2, 3, 1))
        targets.append(classes)
    return ArrayDataset(np.ascontiguousarray(np.concatenate(pixels)), np.concatenate(targets), LABELS, origin)


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file else b""


class _Unpickler(pickle.Unpickler):
    _ALLOWED = frozenset(
        (module, name)
        for module in ("numpy.core.multiarray", "numpy._core.multiarray", "numpy")
        for name in ("_reconstruct", "ndarray", "dtype")
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode") or (module, name) in self._ALLOWED:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"a CIFAR-10 batch has no business with {module}.{name}")
