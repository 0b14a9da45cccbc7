"""Connecting to another machine over SSH: its key is checked, and every way in which that fails has its own words."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevision.device_string import DeviceString
from edgevision.errors import ConfigError, RemoteError, reason_of
from edgevision.optional import require

CONNECT_S = 15
LOGIN_S = 30
KEEPALIVE_S, KEEPALIVES = 5, 4
"""A machine that has not answered so many questions, one every so many seconds, is given up."""

KNOWN_HOSTS = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))


@dataclass(frozen=True)
class Address:
    """Another machine, and how it is entered.

    Attributes:
        device: A device of it.
        known_hosts: File with the keys of machines that are trusted; None for OpenSSH's own files.
        identity: File with the private key to log in with; None for those of ~/.ssh and the agent.
    """

    device: DeviceString
    known_hosts: Path | None = None
    identity: Path | None = None

    @property
    def host(self) -> str:
        """The machine's name or number, without brackets."""
        return (self.device.host or "").strip("[]")

    @property
    def shown(self) -> str:
        """The machine as messages name it: "camera-3", "camera-3 port 2222"."""
        return self.host if self.device.port is None else f"{self.host} port {self.device.port}"

    @property
    def trusted(self) -> list[str]:
        """The files of known hosts that are there."""
        files = KNOWN_HOSTS if self.known_hosts is None else (self.known_hosts,)
        return [str(path.expanduser()) for path in files if path.expanduser().is_file()]


@asynccontextmanager
async def connect(address: Address) -> AsyncIterator[Any]:
    """Give an authenticated connection (asyncssh's), and close it at the end.

    ~/.ssh/config is heeded, except for its files of known hosts: one that says "none" would turn the check off.

    Raises:
        RemoteError: The machine cannot be reached, its key is unknown or another one, or it does not let us in.
        ConfigError: A file that was named is not there, or is no private key.
        BackendUnavailableError: asyncssh is not installed.
    """
    for name, path in (("known hosts", address.known_hosts), ("identity", address.identity)):
        if path is not None and not path.expanduser().is_file():
            raise ConfigError(f"{name}: no such file", got=path)
    connection = await _connected(address)
    try:
        yield connection
    finally:
        connection.abort()  # waiting for a goodbye of a machine that is gone would hang


async def _connected(address: Address, any_kind: bool = False) -> Any:
    """Connect; with ``any_kind`` also to a machine that has no key of a kind that is known, to be told of its key."""
    asyncssh = require("asyncssh")
    watch = _watch(asyncssh)
    given: dict[str, Any] = {}
    if address.device.port is not None:
        given["port"] = address.device.port
    if address.device.user is not None:
        given["username"] = address.device.user
    if address.identity is not None:
        given["client_keys"] = [str(address.identity.expanduser())]
    if any_kind:
        given["server_host_key_algs"] = "default"
    try:
        return await asyncssh.connect(
            address.host,
            client_factory=lambda: watch,
            known_hosts=address.trusted or b"",
            preferred_auth=("publickey",),
            connect_timeout=CONNECT_S,
            login_timeout=LOGIN_S,
            keepalive_interval=KEEPALIVE_S,
            keepalive_count_max=KEEPALIVES,
            **given,
        )
    except asyncssh.HostKeyNotVerifiable as exc:
        raise _untrusted(asyncssh, address, watch) from exc
    except (asyncssh.KeyExchangeFailed, asyncssh.ConnectionLost, ConnectionResetError) as exc:
        if not any_kind:  # it may have no key of a kind that is known: see the one it has
            return await _connected(address, any_kind=True)
        raise RemoteError(f"{address.shown} breaks off the connection: {reason_of(exc)}") from exc
    except asyncssh.PermissionDenied as exc:
        user = address.device.user or "this user"
        raise RemoteError(
            f"{address.shown} accepts no key that was offered for {user}",
            next_step="name the private key with --identity, or let the device accept yours: ssh-copy-id",
        ) from exc
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as exc:
        raise ConfigError(
            "identity: no private key that can be read here",
            got=address.identity or reason_of(exc),
            next_step="a key with a passphrase is for ssh-agent: ssh-add FILE",
        ) from exc
    except asyncssh.ConfigParseError as exc:
        raise ConfigError(f"~/.ssh/config: {reason_of(exc)}") from exc
    except (asyncssh.Error, OSError, asyncio.TimeoutError) as exc:
        raise RemoteError(
            f"{address.shown} cannot be reached: {_why(exc)}", next_step="is it on, and does its SSH server run there?"
        ) from exc


def _why(exc: BaseException) -> str:
    if isinstance(exc, (TimeoutError, asyncio.TimeoutError)):
        return f"no answer within {CONNECT_S} s"
    if isinstance(exc, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(exc, socket.gaierror):
        return "no machine of that name is known"
    return reason_of(exc)


def _watch(asyncssh: Any) -> Any:
    """An SSH client that trusts no key by itself, and remembers the one that it was shown."""

    class Watch(asyncssh.SSHClient):  # type: ignore[misc]  # asyncssh is loaded only here
        shown: Any = None

        def validate_host_public_key(self, host: str, addr: str, port: int, key: Any) -> bool:
            self.shown = (host, addr, port, key)
            return False

    return Watch()


def _untrusted(asyncssh: Any, address: Address, watch: Any) -> RemoteError:
    if watch.shown is None:
        return RemoteError(f"the key of {address.shown} is revoked, or its certificate does not hold")
    host, addr, port, key = watch.shown
    place = host if port == 22 else f"[{host}]:{port}"
    what = f"{key.get_algorithm()} {key.get_fingerprint()}"
    known = _known(asyncssh, address.trusted, host, addr, port)
    if known:
        return RemoteError(
            f"the key of {address.shown} is not the one that is known: it was set up anew, or another machine answers",
            got=what,
            allowed=known,
            next_step="if you know why it changed, forget the old one: ssh-keygen -R "
            f'"{place}"{"" if address.known_hosts is None else f" -f {address.known_hosts}"}',
        )
    files = f"-o UserKnownHostsFile={address.known_hosts} " if address.known_hosts is not None else ""
    return RemoteError(
        f"the key of {address.shown} is not known",
        got=what,
        next_step="compare it with what the device says to ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, and if "
        f"they are the same, accept it once: ssh {files}-p {port} {host}",
    )


def _known(asyncssh: Any, files: Sequence[str], host: str, addr: str, port: int) -> list[str]:
    """The keys that files of known hosts have for a machine, as texts."""
    if not files:
        return []
    keys = asyncssh.match_known_hosts(list(files), host, addr, None if port == 22 else port)[0]
    return [f"{key.get_algorithm()} {key.get_fingerprint()}" for key in keys]
