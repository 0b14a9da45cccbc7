"""edgevision's own wheel, packed from what is imported here: no build tool, no checkout and no network is needed.

It holds the very files that run here, whether they were installed from a wheel or belong to a checkout (an editable
installation), with the metadata of the installed distribution. The same files make the same bytes, so that a device
which has them is sent nothing.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import importlib.util
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from edgevision.errors import BackendUnavailableError

NAME = "edgevision"
PACKAGES = (NAME, "edgevision.converters", "edgevision.runtimes", "edgevision.devices")
"""Packages whose folders may be apart: in a checkout they are beside each other, in a wheel below the first."""

METADATA = ("METADATA", "entry_points.txt", "top_level.txt")
WHEEL = "Wheel-Version: 1.0\nGenerator: edgevision\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in it: the earliest that a zip can tell."""


def own_wheel(folder: Path) -> Path:
    """Write the wheel into ``folder`` and return its path.

    Raises:
        BackendUnavailableError: edgevision has no metadata here: it was copied, not installed.
    """
    distribution = own_distribution()
    version = distribution.version
    files = {name: path.read_bytes() for name, path in dict(own_files()).items()}
    info = f"{NAME}-{version}.dist-info"
    for name in METADATA:
        text = distribution.read_text(name)
        if text is not None:
            files[f"{info}/{name}"] = text.encode()
    for path in distribution.files or ():
        if "licenses" in path.parts:
            files[f"{info}/licenses/{path.name}"] = path.read_binary()
    files[f"{info}/WHEEL"] = WHEEL.encode()
    record = "".join(f"{name},{_hash(data)},{len(data)}\n" for name, data in sorted(files.items()))
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    wheel = folder / f"{NAME}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in sorted(files.items(), key=lambda item: (item[0].startswith(info), item[0])):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, data)
    return wheel


def own_distribution() -> importlib.metadata.Distribution:
    """Return what the installation says of edgevision; raises BackendUnavailableError where it is not installed.

    A checkout that is the working directory may hold what a build left there: it has no METADATA and does not count.
    """
    for distribution in importlib.metadata.distributions(name=NAME):
        if distribution.read_text("METADATA") is not None:
            return distribution
    raise BackendUnavailableError(
        "edgevision was copied here, not installed: what it requires is not known", next_step="install it with pip"
    )


def own_files() -> Iterator[tuple[str, Path]]:
    """Yield each file of the package, or some of them twice: its name in the wheel, and where it is."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for root in () if spec is None else spec.submodule_search_locations or ():
            yield from _below(Path(root), package.replace(".", "/"))


def _below(root: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix != ".pyc":
                yield f"{prefix}/{path.relative_to(root).as_posix()}", path


def _hash(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
