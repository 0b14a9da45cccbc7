import errno
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgevision.errors import ConfigError, OutputError
from edgevision.files import (
    atomic_directory,
    atomic_file,
    check_file_place,
    check_place,
    deflated_bytes,
    sha256_file,
    turn_at,
)


def fill(path, text):
    (path / "manifest.json").write_text(text)


def test_a_directory_appears_whole(tmp_path):
    out = tmp_path / "a" / "b"
    with atomic_directory(out) as folder:
        fill(folder, "new")
        assert not out.exists()
    assert (out / "manifest.json").read_text() == "new"
    assert os.listdir(tmp_path / "a") == ["b"]


def test_an_existing_directory_needs_overwrite_and_is_replaced_whole(tmp_path):
    with atomic_directory(tmp_path / "out") as folder:
        fill(folder, "old")
        (folder / "extra").touch()
    with pytest.raises(ConfigError, match=r"exists; .*--overwrite"), atomic_directory(tmp_path / "out"):
        pytest.fail("the block does not run")
    with atomic_directory(tmp_path / "out", overwrite=True) as folder:
        fill(folder, "new")
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(tmp_path / "out") == ["manifest.json"]
    assert (tmp_path / "out" / "manifest.json").read_text() == "new"


def test_without_exchange_two_renames_do(tmp_path, monkeypatch):
    monkeypatch.setattr("edgevision.files._exchange", lambda first, second: False)
    for text in ("old", "new"):
        with atomic_directory(tmp_path / "out", overwrite=True) as folder:
            fill(folder, text)
    assert os.listdir(tmp_path) == ["out"]
    assert (tmp_path / "out" / "manifest.json").read_text() == "new"


def test_other_peoples_directories_are_never_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    with pytest.raises(ConfigError, match="did not make"), atomic_directory(tmp_path / "photos", overwrite=True):
        pytest.fail("the block does not run")
    assert (tmp_path / "photos" / "cat.png").exists()


def test_an_empty_directory_may_be_filled(tmp_path):
    (tmp_path / "out").mkdir()
    with atomic_directory(tmp_path / "out") as folder:
        fill(folder, "new")
    assert (tmp_path / "out" / "manifest.json").exists()


def test_a_failing_block_leaves_the_old_state_and_nothing_else(tmp_path):
    with atomic_directory(tmp_path / "out") as folder:
        fill(folder, "old")
    (tmp_path / "file.json").write_text("old")
    with pytest.raises(KeyError), atomic_directory(tmp_path / "out", overwrite=True) as folder:
        fill(folder, "half")
        raise KeyError
    with pytest.raises(KeyError), atomic_file(tmp_path / "file.json", overwrite=True) as file:
        file.write_text("half")
        raise KeyError
    assert sorted(os.listdir(tmp_path)) == ["file.json", "out"]
    assert (tmp_path / "out" / "manifest.json").read_text() == "old"
    assert (tmp_path / "file.json").read_text() == "old"


@pytest.mark.parametrize("moment", ["filling", "_sync_tree", "_put_in_place"])
def test_a_killed_process_leaves_the_old_directory(tmp_path, moment):
    with atomic_directory(tmp_path / "out") as folder:
        fill(folder, "old")
    program = textwrap.dedent("""
        import os, signal, sys
        from edgevision import files
        die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        if sys.argv[2] != "filling":
            setattr(files, sys.argv[2], die)
        with files.atomic_directory(sys.argv[1], overwrite=True) as folder:
            (folder / "manifest.json").write_text("half")
            if sys.argv[2] == "filling":
                die()
    """)
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "out"), moment], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "out" / "manifest.json").read_text() == "old"


def test_a_file_keeps_its_suffix_while_written(tmp_path):
    with atomic_file(tmp_path / "sub" / "model.keras") as file:
        assert file.suffix == ".keras"
        file.write_text("new")
    assert (tmp_path / "sub" / "model.keras").read_text() == "new"
    with pytest.raises(ConfigError, match="exists"), atomic_file(tmp_path / "sub" / "model.keras"):
        pytest.fail("the block does not run")
    with pytest.raises(ConfigError, match="is a directory"), atomic_file(tmp_path / "sub", overwrite=True):
        pytest.fail("the block does not run")


def test_a_file_that_is_replaced_keeps_who_may_read_it(tmp_path):
    target = tmp_path / "people.npz"
    target.write_text("old")
    target.chmod(0o440)
    with atomic_file(target, overwrite=True) as path:
        assert path.stat().st_mode & 0o077 == 0  # nor may anybody else while it is written
        path.write_text("new")
    assert target.read_text() == "new" and target.stat().st_mode & 0o777 == 0o440


