"""TensorRT's calibration table: the text that its int8 calibrators write and read, and ``trtexec --calib`` takes.

    TRT-8601-EntropyCalibration2
    image: 3c010a14
    stem_conv/Relu:0: 3d2f1aa0

The first line has the release and the calibrator; it is not read by another calibrator, or another release. Then
each tensor of the network with its scale, as the eight hexadecimal digits of a big-endian float32: the largest
magnitude that is kept, divided by 127 (TensorRT's sample sampleINT8; NVIDIA's own QDQ translator for DLA writes the
same).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from edgevision.converters.tensorrt.settings import Version, parse_version, version_number
from edgevision.errors import CalibrationError, ConfigError

ENTROPY, MIN_MAX = "EntropyCalibration2", "MinMaxCalibration"
LEVELS = 127
_HEADER = re.compile(r"TRT-([\d.]+)-(\w+)")
_ROW = re.compile(r"(.+): ([0-9a-fA-F]{1,8})")  # a tensor's name may have colons


@dataclass(frozen=True)
class CalibrationTable:
    """A calibration table.

    Attributes:
        scales: Tensor -> the real value of one step.
        version: The release that it is for.
        calibrator: The calibrator that it is of.
    """

    scales: Mapping[str, float]
    version: Version
    calibrator: str = ENTROPY

    @classmethod
    def of_ranges(cls, ranges: Mapping[str, tuple[float, float]], version: Version) -> CalibrationTable:
        """Make a table of the ranges that tensors take; one that is always 0 gets a step of 1/127."""
        scales = {}
        for name, (low, high) in ranges.items():
            largest = max(abs(low), abs(high))
            scales[name] = _float32((largest if largest > 0 else 1.0) / LEVELS)
        return cls(scales, version)

    def to_text(self) -> str:
        """Return the text of the file."""
        rows = (f"{name}: {struct.pack('>f', scale).hex()}" for name, scale in self.scales.items())
        return "\n".join((f"TRT-{version_number(self.version)}-{self.calibrator}", *rows)) + "\n"

    @classmethod
    def parse(cls, text: str) -> CalibrationTable:
        """Read the text of a file.

        Raises:
            CalibrationError: It is no calibration table, or a scale in it is not a positive number.
        """
        first, *rows = text.splitlines() or [""]
        header = _HEADER.fullmatch(first.strip())
        if header is None:
            raise CalibrationError("not a calibration table of TensorRT", got=repr(first[:60]), allowed="TRT-…")
        try:
            version = parse_version(header[1])
        except ConfigError as exc:
            raise CalibrationError(f"calibration table: {exc}") from exc
        scales = {}
        for number, row in enumerate(rows, 2):
            if not row.strip():
                continue
            found = _ROW.fullmatch(row.strip())
            if found is None:
                raise CalibrationError(f"calibration table, line {number}", got=repr(row[:60]), allowed="NAME: HEX")
            scales[found[1]] = _scale(found[2], number)
        return cls(scales, version, header[2])


def _float32(value: float) -> float:
    """Return the float32 next to a value, at least the smallest that is not denormal."""
    (rounded,) = struct.unpack(">f", struct.pack(">f", max(value, 1.1754944e-38)))
    return float(rounded)


def _scale(digits: str, line: int) -> float:
    (value,) = struct.unpack(">f", bytes.fromhex(digits.zfill(8)))
    if not 0 < value < float("inf"):
        raise CalibrationError(f"calibration table, line {line}: a scale", got=value, allowed="above 0")
    return float(value)
