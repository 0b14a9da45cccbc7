"""Device strings: how every command and call says where a model runs.

cpu                             the processor
gpu[:N]  npu[:N]  dla[:N]       accelerator number N, counted from 0
coral:usb[:N]  coral:pci[:N]    Edge TPU number N on that bus
auto[:D,D…]                     the first of these devices that has room, as OpenVINO chooses; without any, of all
hetero:D,D…                     each operator on the first of these devices that takes it (OpenVINO)
multi:D,D…                      whole inferences on all of these devices (OpenVINO)
ssh://[USER@]HOST[:PORT]/DEVICE a device of another machine
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from edgevision.errors import DeviceNotFoundError

GRAMMAR = ("cpu", "gpu[:N]", "npu[:N]", "dla[:N]", "coral:usb[:N]", "coral:pci[:N]", "auto[:D,D]", "hetero:D,D",
           "multi:D,D", "ssh://[USER@]HOST[:PORT]/DEVICE")  # fmt: skip
_NUMBERED = ("gpu", "npu", "dla", "coral:usb", "coral:pci")
_TOGETHER = ("auto", "hetero", "multi")
_MEMBERS = re.compile(r"(auto|hetero|multi)(?::(.+))?")
_MEMBER_KINDS = ("cpu", "gpu", "npu")
_LOCAL = re.compile(r"(cpu)|(gpu|npu|dla|coral:(?:usb|pci))(?::(0|[1-9][0-9]{0,3}))?")
# Neither a user nor a host begins with a dash, which programs would take for an option.
_USER, _HOST = r"[A-Za-z0-9_][A-Za-z0-9._-]*", r"[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]"
_SSH = re.compile(rf"ssh://(?:({_USER})@)?({_HOST})(?::([0-9]{{1,5}}))?/(.+)")


@dataclass(frozen=True)
class DeviceString:
    """A parsed device string.

    Attributes:
        kind: "cpu", "gpu", "npu", "dla", "coral"; "auto", "hetero" or "multi" of several.
        bus: "usb" or "pci" of a coral; None for the rest.
        index: Which one of that kind, from 0; None when the string has no number.
        host: The machine it belongs to; None for this one.
        user: Who logs in there; None for the default.
        port: TCP port there; None for the default.
        members: The devices of "auto", "hetero" and "multi", in order; empty for the rest, and for all of "auto".
    """

    kind: str
    bus: str | None = None
    index: int | None = None
    host: str | None = None
    user: str | None = None
    port: int | None = None
    members: tuple[str, ...] = ()

    @property
    def local(self) -> str:
        """The device without its machine: "coral:usb:1"."""
        parts = (self.kind, self.bus, None if self.index is None else str(self.index), ",".join(self.members) or None)
        return ":".join(part for part in parts if part is not None)

    def __str__(self) -> str:
        if self.host is None:
            return self.local
        user = "" if self.user is None else f"{self.user}@"
        port = "" if self.port is None else f":{self.port}"
        return f"ssh://{user}{self.host}{port}/{self.local}"


def parse_device(text: str) -> DeviceString:
    """Parse a device string.

    Raises:
        DeviceNotFoundError: It does not follow the grammar; the message has the nearest match.

    >>> parse_device("coral:usb:1")
    DeviceString(kind='coral', bus='usb', index=1, host=None, user=None, port=None, members=())
    >>> str(parse_device("ssh://pi@camera-3/cpu"))
    'ssh://pi@camera-3/cpu'
    """
    if not isinstance(text, str):
        raise DeviceNotFoundError("a device is a text", got=type(text).__name__, allowed=GRAMMAR)
    remote = _SSH.fullmatch(text)
    port = int(remote[3]) if remote and remote[3] else None
    user, host = (remote[1], remote[2]) if remote else (None, None)
    together = _together(remote[4] if remote else text)
    if together is not None and (port is None or 0 < port < 65536):
        return DeviceString(together[0], host=host, user=user, port=port, members=together[1])
    local = _LOCAL.fullmatch(remote[4] if remote else text)
    if local is None or (port is not None and not 0 < port < 65536):
        nearest = get_close_matches(text.lower(), ("cpu", *_NUMBERED, *_TOGETHER), n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else None
        raise DeviceNotFoundError("no such device", got=repr(text), allowed=", ".join(GRAMMAR), next_step=hint)
    kind, _, bus = (local[1] or local[2]).partition(":")
    index = None if local[3] is None else int(local[3])
    return DeviceString(kind, bus or None, index, host, user, port)


def _together(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the kind and the members of several devices, or None where the text is not of that form."""
    found = _MEMBERS.fullmatch(text)
    if found is None:
        return None
    members = tuple(found[2].split(",")) if found[2] else ()
    sound = all((one := _LOCAL.fullmatch(name)) and (one[1] or one[2]) in _MEMBER_KINDS for name in members)
    if not sound or len(set(members)) != len(members) or (not members and found[1] != "auto"):
        return None
    return found[1], members
