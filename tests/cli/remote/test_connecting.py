"""Entering a device: its key is checked before anything else, and every refusal says why and what to do."""

import os
import shutil
import socket
import time
from contextlib import closing

import pytest

from edgevision.cli.remote import address_of
from edgevision.devices import ssh
from edgevision.errors import DeviceNotFoundError
from edgevision.shipped import shipped_model


@pytest.fixture
def refused(run):
    """refused(device, …) -> what `verify` says when it does not get in; nothing may have been put there."""

    def refused(device, *options, exit_code=1, **settings) -> str:
        result = run("verify", "sample", *device.options(**settings), *options)
        assert result.exit_code == exit_code, (result.stdout, result.stderr)
        assert result.stdout == "" and not device.private.exists()
        return result.stderr

    return refused


def test_an_unknown_key_is_named_with_the_way_to_accept_it(fresh, refused):
    fresh.know()
    said = refused(fresh)
    assert f"the key of 127.0.0.1 port {fresh.port} is not known" in said
    assert f"ssh-ed25519 {fresh.fingerprint('host')}" in said
    assert f"ssh -o UserKnownHostsFile={fresh.folder / 'known'} -p {fresh.port} 127.0.0.1" in said


def test_a_changed_key_is_named_beside_the_known_one(fresh, refused):
    fresh.make_key("another")
    fresh.know(f"[127.0.0.1]:{fresh.port} {fresh.public('another')}")
    said = refused(fresh)
    assert "is not the one that is known" in said
    assert f"got ssh-ed25519 {fresh.fingerprint('host')}; allowed: ssh-ed25519 {fresh.fingerprint('another')}" in said
    assert f'ssh-keygen -R "[127.0.0.1]:{fresh.port}" -f {fresh.folder / "known"}' in said


def test_a_key_of_another_kind_is_a_changed_key(fresh, refused):
    fresh.make_key("another", "ecdsa")
    fresh.know(f"[127.0.0.1]:{fresh.port} {fresh.public('another')}")
    said = refused(fresh)
    assert "is not the one that is known" in said
    assert fresh.fingerprint("host") in said and fresh.fingerprint("another") in said


def test_a_revoked_key_is_refused(fresh, refused):
    known = f"[127.0.0.1]:{fresh.port} {fresh.public('host')}"
    fresh.know(known, f"@revoked {known}")
    assert "is revoked" in refused(fresh)


def test_no_file_of_known_hosts_trusts_nobody(fresh, refused, monkeypatch):
    monkeypatch.setattr(ssh, "KNOWN_HOSTS", (fresh.folder / "absent",))
    place, identity = fresh.options()[:2], fresh.options()[4:]
    fresh.options = lambda: [*place, *identity]
    assert f"got ssh-ed25519 {fresh.fingerprint('host')}" in refused(fresh)


def test_a_configuration_that_turns_the_check_off_is_not_heeded(fresh, process, tmp_path):
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "config").write_text("Host *\nUserKnownHostsFile none\nStrictHostKeyChecking no\n")
    place, identity = fresh.options()[:2], fresh.options()[4:]
    result = process("verify", "sample", *place, *identity, environment={**os.environ, "HOME": str(home)})
    assert result.exit_code == 1 and "is not known" in result.stderr


def test_a_key_that_the_device_does_not_accept(fresh, refused):
    fresh.make_key("stranger")
    said = refused(fresh, identity="stranger")
    assert f"127.0.0.1 port {fresh.port} accepts no key that was offered" in said and "--identity" in said


def test_files_that_are_not_there_or_no_keys(fresh, refused):
    assert "identity: no such file" in refused(fresh, identity="absent", exit_code=2)
    assert "known hosts: no such file" in refused(fresh, known="absent", exit_code=2)
    assert "identity: no private key" in refused(fresh, identity="known", exit_code=2)


def test_a_device_that_is_down(fresh, refused):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens there
        said = refused(fresh, port=taken.getsockname()[1])
    assert "cannot be reached: the connection was refused" in said


def test_a_device_that_accepts_and_says_nothing(fresh, refused, monkeypatch):
    monkeypatch.setattr(ssh, "CONNECT_S", 1)
    monkeypatch.setattr(ssh, "LOGIN_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        said = refused(fresh, port=silent.getsockname()[1])
    assert "cannot be reached" in said and time.monotonic() - began < 10


@pytest.fixture
def device_with_path(make_device, tmp_path):
    """device_with_path({"python3": script}) -> a device whose PATH has sh and these commands, and nothing else."""

    def device_with_path(commands):
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "sh").symlink_to(shutil.which("sh"))
        for name, script in commands.items():
            (folder / name).write_text(script)
            (folder / name).chmod(0o755)
        return make_device(environment=f"PATH={folder}")

    return device_with_path


def test_a_device_without_python(device_with_path, refused):
    said = refused(device_with_path({}))
    assert "has no Python 3.10 or newer: got no python3" in said and "install one there" in said


def test_a_device_whose_python_is_too_old(device_with_path, refused):
    old = '#!/bin/sh\n[ "$1" = --version ] && echo Python 3.7.3 && exit 0\nexit 1\n'
    assert "has no Python 3.10 or newer: got Python 3.7.3" in refused(device_with_path({"python3": old}))


def test_a_device_without_sftp(make_device, run, wheelhouse):
    device = make_device(more="")
    result = run("verify", "sample", *device.options(), "--wheelhouse", wheelhouse.folder)
    assert result.exit_code == 1 and "has no SFTP" in result.stderr and "openssh-sftp-server" in result.stderr


@pytest.mark.parametrize("option", [("--identity", "x"), ("--known-hosts", "x"), ("--wheelhouse", "x"), ("--clean",)])
def test_options_of_other_machines_need_one(run, option):
    result = run("verify", "sample", *option)
    assert result.exit_code == 2 and f"{option[0]} is for a device of another machine" in result.stderr


def test_what_is_sealed_is_sealed_here(run, fresh):
    result = run("verify", "sample", *fresh.options(), "--seal", "--data", "sample")
    assert result.exit_code == 2 and "--seal writes into MODEL here" in result.stderr


def test_a_damaged_artifact_is_noticed_before_anything_is_sent(fresh, tmp_path, run):
    shutil.copytree(shipped_model(), tmp_path / "damaged")
    with open(tmp_path / "damaged" / "model.keras", "r+b") as file:
        file.seek(100)
        file.write(b"\xff\xff\xff\xff")
    result = run("verify", tmp_path / "damaged", *fresh.options())
    assert result.exit_code == 1 and "changed since it was made" in result.stderr and not fresh.private.exists()


@pytest.mark.parametrize("text", ["ssh://camera-3", "ssh://pi@10.0.0.7:2222", "ssh://pi@[fe80::1]:22"])
def test_a_machine_alone_means_its_processor(text):
    assert str(address_of(text, None, None).device) == f"{text}/cpu"
    assert address_of(f"{text}/coral:usb", None, None).device.kind == "coral"
    with pytest.raises(DeviceNotFoundError):
        address_of(f"{text}/", None, None)
