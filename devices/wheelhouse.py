"""A folder of wheels for a device: edgevision and all that its base install needs, so that the device needs no network.

pip resolves for the device's platform and Python, but evaluates environment markers (``python_version < "3.11"``) for
the machine that it runs on. So the markers are evaluated here, for the device: of edgevision's own requirements before
pip is asked, of every wheel that came afterwards, until nothing is missing.
"""

from __future__ import annotations

import email
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevision.devices.own_wheel import own_distribution, own_wheel
from edgevision.devices.target import Target
from edgevision.documents import check_fields, check_schema, digest, pretty_json
from edgevision.errors import BackendUnavailableError, ConfigError
from edgevision.files import atomic_directory
from edgevision.optional import require, version

DOCUMENT = "wheelhouse.json"
SCHEMA = 1
TIMEOUT_S = 1800


@dataclass(frozen=True)
class Wheelhouse:
    """Wheels for one kind of device.

    Attributes:
        folder: Where they are.
        target: What they are for.
        wheels: Names of the files: edgevision's own, pip's, and those of what they need.
    """

    folder: Path
    target: Target
    wheels: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Bytes of all wheels."""
        return sum((self.folder / name).stat().st_size for name in self.wheels)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, which is also the document in the folder."""
        return {"schema": SCHEMA, "target": self.target.to_dict(), "wheels": list(self.wheels)}

    @classmethod
    def open(cls, folder: str | Path) -> Wheelhouse:
        """Open a folder that `build_wheelhouse` made.

        Raises:
            ConfigError: It is none, or a wheel is missing.
        """
        import json

        place = Path(folder) / DOCUMENT
        try:
            document = json.loads(place.read_bytes())
        except (OSError, ValueError) as exc:
            raise ConfigError(
                f"{folder} is not a wheelhouse: no {DOCUMENT} that can be read",
                next_step="make one: edgevision devices wheelhouse",
            ) from exc
        check_schema("wheelhouse", document, SCHEMA)
        fields = check_fields("wheelhouse", document, required=("schema", "target", "wheels"))
        wheels = tuple(str(name) for name in fields["wheels"])
        for name in wheels:
            if "/" in name or not (Path(folder) / name).is_file():
                raise ConfigError(f"{folder}: a wheel is missing", got=name, next_step="make the wheelhouse again")
        return cls(Path(folder), Target.from_dict(fields["target"]), wheels)


def build_wheelhouse(target: Target, out: str | Path, *, overwrite: bool = False) -> Wheelhouse:
    """Gather the wheels for a kind of device, from the package index that pip is configured for.

    Args:
        target: The device.
        out: Folder to write; it appears when it is complete.
        overwrite: Whether a wheelhouse that is there may be replaced.

    Raises:
        BackendUnavailableError: pip is not here, the index cannot be reached, or a package has no wheel for the device.
        ConfigError: ``out`` has something in it.
    """
    with atomic_directory(out, overwrite) as folder:
        own_wheel(folder)
        _gather(target, folder)
        wheels = tuple(sorted(path.name for path in folder.glob("*.whl")))
        house = Wheelhouse(Path(out).expanduser().resolve(), target, wheels)
        (folder / DOCUMENT).write_text(pretty_json(house.to_dict()), encoding="utf-8")
    return house


def cached_wheelhouse(target: Target, cache: Path) -> Wheelhouse:
    """Return the wheelhouse for a kind of device from below ``cache``; it is built there the first time.

    Raises as `build_wheelhouse`.
    """
    needs = digest(sorted(own_distribution().requires or ()))[:12]
    folder = cache / "wheelhouses" / f"{target}-{needs}"
    try:
        return Wheelhouse.open(folder)
    except ConfigError:
        return build_wheelhouse(target, folder, overwrite=True)


def _gather(target: Target, folder: Path) -> None:
    """Download what edgevision needs on the target, and pip, which installs it there."""
    asked = ["pip", *(str(need) for need in _needs(own_distribution().requires or (), target))]
    while True:
        with tempfile.TemporaryDirectory() as temporary:
            _download(asked, target, Path(temporary))
            missing = [need for need in _missing(Path(temporary), target) if need not in asked]
            if not missing:
                for wheel in Path(temporary).glob("*.whl"):
                    (folder / wheel.name).write_bytes(wheel.read_bytes())
                return
        asked += missing


def _needs(requirements: Sequence[str], target: Target, extras: Sequence[str] = ()) -> Iterator[Any]:
    """Yield the requirements (packaging's) that hold on the target, without their markers."""
    parse = require("packaging.requirements").Requirement
    for text in requirements:
        need = parse(text)
        environments = [{**target.markers(), "extra": extra} for extra in ("", *extras)]
        if need.marker is None or any(need.marker.evaluate(environment) for environment in environments):
            need.marker = None
            yield need


def _missing(folder: Path, target: Target) -> list[str]:
    """What the wheels in a folder need on the target and do not find among each other."""
    utils = require("packaging.utils")
    wheels = sorted(folder.glob("*.whl"))
    here = dict(utils.parse_wheel_filename(path.name)[:2] for path in wheels)
    missing: dict[str, None] = {}
    for path in wheels:
        for need in _needs(_requirements(path), target):
            version = here.get(utils.canonicalize_name(need.name))
            if version is None or not need.specifier.contains(version, prereleases=True):
                missing[str(need)] = None
    return list(missing)


def _requirements(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name)).get_all("Requires-Dist") or []


def _download(requirements: Sequence[str], target: Target, folder: Path) -> None:
    if version("pip") is None:
        raise BackendUnavailableError("pip is not installed here", next_step="install it: python -m ensurepip")
    platforms = [part for name in target.platforms() for part in ("--platform", name)]
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-input"),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", target.python, *platforms),
        *("--dest", str(folder), *requirements),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as exc:
        raise BackendUnavailableError(f"wheels for {target}: pip was not done within {TIMEOUT_S} s") from exc
    if done.returncode:
        said = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise BackendUnavailableError(
            f"no wheels for {target}: pip says: {(said or ['nothing'])[-1][:200]}",
            next_step="see that the package index can be reached, or make the wheelhouse where it can "
            "(edgevision devices wheelhouse) and name it with --wheelhouse",
        )
