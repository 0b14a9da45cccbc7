"""What a TensorRT engine is built like, and which releases of TensorRT can."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from edgevision.documents import check_fields
from edgevision.errors import ArtifactError, ConfigError, IncompatibleModelError, check_choice

INT8_SOURCES = ("qdq", "table", "calibrator")
"""Where TensorRT has int8 ranges from: pairs of QuantizeLinear and DequantizeLinear in the ONNX file, a calibration
table of ours, or its own calibrator on calibration images."""

METHODS = {"qdq": ("min_max", "percentile"), "table": ("min_max", "percentile"), "calibrator": ("min_max", "entropy")}
"""Source of int8 ranges -> how they may be chosen. The other methods of edgevision choose the ends of a range one by
one, and TensorRT's ranges are symmetric."""

Version = tuple[int, int, int]
OLDEST: Version = (8, 5, 0)
STRONG_TYPING: Version = (11, 0, 0)
"""From here on the types in the network decide; builder flags for types and the calibrator are gone (Migrating from
TensorRT 10.x to 11.x)."""
DLA_UNTIL: Version = (10, 7, 99)
DLA_AGAIN: Version = (11, 4, 1)
"""TensorRT 10.7 was the last release with DLA, until 11.4.1 on AGX Orin with JetPack 7.2.2 ("Working with DLA" of
11.4.1)."""


@dataclass(frozen=True)
class EngineSettings:
    """How an engine is built; each has a default.

    Attributes:
        dla: Number of the DLA core that it is for; None for the GPU.
        gpu_fallback: With a DLA: whether layers that it does not have run on the GPU, instead of an error.
        int8_from: Of `INT8_SOURCES`, for int8 schemes; None for what the device needs: "qdq", and "table" for a DLA
            under TensorRT 10 and older, which does not read such pairs.
        sparse_weights: Whether kernels for 2:4 sparsity may be chosen (Ampere and newer).
        workspace_mib: Scratch memory that kernels may use while they are chosen and run; None for all there is.
        timing_cache: A file that keeps what was timed, so that the next build is faster; made when it is not there.
        tensorrt_version: The device's ("10.3"), for a plan; where TensorRT is, its own.
    """

    dla: int | None = None
    gpu_fallback: bool = True
    int8_from: str | None = None
    sparse_weights: bool = False
    workspace_mib: int | None = None
    timing_cache: str | None = None
    tensorrt_version: str | None = None

    def __post_init__(self) -> None:
        if self.dla is not None and (type(self.dla) is not int or not 0 <= self.dla < 16):
            raise ConfigError("dla: number of a core", got=self.dla, allowed="0 or 1, as the module has them")
        if self.int8_from is not None:
            check_choice("int8_from", self.int8_from, INT8_SOURCES)
        if self.workspace_mib is not None and (type(self.workspace_mib) is not int or self.workspace_mib < 1):
            raise ConfigError("workspace_mib", got=self.workspace_mib, allowed="1 or more")
        if self.tensorrt_version is not None:
            parse_version(self.tensorrt_version)
        if self.dla is None and not self.gpu_fallback:
            raise ConfigError("gpu_fallback is for a DLA", next_step="name a core: --dla 0")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> EngineSettings:
        """Read the JSON form; raises ArtifactError."""
        check_fields("engine settings", data, required=tuple(asdict(cls())), error=ArtifactError)
        try:
            return cls(**data)
        except ConfigError as exc:
            raise ArtifactError(f"engine settings: {exc}") from exc


