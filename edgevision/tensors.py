"""Tensors as a model file states them: names, shapes, dtypes, layouts, and the step between stored and real values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevision.documents import check_fields
from edgevision.errors import ConfigError, InputError, check_choice

Array = NDArray[Any]

DTYPES = ("float32", "float16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "bool")


@dataclass(frozen=True)
class QuantParams:
    """How stored integers map to real values: ``real = scale · (stored - zero_point)``.

    Attributes:
        scale: One positive value (per-tensor), or one for each index along ``axis`` (per-channel).
        zero_point: The stored value that means 0.0; as many as scales.
        axis: The axis that the scales run along; None for per-tensor.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None = None

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "scale", tuple(float(value) for value in self.scale))
            object.__setattr__(self, "zero_point", tuple(index(value) for value in self.zero_point))
            object.__setattr__(self, "axis", None if self.axis is None else index(self.axis))
        except (TypeError, ValueError) as exc:
            raise ConfigError(f"quantization: scales are numbers, zero points and the axis integers ({exc})") from exc
        if not self.scale or len(self.scale) != len(self.zero_point):
            raise ConfigError(
                "quantization: as many scales as zero points, at least one",
                got=f"{len(self.scale)} scales and {len(self.zero_point)} zero points",
            )
        for value in self.scale:
            if not (math.isfinite(value) and value > 0):
                raise ConfigError("quantization: a scale is positive and finite", got=value)
        if self.axis is None and len(self.scale) != 1:
            raise ConfigError("quantization: several scales need an axis", got=f"{len(self.scale)} scales, axis None")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"scale": list(self.scale), "zero_point": list(self.zero_point), "axis": self.axis}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> QuantParams:
        """Read the JSON form; raises ConfigError."""
        data = check_fields("quantization", data, required=("scale", "zero_point"), optional=("axis",))
        return cls(tuple(data["scale"]), tuple(data["zero_point"]), data.get("axis"))


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a model, as the model file has it.

    Attributes:
        name: Name in the model; a label, not an address (order is).
        shape: Length of each axis; None where it is open.
        dtype: numpy name of the stored type.
        layout: One letter per axis ("NHWC", "NCHW", "NC"); "" when unknown. Declared, never guessed.
        quant: How stored integers map to real values; None when they are the values.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    layout: str = ""
    quant: QuantParams | None = None

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "shape", tuple(None if size is None else index(size) for size in self.shape))
        except TypeError as exc:
            raise ConfigError(f"tensor {self.name}: a shape has integers", got=repr(self.shape)) from exc
        check_choice(f"tensor {self.name}: dtype", self.dtype, DTYPES)
        if any(size is not None and size < 0 for size in self.shape):
            raise ConfigError(f"tensor {self.name}: a length is negative", got=list(self.shape))
        if self.layout and (len(self.layout) != len(self.shape) or len(set(self.layout)) != len(self.layout)):
            raise ConfigError(
                f"tensor {self.name}: a layout has one letter per axis", got=f"{self.layout} for {list(self.shape)}"
            )
        if self.quant is not None:
            self._check_quant(self.quant)

    def _check_quant(self, quant: QuantParams) -> None:
        if not self.is_integer:
            raise ConfigError(f"tensor {self.name}: only integers are quantized", got=self.dtype)
        low, high = integer_range(self.dtype)
        for zero_point in quant.zero_point:
            if not low <= zero_point <= high:
                raise ConfigError(f"tensor {self.name}: zero point out of range of {self.dtype}", got=zero_point)
        if quant.axis is None:
            return
        if not 0 <= quant.axis < len(self.shape) or self.shape[quant.axis] not in (None, len(quant.scale)):
            raise ConfigError(
                f"tensor {self.name}: one scale per index along the quantized axis",
                got=f"{len(quant.scale)} scales, axis {quant.axis} of {list(self.shape)}",
            )

    @property
    def is_integer(self) -> bool:
        """Whether stored values are integers (bool is not)."""
        return "int" in self.dtype

    def length(self, axis: str) -> int | None:
        """Return the length of the axis with this letter; None when it is open; ConfigError when there is none."""
        if axis not in self.layout:
            raise ConfigError(f"tensor {self.name}: no axis {axis}", got=f"layout {self.layout!r}")
        return self.shape[self.layout.index(axis)]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "layout": self.layout,
            "quant": None if self.quant is None else self.quant.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TensorSpec:
        """Read the JSON form; raises ConfigError."""
        fields = ("name", "shape", "dtype", "layout")
        data = check_fields("tensor", data, required=fields, optional=("quant",))
        quant = data.get("quant")
        return cls(
            str(data["name"]),
            tuple(data["shape"]),
            str(data["dtype"]),
            str(data["layout"]),
            None if quant is None else QuantParams.from_dict(quant),
        )


