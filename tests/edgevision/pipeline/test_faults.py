"""Each fault of benchmarks/faults.py happens to `edgevision watch`, with real servers, and what operators see of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")
pytest.importorskip("paho.mqtt.client", reason="paho-mqtt, of the extra camera, is not installed")
pytest.importorskip("prometheus_client", reason="prometheus-client, of the extra camera, is not installed")
pytest.importorskip("onnx", reason="onnx, of the extra onnx, is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime, of the extra onnx, is not installed")

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
import fault_parts  # noqa: E402
import fault_rig  # noqa: E402
import fault_stream  # noqa: E402
import faults  # noqa: E402

pytestmark = pytest.mark.slow
BUSY_S = 3.0
"""Machines that run other tests beside these take so many seconds more."""


@pytest.fixture(autouse=True, scope="module")
def parts():
    if why := fault_parts.missing():
        pytest.skip(f"not installed: {why}")


@pytest.fixture
def rig(tmp_path):
    with fault_rig.Rig(tmp_path) as made:
        yield made


@pytest.mark.parametrize("name", faults.FAULTS)
def test_it_is_back_in_time_with_every_event_once_and_no_password_anywhere(name, tmp_path):
    fault = faults.FAULTS[name]
    if fault.place == "clock" and fault_stream.COMPILER is None:
        pytest.skip("there is no C compiler: apt install gcc")
    if fault.place == "disk" and os.geteuid() != 0:
        pytest.skip("a small disk needs root, and the right to mount")
    outcome = faults.run(fault, tmp_path)
    assert outcome.recovery_s <= faults.BOUND_S + BUSY_S, outcome
    assert (outcome.lost, outcome.doubled, outcome.exit_code) == (0, 0, 0), outcome
    assert outcome.expected > 10 and outcome.received + outcome.posted + outcome.waiting >= 2 * outcome.expected, (
        outcome
    )
    assert not outcome.secrets
    assert outcome.began_line and outcome.ended_line, outcome
    if not fault.pauses:
        assert outcome.steady_meanwhile > 0.5 * outcome.steady_before, outcome


def kinds(rig, kind):
    return [(event["source"], event["phase"]) for event in rig.events() if event["kind"] == kind]


def wait_for_line(rig, what, seconds=20):
    fault_parts.wait_for(lambda: what in rig.log(), seconds, f"{what!r} in\n{rig.log()[-3000:]}")


def test_what_happens_to_cameras_and_model_are_events_once(rig):
    """A camera that comes and goes is one event that lasts until it has stayed; so is a model that dies twice."""
    rig.faulty.kill()
    wait_for_line(rig, "faulty: lost")
    rig.faulty.start()
    wait_for_line(rig, "faulty: works again")
    rig.faulty.kill()
    rig.faulty.start()
    os.kill(rig.worker(), signal.SIGKILL)
    wait_for_line(rig, "worker: works again")
    fault_parts.wait_for(
        lambda: kinds(rig, "source_lost")[-1:] == [("faulty", "end")] and len(kinds(rig, "worker_died")) == 2,
        25, "the troubles end",
    )  # fmt: skip
    assert len(kinds(rig, "source_lost")) in (2, 4)  # how soon the second time came is up to the machine
    assert [phase for _, phase in kinds(rig, "source_lost")] in (["start", "end"], ["start", "end"] * 2)
    assert kinds(rig, "worker_died") == [("", "start"), ("", "end")]
    start, end = (event for event in rig.events() if event["kind"] == "worker_died")
    assert "killed" in start["data"]["reason"] and end["data"]["reason"] == "works again"
    assert start["id"] == end["id"] and end["data"]["seconds"] < 10
    assert rig.state()["worker"]["deaths"] == 1
    text = rig.page("metrics")
    assert "edgevision_worker_deaths_total 1.0" in text
    assert 'edgevision_sink_failing{sink="mqtt"} 0.0' in text and "edgevision_spool_disk_failing 0.0" in text
    assert rig.stop_watch() == 0


def test_a_password_that_was_changed_is_taken_over_by_sighup(rig):
    """The camera has another password: its file is changed, and the configuration read anew."""
    rig.faulty.kill()
    rig.faulty.start(password="Changed/p4ss+word")
    wait_for_line(rig, "check user and password")
    (rig.folder / "rtsp.secret").write_text("Changed/p4ss+word\n")
    rig.steady.kill()
    rig.steady.start(password="Changed/p4ss+word")
    rig.process.send_signal(signal.SIGHUP)
    wait_for_line(rig, "the configuration was read anew")
    fault_parts.wait_for(lambda: rig.camera("faulty")["results"] > 10, 15, "the camera sees with the new password")
    assert rig.stop_watch() == 0
    assert "Changed" not in rig.log() and not rig.secrets()


def film(path, frames):
    """A square of 20 pixels that walks to the left and back, over and over: 80 frames for each way."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=20)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(frames):
            image = np.full((240, 320, 3), 60, np.uint8)
            left = round(abs(index % 160 - 80) / 80 * 300)
            image[100:120, left : left + 20] = 230
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


