"""The program on board, without SSH: a process that reads requests and ends when nobody is there."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgevision.devices import onboard
from edgevision.devices.board import program


@pytest.fixture
def start(tmp_path):
    """start(text) -> the program, running below a cache of its own."""
    running = []

    def start(text=None):
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        running.append(
            subprocess.Popen(
                [sys.executable, "-I", "-c", text or program()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                text=True,
            )
        )
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def answer(process):
    while not (line := process.stdout.readline()).startswith(onboard.TOKEN):
        assert line, "it ended"
    return json.loads(line.removeprefix(onboard.TOKEN))


def ask(process, do, **arguments):
    process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
    process.stdin.flush()
    return answer(process)


def test_it_says_what_the_machine_is(start):
    facts = answer(start())["ok"]
    assert facts["python"] == sys.version.split()[0].rstrip("+") and facts["bits"] == 64
    assert facts["machine"] == os.uname().machine


def test_files_are_kept_by_their_hash_alone(start):
    process = start()
    answer(process)
    name = hashlib.sha256(b"good").hexdigest()
    state = ask(process, "missing", files={name: 4})["ok"]
    assert state["missing"] == {name: 0}
    part = os.path.join(state["folder"], f"{name}.part")
    with open(part, "wb") as file:
        file.write(b"bad")
    assert ask(process, "missing", files={name: 4})["ok"]["missing"] == {name: 3}
    assert ask(process, "keep", names=[name])["ok"] == [name] and not os.path.exists(part)
    with open(part, "wb") as file:
        file.write(b"good")
    assert ask(process, "keep", names=[name])["ok"] == []
    assert ask(process, "missing", files={name: 4})["ok"]["missing"] == {}
    folder = ask(process, "tree", digest="d", files={"a/b.txt": name})["ok"]
    with open(os.path.join(folder, "a/b.txt"), "rb") as file:
        assert file.read() == b"good"
    for escape in ("../x", "/tmp/x", "a/../../x"):
        assert "leads elsewhere" in ask(process, "tree", digest=f"e{len(escape)}", files={escape: name})["error"]


def test_a_directory_that_is_not_private_is_not_used(start, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "edgevision-remote").symlink_to(tmp_path / "elsewhere")
    assert "is not a directory of this user's" in answer(start())["error"]


def test_what_a_command_leaves_behind_ends_with_it(start, tmp_path, until_gone):
    process = start()
    answer(process)
    script = (
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)"
    )
    done = ask(process, "run", command=[sys.executable, "-c", script])["ok"]
    assert done["status"] == 0
    until_gone(int(done["stdout"]))


@pytest.fixture
def until_gone():
    """until_gone(number) waits for the end of a process."""

    def runs(number):
        try:
            return "\nState:\tZ" not in Path(f"/proc/{number}/status").read_text()
        except OSError:
            return False

    def until_gone(number):
        end = time.monotonic() + 20
        while runs(number):
            assert time.monotonic() < end
            time.sleep(0.05)

    return until_gone


@pytest.mark.parametrize("way", ["end of input", "silence", "SIGTERM", "SIGHUP"])
def test_it_ends_with_whoever_started_it(start, tmp_path, until_gone, way):
    process = start(
        program().replace(
            f"SILENCE_S = {onboard.SILENCE_S}", "SILENCE_S = 1.0" if way == "silence" else "SILENCE_S = 60.0"
        )
    )
    answer(process)
    note = tmp_path / "note"
    script = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    process.stdin.write(json.dumps({"do": "run", "command": [sys.executable, "-c", script]}) + "\n")
    process.stdin.flush()
    end = time.monotonic() + 20
    while not (note.exists() and note.read_text()):
        assert time.monotonic() < end
        time.sleep(0.05)
    if way == "end of input":
        process.stdin.close()
    elif way.startswith("SIG"):
        process.send_signal(signal.Signals[way])
    process.wait(20)
    until_gone(int(note.read_text()))
