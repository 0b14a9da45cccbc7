"""Firmware: an int8 model as C99 for microcontrollers, without dependencies."""

from __future__ import annotations

from edgevision.converters.firmware.generate import Firmware, firmware

__all__ = ["Firmware", "firmware"]
