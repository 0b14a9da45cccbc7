"""libedgetpu by its C interface (``edgetpu_c.h``): its version and the Edge TPUs that it finds, without a delegate."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

from edgevision.device_string import DeviceString
from edgevision.errors import BackendUnavailableError, DeviceNotFoundError, reason_of
from edgevision.installed import owner_of
from edgevision.libedgetpu import INSTALL, LIBRARY, PACKAGES, runtime_version

BUSES = ("pci", "usb")
_FUNCTIONS = ("edgetpu_version", "edgetpu_list_devices", "edgetpu_free_devices", "tflite_plugin_create_delegate")
_PROBE = "edgevision devices says what is missing"


class _Device(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("path", ctypes.c_char_p))


@dataclass(frozen=True)
class Seat:
    """An Edge TPU that libedgetpu finds.

    Attributes:
        bus: "usb" or "pci".
        index: Which one on that bus, from 0: what the library calls ``usb:0``.
        path: Where it is: a folder below /sys/bus/usb/devices, or /dev/apex_N.
    """

    bus: str
    index: int
    path: str

    @property
    def option(self) -> str:
        """How the delegate is told to take it."""
        return f"{self.bus}:{self.index}"

    @property
    def node(self) -> str:
        """Its device node."""
        if self.bus == "pci":
            return self.path
        bus, number = (_number(Path(self.path) / name) for name in ("busnum", "devnum"))
        return f"/dev/bus/usb/{bus:03d}/{number:03d}"


class EdgeTpuLibrary:
    """The loaded library.

    Attributes:
        path: The file that was loaded.
        version: What it says of itself.
        runtime_version: The number that compiled models ask for.
        package: Version of the Debian package that it is from; None where it is from elsewhere.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        """Load it; by default the one that the system's loader finds.

        Raises:
            BackendUnavailableError: It is not here, does not load, or is another library.
        """
        name = str(path or LIBRARY)
        try:
            self._library = ctypes.CDLL(name)
            functions = [getattr(self._library, function) for function in _FUNCTIONS]
        except OSError as exc:
            missing = str(exc).startswith(f"{name}: cannot open shared object file")
            what = f"{name} is not installed" if missing else f"{name} does not load: {reason_of(exc)}"
            raise BackendUnavailableError(what, next_step=f"install it: {INSTALL}") from exc
        except AttributeError as exc:
            raise BackendUnavailableError(f"{name} is no libedgetpu: {reason_of(exc)}", next_step=INSTALL) from exc
        functions[0].restype = ctypes.c_char_p
        functions[1].restype, functions[1].argtypes = ctypes.POINTER(_Device), [ctypes.POINTER(ctypes.c_size_t)]
        functions[2].argtypes = [ctypes.POINTER(_Device)]
        self.path = _loaded_file(Path(name).name) or name
        self.version: str = (self._library.edgetpu_version() or b"").decode("utf-8", "replace")
        self.runtime_version = runtime_version(self.version)
        self.package = owner_of(self.path, *PACKAGES)

    def seats(self) -> tuple[Seat, ...]:
        """Return the Edge TPUs that are plugged in now, whether or not they may be opened."""
        count = ctypes.c_size_t()
        listed = self._library.edgetpu_list_devices(ctypes.byref(count))
        try:
            found = [(listed[i].type, (listed[i].path or b"").decode()) for i in range(count.value)]
        finally:
            if listed:
                self._library.edgetpu_free_devices(listed)
        known = [(BUSES[kind], path) for kind, path in found if kind in range(len(BUSES))]
        order = [[path for bus, path in known if bus == wanted] for wanted in BUSES]
        return tuple(
            Seat(bus, i, path) for bus, paths in zip(BUSES, order, strict=True) for i, path in enumerate(paths)
        )

    def seat(self, device: DeviceString) -> Seat:
        """Return the Edge TPU that a device string names.

        Raises:
            DeviceNotFoundError: It is not plugged in, or may not be opened.
        """
        seats = self.seats()
        wanted = (device.bus, device.index or 0)
        found = next((seat for seat in seats if (seat.bus, seat.index) == wanted), None)
        if found is None:
            here = [f"coral:{seat.option}" for seat in seats]
            raise DeviceNotFoundError(
                "libedgetpu finds no such Edge TPU", got=device.local, allowed=here or None, next_step=_PROBE
            )
        if os.path.exists(found.node) and not os.access(found.node, os.R_OK | os.W_OK):
            raise DeviceNotFoundError(
                f"{device.local} is here and may not be opened: no permission on {found.node}", next_step=_PROBE
            )
        return found


def _number(file: Path) -> int:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _loaded_file(name: str) -> str | None:
    """Return the path of a library that this process has loaded; None where the system does not tell."""
    stem = name.partition(".so")[0] + ".so"
    try:
        rows = [line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    return next((row[5] for row in rows if len(row) == 6 and Path(row[5]).name.startswith(stem)), None)