def integer_range(dtype: str) -> tuple[int, int]:
    """Return the smallest and largest value of an integer dtype."""
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def quantize(values: Array, spec: TensorSpec) -> Array:
    """Turn real values into what ``spec`` stores.

    ``clip(round_half_even(value / scale) + zero_point)`` in float64, then the cast; infinities saturate. A float
    spec only changes the dtype. A runtime's own QUANTIZE operator may differ by one step on ties.

    Args:
        values: Real values of any float or integer dtype; for a per-channel spec, the axes of ``spec.shape``.
        spec: The tensor to store into.

    Returns:
        A new array of ``spec.dtype`` with the shape of ``values``.

    Raises:
        InputError: A value is NaN.
        ConfigError: An integer spec without quantization parameters.

    >>> spec = TensorSpec("x", (3,), "int8", "", QuantParams((0.01,), (0,)))
    >>> quantize(np.array([0.025, 1.284, -9.0]), spec).tolist()
    [2, 127, -128]
    """
    real = np.asarray(values, dtype=np.float64)
    if np.isnan(real).any():
        raise InputError(f"tensor {spec.name}: values are NaN", got=f"{int(np.isnan(real).sum())} of {real.size}")
    if not spec.is_integer:
        return real.astype(spec.dtype)
    scale, zero_point = _along_axis(spec, real.ndim)
    low, high = integer_range(spec.dtype)
    stored: Array = np.clip(np.rint(real / scale) + zero_point, low, high).astype(spec.dtype)
    return stored


def dequantize(stored: Array, spec: TensorSpec) -> Array:
    """Turn stored values into real ones: widened first, then ``scale · (stored - zero_point)``.

    Returns:
        A new float32 array of the same shape; a float spec is only widened (or narrowed) to float32.

    Raises:
        ConfigError: An integer spec without quantization parameters.

    >>> spec = TensorSpec("x", (2,), "int8", "", QuantParams((0.5,), (-128,)))
    >>> dequantize(np.array([-128, 127], np.int8), spec).tolist()
    [0.0, 127.5]
    """
    if not spec.is_integer:
        return np.array(stored, dtype=np.float32)
    scale, zero_point = _along_axis(spec, np.ndim(stored))
    return ((np.asarray(stored, dtype=np.float64) - zero_point) * scale).astype(np.float32)


def _along_axis(spec: TensorSpec, ndim: int) -> tuple[Array, Array]:
    if spec.quant is None:
        raise ConfigError(f"tensor {spec.name}: {spec.dtype} without scale and zero point has no real values")
    scale = np.array(spec.quant.scale, dtype=np.float64)
    zero_point = np.array(spec.quant.zero_point, dtype=np.float64)
    if spec.quant.axis is None:
        return scale[0], zero_point[0]
    shape = [1] * ndim
    shape[spec.quant.axis] = len(scale)
    return scale.reshape(shape), zero_point.reshape(shape)


def check_tensor(array: Any, spec: TensorSpec) -> None:
    """Raise InputError unless ``array`` has exactly the dtype and shape of ``spec`` (open axes take any length)."""
    if not isinstance(array, np.ndarray):
        raise InputError(f"tensor {spec.name}: not a numpy array", got=type(array).__name__)
    fits = len(array.shape) == len(spec.shape) and all(
        want is None or have == want for have, want in zip(array.shape, spec.shape, strict=True)
    )
    if not fits or array.dtype != spec.dtype:
        raise InputError(
            f"tensor {spec.name}: wrong shape or dtype",
            got=f"{array.dtype} {list(array.shape)}",
            allowed=f"{spec.dtype} {['any' if size is None else size for size in spec.shape]}".replace("'", ""),
        )