@dataclass(frozen=True)
class Recipe:
    """Settings with everything decided that the ONNX file depends on.

    Attributes:
        scheme: The numeric scheme.
        int8_from: Of `INT8_SOURCES`; None for a float scheme.
        half_in_file: Whether the file's tensors are float16, instead of float32 that a flag makes half.
        settings: The settings.
        method: How ranges were chosen, or are by the calibrator.
    """

    scheme: str
    int8_from: str | None
    half_in_file: bool
    settings: EngineSettings
    method: str = "min_max"

    def check_version(self, version: Version) -> None:
        """Raise IncompatibleModelError unless this release can build it."""
        reason = self.refusal(version)
        if reason is not None:
            raise IncompatibleModelError(
                f"TensorRT {version_text(version)} cannot build this: {reason[0]}", next_step=reason[1]
            )

    def refusal(self, version: Version) -> tuple[str, str] | None:
        """Return why a release cannot build it and what helps, or None."""
        strong = version >= STRONG_TYPING
        if version < OLDEST:
            return f"older than {version_text(OLDEST)}", "flash JetPack 5.1 or newer"
        if strong and self.int8_from in ("table", "calibrator"):
            return "its releases from 11 on have no calibration", "export with --int8-from qdq"
        if self.settings.dla is None:
            return None
        if DLA_UNTIL < version < DLA_AGAIN:
            return "it has no DLA; 10.7 and older have, and 11.4.1 and newer on AGX Orin", "build for the GPU: no --dla"
        if not strong and (self.int8_from == "qdq" or self.half_in_file):
            return (
                "its DLA reads no types and no quantization from the file",
                f"export with --tensorrt-version {version_text(version)}",
            )
        if strong and self.scheme == "float16" and not self.half_in_file:
            return "its DLA takes types from the file alone", f"export with --tensorrt-version {version_text(version)}"
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> Recipe:
        """Read the JSON form; raises ArtifactError."""
        names = ("scheme", "int8_from", "half_in_file", "settings", "method")
        fields: Mapping[str, Any] = check_fields("engine recipe", data, required=names, error=ArtifactError)
        return cls(**{**fields, "settings": EngineSettings.from_dict(fields["settings"])})

    def with_cache(self, timing_cache: str | None) -> Recipe:
        """Return the recipe with another timing cache."""
        return replace(self, settings=replace(self.settings, timing_cache=timing_cache))


def decide(settings: EngineSettings, scheme: str, method: str = "min_max") -> Recipe:
    """Return the recipe of an engine.

    Args:
        settings: What was asked for; ``tensorrt_version`` is the device's, where it is known.
        scheme: ``float32``, ``float16`` or ``static_wi8_ai8``.
        method: How ranges are chosen.

    Raises:
        ConfigError: Options that do not go together, or a DLA whose TensorRT is not known.
        IncompatibleModelError: The release cannot build it.
    """
    int8 = scheme == "static_wi8_ai8"
    if settings.int8_from is not None and not int8:
        raise ConfigError("int8_from is for int8", got=scheme, allowed="static_wi8_ai8")
    version = None if settings.tensorrt_version is None else parse_version(settings.tensorrt_version)
    if settings.dla is not None:
        if scheme == "float32":
            raise ConfigError("a DLA computes in float16 and int8", got=scheme, allowed=("float16", "static_wi8_ai8"))
        if version is None:
            raise ConfigError(
                "for a DLA it has to be known which TensorRT builds: 10 and older calibrate, 11 reads the file",
                next_step="say the device's (dpkg -l tensorrt there): --tensorrt-version 10.3",
            )
    weak = version is not None and version < STRONG_TYPING
    source = (settings.int8_from or ("table" if settings.dla is not None and weak else "qdq")) if int8 else None
    if source is not None:
        check_choice(f"calibration_method with int8 from {source}", method, METHODS[source])
    if source == "calibrator" and settings.dla is not None and method != "entropy":
        raise ConfigError("calibration_method of TensorRT's calibrator for a DLA", got=method, allowed="entropy")
    recipe = Recipe(scheme, source, scheme == "float16" and not (settings.dla is not None and weak), settings, method)
    if version is not None:
        recipe.check_version(version)
    return recipe


def parse_version(text: str) -> Version:
    """Read a release as NVIDIA writes it: "10.3.0.26", "8.6", or the number of the headers, 8601 or 100300.

    Raises:
        ConfigError: It is none of that.

    >>> parse_version("8601"), parse_version("100300"), parse_version("11.4.0.106")
    ((8, 6, 1), (10, 3, 0), (11, 4, 0))
    """
    found = re.fullmatch(r"(\d{1,2})(?:\.(\d{1,2})(?:\.(\d{1,2})(?:[.-]\d[\w.+-]*)?)?)?", text)
    if found:
        return int(found[1]), int(found[2] or 0), int(found[3] or 0)
    if re.fullmatch(r"\d{4,6}", text):
        number, unit = int(text), 10_000 if len(text) > 4 else 1_000
        return number // unit, number % unit // 100, number % 100
    raise ConfigError("a release of TensorRT", got=text, allowed="numbers, such as 10.3")


def version_number(version: Version) -> int:
    """Return a release as the headers have it (NV_TENSORRT_VERSION): 8601, 100300."""
    unit = 10_000 if version[0] >= 10 else 1_000
    return version[0] * unit + version[1] * 100 + version[2]


def version_text(version: Version) -> str:
    """Return a release as people write it."""
    return ".".join(map(str, version))
