"""Energy that a machine says it took: RAPL counters of processors, and power sensors of boards.

Three things are read, each in the kernel's own format: powercap (Documentation/power/powercap/powercap.rst), hwmon
(Documentation/hwmon/sysfs-interface.rst: INA219/226/3221 on newer Jetsons and add-on boards), and the IIO files of
NVIDIA's older ina3221x driver. A sensor belongs to a whole package or rail, not to a process. Where several rails are
measured and none is known to feed the whole board, nothing is added up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgevision.devices.cpu import read_text

WHOLE_BOARD = ("VDD_IN", "POM_5V_IN", "SYS5V", "VIN_SYS_5V0")
"""Rails that feed a whole board, as NVIDIA's device trees label them."""


@dataclass(frozen=True)
class Counter:
    """A counter of energy, in microjoules, that starts anew after ``range_uj``."""

    name: str
    file: Path
    range_uj: int | None


@dataclass(frozen=True)
class Power:
    """A sensor of power: one file in microwatts or milliwatts, or two whose product is: millivolts and milliamperes."""

    name: str
    files: tuple[Path, ...]
    to_watts: float


class EnergyMeter:
    """What was taken between one reading and the next.

    Attributes:
        source: What is measured ("package-0", "rail VDD_IN"); None where nothing can be.
        absent: Why nothing can be measured; None where something can.
    """

    def __init__(self, root: str | Path = "/") -> None:
        """Look for sensors in the file system ``root``."""
        root = Path(root)
        counters, unreadable = _counters(root)
        self._counters = counters
        self._power, several = (None, "") if counters else _whole_board(root)
        names = [counter.name for counter in counters] or ([f"rail {self._power.name}"] if self._power else [])
        self.source = " + ".join(names) or None
        self.absent = None if self.source else (unreadable or several or "not exposed")
        self._last = [_integer(counter.file) for counter in counters]

    def taken_j(self, seconds: float) -> float | None:
        """Return the joules since the last call, which was ``seconds`` ago; None where nothing tells.

        A power sensor has no memory: it is read now, and taken to have said the same since the last call.
        """
        if self._power is not None:
            values = [_integer(file) for file in self._power.files]
            watts = self._power.to_watts
            for value in values:
                if value is None:
                    return None
                watts *= value
            return watts * seconds
        now = [_integer(counter.file) for counter in self._counters]
        before, self._last = self._last, now
        total = 0.0
        for counter, old, new in zip(self._counters, before, now, strict=True):
            if old is None or new is None or (new < old and counter.range_uj is None):
                return None
            total += (new - old if new >= old else new - old + (counter.range_uj or 0)) / 1e6
        return total if self._counters else None


def _counters(root: Path) -> tuple[list[Counter], str]:
    """The processor packages of RAPL; and what is said where they are there and may not be read."""
    found, unreadable = [], ""
    for zone in sorted(root.glob("sys/class/powercap/intel-rapl:*")):
        name = read_text(zone / "name").strip()
        if not name.startswith("package"):  # parts of a package, and "psys", which holds the packages too
            continue
        if _integer(zone / "energy_uj") is None:
            unreadable = f"{name} has a counter (RAPL) that this user may not read"
        else:
            found.append(Counter(name, zone / "energy_uj", _integer(zone / "max_energy_range_uj")))
    return ([] if unreadable else found), unreadable


def _whole_board(root: Path) -> tuple[Power | None, str]:
    sensors = {sensor.name: sensor for sensor in [*_hwmon(root), *_iio(root)]}
    for name in WHOLE_BOARD:
        if name in sensors:
            return sensors[name], ""
    if len(sensors) == 1:
        return next(iter(sensors.values())), ""
    return None, f"none of the rails {', '.join(sensors)} is known to be the whole board's" if sensors else ""


def _hwmon(root: Path) -> Iterator[Power]:
    for chip in sorted(root.glob("sys/class/hwmon/hwmon*")):
        driver = read_text(chip / "name").strip()
        if not driver.startswith("ina"):  # power supplies, batteries and graphics cards have such files too
            continue
        powers = sorted(chip.glob("power*_input"))
        for file in powers:
            yield Power(_label(chip, file.name.removesuffix("_input"), driver), (file,), 1e-6)
        for current in () if powers else sorted(chip.glob("curr*_input")):
            number = current.name.removeprefix("curr").removesuffix("_input")
            volts = chip / f"in{number}_input"
            if _integer(volts) is not None:
                yield Power(_label(chip, f"in{number}", driver), (volts, current), 1e-6)


def _iio(root: Path) -> Iterator[Power]:
    for file in sorted(root.glob("sys/bus/i2c/drivers/ina3221x/*/iio:device*/in_power*_input")):
        number = file.name.removeprefix("in_power").removesuffix("_input")
        yield Power(read_text(file.with_name(f"rail_name_{number}")).strip() or file.name, (file,), 1e-3)


def _label(chip: Path, stem: str, driver: str) -> str:
    return read_text(chip / f"{stem}_label").strip() or f"{driver} {stem}"


def _integer(file: Path) -> int | None:
    text = read_text(file).strip()
    return int(text) if text.isdigit() else None