def test_a_file_that_is_replaced_stays_whose_it_is(tmp_path):
    target = tmp_path / "people.npz"
    target.write_text("old")
    owner, group = (1234, 2345) if os.geteuid() == 0 else (os.geteuid(), os.getegid())  # only root gives files away
    os.chown(target, owner, group)
    with atomic_file(target, overwrite=True) as path:
        path.write_text("new")
    assert (target.stat().st_uid, target.stat().st_gid) == (owner, group)


@pytest.mark.parametrize(("mode", "left"), [(0o664, 0o644), (0o640, 0o600)])
def test_a_group_that_a_file_cannot_be_given_to_lets_no_other_one_in(tmp_path, monkeypatch, mode, left):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "not yours")

    target = tmp_path / "people.npz"
    target.write_text("old")
    os.chown(target, -1, 2345 if os.geteuid() == 0 else os.getegid())
    target.chmod(mode)
    monkeypatch.setattr(os, "fchown", refuse)
    with atomic_file(target, overwrite=True) as path:
        path.write_text("new")
    assert target.stat().st_mode & 0o777 == (left if os.geteuid() == 0 else mode)


def test_a_file_goes_to_its_group_where_its_owner_is_somebody_else(tmp_path, monkeypatch):
    given, give = [], os.fchown

    def no_owner(descriptor, owner, group):
        if owner != -1:
            raise PermissionError(errno.EPERM, "not the superuser")
        given.append(group)
        give(descriptor, owner, group)

    monkeypatch.setattr(os, "fchown", no_owner)
    target = tmp_path / "people.npz"
    target.write_text("old")
    with atomic_file(target, overwrite=True) as path:
        path.write_text("new")
    assert given == [target.stat().st_gid]


def test_a_link_in_the_place_of_what_was_written_gives_nothing_else_away(tmp_path):
    target, other = tmp_path / "people.npz", tmp_path / "shadow"
    for file, mode in ((target, 0o666), (other, 0o600)):
        file.write_text("old")
        file.chmod(mode)
    with pytest.raises(OutputError), atomic_file(target, overwrite=True) as path:
        path.unlink()
        path.symlink_to(other)
    assert other.stat().st_mode & 0o777 == 0o600 and target.read_text() == "old"


def test_turns_at_a_file_come_one_after_the_other(tmp_path):
    target = tmp_path / "new" / "count"
    with turn_at(target):
        target.write_text("0")

    def add(_):
        for _ in range(5):
            with turn_at(target):
                number = int(target.read_text())
                time.sleep(0.002)
                with atomic_file(target, overwrite=True) as path:
                    path.write_text(str(number + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert target.read_text() == "20" and os.listdir(target.parent) == ["count"]


def test_a_full_disk_is_one_clear_line(tmp_path):
    full_disk = pytest.raises(OutputError, match="no space left on the disk")
    with full_disk, atomic_directory(tmp_path / "out"), open("/dev/full", "w") as full:
        full.write("x")
    assert os.listdir(tmp_path) == []


def test_something_in_the_way(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a file is where"), atomic_directory(tmp_path / "file" / "out"):
        pytest.fail("the block does not run")
    with pytest.raises(OutputError, match="a file is where"), atomic_file(tmp_path / "file" / "out.json"):
        pytest.fail("the block does not run")
    with pytest.raises(ConfigError, match="is a file"), atomic_directory(tmp_path / "file", overwrite=True):
        pytest.fail("the block does not run")


def test_a_place_is_tried_before_long_work_and_left_as_it_was(tmp_path):
    check_place(tmp_path / "a" / "b" / "out", overwrite=False)
    check_file_place(tmp_path / "a" / "recipe.toml", overwrite=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    for check in (check_place, check_file_place):
        with pytest.raises(OutputError, match=r"out: a file is where a directory should be; nothing was written"):
            check(tmp_path / "file" / "out", overwrite=False)
        with pytest.raises(ConfigError):
            check(tmp_path / "file", overwrite=False)


@pytest.mark.parametrize("writing", [True, False])
def test_ctrl_c_as_soon_as_a_directory_is_there_leaves_none(tmp_path, monkeypatch, writing):
    mkdir = Path.mkdir

    def interrupted(path, *args, **kwargs):
        mkdir(path, *args, **kwargs)
        if ".tmp." in path.name:
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt):
        if writing:
            with atomic_directory(tmp_path / "a"):
                pass
        else:
            check_place(tmp_path / "new/a", False)
    assert list(tmp_path.iterdir()) == []


def test_errors_of_reading_are_not_called_errors_of_writing(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_directory(tmp_path / "out"):
        (tmp_path / "missing").read_bytes()


def test_measures(tmp_path):
    text = b"edgevision " * 200_000
    (tmp_path / "a").write_bytes(text)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(text).hexdigest()
    assert deflated_bytes([tmp_path / "a", tmp_path / "a"]) == 2 * len(zlib.compress(text, 9))