LINE = '[[cameras.rules]]\nkind = "line"\nname = "middle"\npoints = [[160, 240], [160, 0]]\n'


def test_every_crossing_of_a_recording_is_counted_once_though_the_model_dies(tmp_path):
    """1,920 frames in which the line is crossed 24 times; the model's process is killed again and again."""
    fault_parts.make_detector(tmp_path)
    film(tmp_path / "walk.mkv", 1920)
    (tmp_path / "watch.toml").write_text(
        'schema = 1\n[model]\nartifact = "bright"\nruntime = "onnxruntime"\n[[cameras]]\nname = "walk"\n'
        f'source = "walk.mkv"\n{LINE}[[sinks]]\nkind = "json_lines"\npath = "events.jsonl"\n'
    )
    command = [sys.executable, "-m", "edgevision", "watch", str(tmp_path / "watch.toml"), "--json"]
    with (tmp_path / "log").open("wb") as log, (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=log)
    killed = 0
    while process.poll() is None:
        time.sleep(0.6)
        works = (tmp_path / "log").read_text().count(" opened") + (tmp_path / "log").read_text().count("works again")
        if works > killed < 4:
            for worker in fault_rig.workers(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            killed += 1
    state = json.loads((tmp_path / "out").read_text())
    assert process.returncode == 0 and killed >= 2 and state["worker"]["deaths"] >= 2, (tmp_path / "log").read_text()
    camera = state["cameras"]["walk"]
    assert camera["received"] == camera["results"] + camera["dropped"].get("worker", 0) == 1920
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    crossings = [event for event in events if event["kind"] == "line"]
    assert len(crossings) == len({event["message_id"] for event in crossings}) == 24
    assert [event["data"]["direction"] for event in crossings[:4]] in (["in", "out"] * 2, ["out", "in"] * 2)


def test_cameras_that_never_come_are_named_and_the_others_go_on(rig):
    """No such host, nobody at the port, no such stream, no such camera, a codec of nobody's, a file that is none."""
    film(rig.folder / "codec.mkv", 5)
    content = (rig.folder / "codec.mkv").read_bytes()
    (rig.folder / "codec.mkv").write_bytes(content.replace(b"V_FFV1", b"V_XYZ1"))
    (rig.folder / "none.mp4").write_bytes(b"no film")
    secret = f'password = "file:{rig.folder}/rtsp.secret"\n'
    bad = {
        "host": f'"rtsp://viewer:{{password}}@no-such-host.invalid/cam"\n{secret}',
        "port": f'"rtsp://viewer:{{password}}@127.0.0.1:9/cam"\n{secret}',
        "path": f'"rtsp://viewer:{{password}}@127.0.0.1:{rig.faulty.port}/other"\n{secret}',
        "node": '"/dev/video99"\n',
        "codec": f'"{rig.folder}/codec.mkv"\n',
        "none": f'"{rig.folder}/none.mp4"\n',
    }
    rig.write_config(more="".join(f'[[cameras]]\nname = "{name}"\nsource = {rest}' for name, rest in bad.items()))
    before = rig.camera("steady")["openings"]
    rig.process.send_signal(signal.SIGHUP)
    for line in (
        "port: refused: rtsp://***@127.0.0.1:9/cam cannot be opened: Connection refused; check that the camera is on",
        "path: refused: ", "check the path of the address", "host: refused: ", "codec cannot be decoded here",
        "none.mp4 cannot be opened: Invalid data", "node: refused: /dev/video99 cannot be opened: No such file",
    ):  # fmt: skip
        wait_for_line(rig, line)
    assert fault_rig.rate(rig, "steady", 2.0) > 10 and rig.camera("steady")["openings"] == before
    assert not rig.secrets()
    lines = [line for line in rig.log().splitlines() if " port: refused" in line]
    assert len(lines) == 1  # it is tried again and again, and said once
    assert rig.stop_watch() == 1 and not rig.secrets()  # two recordings were not looked at to their ends


def test_killed_with_kill_it_leaves_no_process_and_no_event_lost(rig):
    """After `kill -9` of the command its worker is gone; the next one ends what was open, and repeats nothing."""
    shared = set(os.listdir("/dev/shm"))
    worker = rig.worker()
    os.kill(worker, signal.SIGSTOP)  # one that hangs goes as well
    rig.process.kill()
    rig.process.wait()
    fault_parts.wait_for(lambda: not Path(f"/proc/{worker}").exists(), 10, "the worker is gone")
    assert set(os.listdir("/dev/shm")) <= shared
    rig.start_watch()
    fault_parts.wait_for(rig.goes_on, 60, "it works again")
    assert rig.stop_watch() == 0
    fault_parts.wait_for(lambda: not rig.judged()["lost"], 10, "everything has arrived")
    judged = rig.judged()
    assert (judged["doubled"], judged["unknown"]) == (0, 0), judged
    opened = {event["id"] for event in rig.events() if event["phase"] == "start"}
    assert opened == {event["id"] for event in rig.events() if event["phase"] == "end"}


def test_a_crash_of_the_command_shows_no_password(rig):
    """SIGABRT: what Python says of every thread, and no image of the memory."""
    seen = rig.secrets()
    assert rig.stop_watch(signal.SIGABRT) == -signal.SIGABRT
    assert "Current thread" in rig.log()
    assert not seen + rig.secrets()


def seal(artifact, name):
    """Let a copy of an artifact be sealed with what it answers here."""
    target = shutil.copytree(artifact, artifact.with_name(name))
    command = [sys.executable, "-m", "edgevision", "verify", "--seal", str(target), "--runtime", "onnxruntime"]
    command += ["--data", "sample"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def test_a_new_model_whose_process_dies_on_probation_is_taken_back(rig):
    """A sealed artifact is verified in a process of its own, takes over, is killed: the old one is back, and sees."""
    for name in ("newer", "newest"):
        seal(rig.folder / "bright", name)
    config = rig.folder / "watch.toml"
    old = fault_rig.workers(rig.process.pid)
    config.write_text(config.read_text().replace('/bright"', '/newer"'))
    rig.process.send_signal(signal.SIGHUP)
    wait_for_line(rig, "model: newer switched", 60)
    (new,) = set(fault_rig.workers(rig.process.pid)) - set(old)
    os.kill(new, signal.SIGKILL)
    wait_for_line(rig, "model: newer rolled back: the model's process")
    assert fault_rig.workers(rig.process.pid) == old
    fault_parts.wait_for(lambda: rig.state()["model"]["name"] == "bright", 10, "the old one is back")
    before = rig.camera("steady")["results"]
    fault_parts.wait_for(lambda: rig.camera("steady")["results"] > before + 5, 10, "it sees")
    config.write_text(config.read_text().replace('/newer"', '/newest"'))
    rig.process.send_signal(signal.SIGHUP)
    wait_for_line(rig, "model: newest kept: 100 frames without a failure", 60)
    assert len(fault_rig.workers(rig.process.pid)) == 1 and not set(old) & set(fault_rig.workers(rig.process.pid))
    assert rig.stop_watch() == 0
    kinds = [event["kind"] for event in rig.events() if event["rule"] == "model"]
    assert kinds == ["model_exchanged", "model_rolled_back", "model_exchanged", "model_kept"]
    assert "worker: " not in rig.log()  # a new model that dies is no model that is gone
