"""Fixed-point arithmetic as TFLite Micro does it: multipliers, and the functions that tables are made of.

Multiplication by a real number is one by a 32-bit integer and a power of two, rounded after each (Jacob et al.,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018). Exponentials
follow gemmlowp's fixed-point polynomials, whose every bit the tables have to share.
"""

from __future__ import annotations

import math

ROUNDINGS = ("tflite-micro", "litert")
"""Whose rounding the results have: TFLite Micro's, twice everywhere, or that of LiteRT's reference kernels."""

INT32_MAX = (1 << 31) - 1
INT32_MIN = -(1 << 31)

_BARREL = (
    (-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242),
)  # fmt: skip
"""exp(-2^n) in 31 fractional bits."""


def multiplier_of(real: float) -> tuple[int, int]:
    """Return (multiplier, shift) with ``real ≈ multiplier · 2^(shift - 31)``; the multiplier has 31 bits, or is 0.

    >>> multiplier_of(0.5)
    (1073741824, 0)
    """
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = round_away(fraction * (1 << 31))
    if multiplier == 1 << 31:
        multiplier, shift = multiplier // 2, shift + 1
    if shift < -31:
        return 0, 0
    return (INT32_MAX, 30) if shift > 30 else (multiplier, shift)


def round_away(value: float) -> int:
    """Return the nearest integer; ties go away from zero."""
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def scaled(value: int, multiplier: int, shift: int) -> int:
    """Return ``value · multiplier · 2^(shift - 31)``, rounded twice, as the generated C does."""
    left = wrapped(value << max(shift, 0))
    return divided(product(left, multiplier), max(-shift, 0))


def scaled_once(value: int, multiplier: int, shift: int) -> int:
    """Return ``value · multiplier · 2^(shift - 31)``, rounded once; ties go up.

    >>> scaled(-3, 1 << 30, 0), scaled_once(-3, 1 << 30, 0)
    (-1, -1)
    >>> scaled(5, 1 << 30, -1), scaled_once(5, 1 << 30, -1)
    (2, 1)
    """
    return (value * multiplier + (1 << (30 - shift))) >> (31 - shift)


def wrapped(value: int) -> int:
    """Return the low 32 bits as a signed number."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def product(a: int, b: int) -> int:
    """Return ``a · b · 2^-31``, rounded."""
    return min((a * b + (1 << 30)) >> 31, INT32_MAX)


def divided(value: int, power: int) -> int:
    """Return ``value · 2^-power``, rounded; ties go away from zero."""
    mask = (1 << power) - 1
    return (value >> power) + ((value & mask) > (mask >> 1) + (value < 0))


def multiplied(value: int, power: int) -> int:
    """Return ``value · 2^power``, saturated."""
    return max(INT32_MIN, min(INT32_MAX, value << power))


def exponential(raw: int, integer_bits: int) -> int:
    """Return exp of a fixed-point number up to 0 with so many integer bits, in 31 fractional bits."""
    if raw == 0:
        return INT32_MAX
    fractional = 31 - integer_bits
    quarter = 1 << (fractional - 2)
    rest = (raw & (quarter - 1)) - quarter
    result = _exponential_of_quarter(multiplied(rest, integer_bits))
    remainder = rest - raw
    for exponent, factor in _BARREL:
        if integer_bits > exponent and remainder & (1 << (fractional + exponent)):
            result = product(result, factor)
    return result


def _exponential_of_quarter(raw: int) -> int:
    """exp between -1/4 and 0: a Taylor polynomial around -1/8."""
    x = raw + (1 << 28)
    square = product(x, x)
    cube, fourth = product(square, x), product(square, square)
    tail = divided(product(divided(fourth, 2) + cube, 715827883) + square, 1)
    return 1895147668 + product(1895147668, x + tail)


def reciprocal(raw: int) -> int:
    """Return 1 / (1 + x) for a number from 0 to 1, both in 31 fractional bits."""
    return multiplied(_twice_reciprocal(raw), 1)


def _twice_reciprocal(raw: int) -> int:
    """Return 2 / (1 + x) in 29 fractional bits, by three steps of Newton's method."""
    half = (raw + INT32_MAX + 1) // 2
    guess = 1515870810 + product(half, -1010580540)
    for _ in range(3):
        guess += multiplied(product(guess, (1 << 29) - product(half, guess)), 2)
    return guess


def logistic(raw: int) -> int:
    """Return 1 / (1 + exp(-x)) of a number with four integer bits, in 31 fractional bits."""
    if raw == 0:
        return 1 << 30
    positive = reciprocal(exponential(-abs(raw), 4))
    return positive if raw > 0 else INT32_MAX - positive


def hyperbolic_tangent(raw: int) -> int:
    """Return tanh of a number with four integer bits, in 31 fractional bits."""
    if raw == 0:
        return 0
    # (1 - e) / (1 + e) of e = exp(-2|x|).
    result = multiplied(_twice_reciprocal(exponential(-abs(raw), 5)) - (1 << 29), 2)
    return result if raw > 0 else -result
