"""The V4L2 program, and a stand-in for a driver: which ioctls it makes, and what it does with a camera's troubles."""

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
COLORS = ("red", "green", "blue")
FRAMES = 12


@pytest.fixture(scope="module")
def driver(compiler, repository, tmp_path_factory):
    """The stand-in, a library to be loaded before libc."""
    library = tmp_path_factory.mktemp("driver") / "driver.so"
    source = Path(__file__).parent / "v4l2_driver.c"
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror"]
    header = repository / "converters/linux/sources/include"
    subprocess.run(["cc", *strict, "-shared", "-fPIC", f"-I{header}", source, "-o", library, "-ldl"], check=True)
    return library


@pytest.fixture
def watch(on_openvino, tiny, driver):
    """watch(format, fault, options): the program's status, results, statistics and what else it said."""

    def watch(form, fault="", *options):
        told = {"DRIVER_DEVICE": "/dev/video250", "DRIVER_FORMAT": form, "DRIVER_FAULT": fault}
        environment = {**os.environ, **told, "DRIVER_FRAMES": str(FRAMES), "LD_PRELOAD": str(driver)}
        words = [*options, tiny.path / "model", "/dev/video250"]
        done = on_openvino.run("ev_v4l2", *words, text=True, env=environment)
        lines = done.stderr.splitlines()
        statistics = json.loads(lines.pop()) if lines[-1].startswith("{") else None
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], statistics, "\n".join(lines)

    return watch


@pytest.mark.parametrize("form", ["NV12", "YU12", "YUYV", "RGB3"])
@pytest.mark.parametrize("options", [(), ("--dmabuf",)])
def test_each_format_is_seen_in_its_colors_until_ctrl_c(watch, form, options):
    status, results, statistics, said = watch(form, "", *options)
    assert (status, said) == (0, f"ev_v4l2: /dev/video250: {form} 64x48")
    assert statistics["received"] == FRAMES and statistics["refused"] == statistics["failed"] == 0
    assert [result["pts"] for result in results] == list(range(FRAMES))
    for result in results:
        assert result["classes"][0]["label"] == COLORS[result["pts"] % 3]
        assert 0 <= result["age_ms"] < 200_000  # the driver's clock is the library's; `run` waits no longer


def test_a_frame_that_the_driver_calls_damaged_is_not_looked_at(watch):
    status, results, statistics, _ = watch("NV12", "damaged")
    assert status == 0 and statistics["received"] == FRAMES - FRAMES // 3
    assert [result["pts"] for result in results] == [number for number in range(FRAMES) if number % 3 != 2]
    assert {result["classes"][0]["label"] for result in results} == {"red", "green"}


@pytest.mark.parametrize(
    ("form", "fault", "options", "why"),
    [
        ("NV12", "unplugged", (), "VIDIOC_DQBUF: No such device"),
        ("NV12", "silent", (), "no frame for 5 s"),
        ("YUYV", "short", (), "its buffers are shorter than its frames"),
        ("NV12", "unexported", ("--dmabuf",), "VIDIOC_EXPBUF: it exports no dmabuf"),
        ("MJPG", "", (), "MJPEG has to be decoded first"),
    ],
)
def test_what_a_camera_has_wrong_ends_it_with_the_cause(watch, form, fault, options, why):
    status, _, _, said = watch(form, fault, *options)
    assert status == 1 and why in said
