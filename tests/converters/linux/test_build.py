"""Built with every warning and with sanitizers, installed, run on streams, and on what is wrong."""

import json
import os
import shutil
import signal
import subprocess

import numpy as np
import pytest

from edgevision.frames import encode_frame

pytestmark = pytest.mark.slow


POST_PROCESS = "decoding tflite_detection_postprocess 0.3 0.5 0 100 0 1"
YOLOX = "decoding yolox 0.3 0.5 0 100 0 0\nlevel 0 0 0 1"
WRAPS = 2**64 - 1


def ctest(folder):
    done = subprocess.run(  # as the README has it: ctest has --test-dir from CMake 3.20 on
        ["cmake", "--build", str(folder), "--target", "test"], capture_output=True, text=True, timeout=280,
        env=os.environ | {"CTEST_OUTPUT_ON_FAILURE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "3 tests" in done.stdout or "out of 3" in done.stdout
    return done.stdout


def test_its_own_tests_hold(on_openvino):
    ctest(on_openvino.folder)


def test_its_own_tests_hold_on_litert(on_litert):
    ctest(on_litert[1].folder)


@pytest.mark.parametrize("sanitizers", ["address,undefined", "thread"])
def test_sanitizers_find_nothing(compiler, tiny, build, tmp_path, sanitizers):
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    built = build(tiny, tmp_path / "build", f"-DEDGEVISION_SANITIZE={sanitizers}", "-DCMAKE_BUILD_TYPE=RelWithDebInfo")
    ctest(built.folder)


def test_the_selftest_notices_another_table(on_openvino, tiny, tmp_path):
    project = shutil.copytree(tiny.path, tmp_path / "project")
    cases = project / "selftest/cases.txt"
    first = next(line for line in cases.read_text().splitlines() if line.startswith("input "))
    cases.write_text(cases.read_text().replace(first, "input 00000000"))
    done = on_openvino.run("tests/ev_selftest", project / "model", project / "selftest", text=True)
    assert done.returncode == 1 and "the input has checksum" in done.stdout


def becomes(old, new):
    """A harm: other words in ev.conf, with the right last line."""

    def harm(model, write):
        text = (model / "ev.conf").read_text()
        assert old in text
        write(model, text.replace(old, new))

    return harm


def as_detector(lines):
    return becomes("task classification", f"task detection\n{lines}")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda model, _: (model / "ev.conf").unlink(), "ev.conf: cannot be read: No such file"),
        (lambda model, _: (model / "colors.onnx").unlink(), "colors.onnx: cannot be read: No such file"),
        (lambda model, _: (model / "colors.onnx").write_bytes(b"x"), "damaged, or of another model: got 1 bytes"),
        (lambda model, _: (model / "input.table").write_bytes(bytes(3072)), "input.table: damaged"),
        (lambda model, _: (model / "ev.conf").write_text("edgevision 1\n"), "ev.conf is damaged: its end is missing"),
        (lambda model, _: (model / "ev.conf").write_text("edgevision 9\n"), "another schema than 1"),
        (lambda model, _: cut(model, 1), "ev.conf is damaged: its end is missing"),
        (lambda model, _: cut(model, 3), "ev.conf is damaged: its end is missing"),
        (lambda model, _: damage(model, "RGB 0", "RGB 9"), "its SHA-256 is not the one"),
        (lambda model, _: (model / "ev.conf").write_bytes(b"\xff\x00\n"), "ev.conf is damaged: an unknown word"),
        (becomes("runtime openvino", "runtime litert"), "for another runtime: got litert"),
        (becomes("float32 4 1 3 8 8", "float32 4 1 3 8 9"), "contradict each other"),
        (becomes("float32 4 1 3 8 8", "float32 4 1 3 4 16"), "contradict each other"),
        (becomes("float32 4 1 3 8 8", "float32 4 1 3 9999999 9999999"), "a length of 9999999"),
        (becomes("task classification", "task guessing"), "an unknown task: got guessing"),
        (as_detector(POST_PROCESS), "without its rows"),
        (as_detector(f"{YOLOX} 1 3 0 1"), "leaves its output"),
        (as_detector(f"{YOLOX} 1 6 0 1"), "leaves its output"),
        (as_detector(f"{YOLOX} {WRAPS} 6 0 1"), "leaves its output"),
        (becomes("colors.onnx", "../colors.onnx"), "leaves the folder"),
    ],
)
def test_damaged_models_have_a_text(on_openvino, tiny, write_config, tmp_path, harm, said):
    project = shutil.copytree(tiny.path, tmp_path / "project")
    harm(project / "model", write_config)
    (tmp_path / "raw").write_bytes(bytes(192))
    words = ["--format", "rgb24", "--size", "8x8", project / "model", tmp_path / "raw"]
    done = on_openvino.run("ev_file", *words, text=True)
    assert done.returncode == 1 and said in done.stderr, done.stderr


def cut(model, lines):
    text = (model / "ev.conf").read_text()
    (model / "ev.conf").write_text("".join(text.splitlines(True)[:-lines]))


def damage(model, old, new):
    text = (model / "ev.conf").read_text()
    assert old in text
    (model / "ev.conf").write_text(text.replace(old, new))


def test_a_file_that_is_no_model_is_refused_by_the_runtime(on_openvino, tiny, replace_model, tmp_path):
    project = shutil.copytree(tiny.path, tmp_path / "project")
    replace_model(project, b"not a model")
    (tmp_path / "raw").write_bytes(bytes(192))
    words = ["--format", "rgb24", "--size", "8x8", project / "model", tmp_path / "raw"]
    done = on_openvino.run("ev_file", *words, text=True)
    assert done.returncode == 1 and "openvino: colors.onnx is refused" in done.stderr


def test_frames_without_time_left_are_skipped_and_counted(on_openvino, tiny, tmp_path):
    (tmp_path / "raw").write_bytes(bytes(192 * 20))
    words = ["--live", "--budget", "0.000001", "--format", "rgb24", "--size", "8x8", tiny.path / "model"]
    done = on_openvino.run("ev_file", *words, tmp_path / "raw", text=True)
    counts = json.loads(done.stderr.splitlines()[-1])
    assert done.returncode == 0 and done.stdout == ""
    assert counts["received"] == 20 == counts["skipped"] + counts["replaced"] and counts["skipped"] > 0


def test_a_ppm_and_standard_input(on_openvino, tiny, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8)
    (tmp_path / "image.ppm").write_bytes(b"P6\n10 12\n255\n" + image.tobytes())
    one = on_openvino.run("ev_file", tiny.path / "model", tmp_path / "image.ppm")
    raw = b"".join(plane.tobytes() for plane in encode_frame(image, "rgb888").planes)
    words = ["--format", "rgb24", "--size", "10x12", tiny.path / "model", "-"]
    other = on_openvino.run("ev_file", *words, input=raw)
    assert one.returncode == other.returncode == 0
    assert json.loads(one.stdout)["classes"] == json.loads(other.stdout)["classes"]


def test_a_ppm_with_comments(on_openvino, tiny, tmp_path):
    pixels = bytes(range(192))
    plain, noted = tmp_path / "plain.ppm", tmp_path / "noted.ppm"
    plain.write_bytes(b"P6\n8 8\n255\n" + pixels)
    noted.write_bytes(b"P6\n# from an editor\n#\n8 # wide\n 8\n255\n" + pixels + b"\n")
    found = [on_openvino.run("ev_file", tiny.path / "model", file) for file in (plain, noted)]
    assert [done.returncode for done in found] == [0, 0]
    first, second = (json.loads(done.stdout)["classes"] for done in found)
    assert first == second


@pytest.mark.parametrize(
    "content", [b"", b"P6", b"P6\n8 8\n65535\n", b"P6\n#8 8 255\n", b"P6 -8 8 255\n", b"P5\n8 8\n255\n"]
)
def test_what_is_no_ppm_is_told(on_openvino, tiny, tmp_path, content):
    (tmp_path / "image.ppm").write_bytes(content)
    done = on_openvino.run("ev_file", tiny.path / "model", tmp_path / "image.ppm", text=True)
    assert done.returncode == 1 and "no PPM (P6, 255)" in done.stderr


@pytest.mark.parametrize(("count", "results"), [(0, 0), (191, 0), (2 * 192 + 5, 2)])
def test_a_frame_that_is_cut_is_told(on_openvino, tiny, tmp_path, count, results):
    (tmp_path / "raw").write_bytes(bytes(count))
    words = ["--format", "rgb24", "--size", "8x8", tiny.path / "model", tmp_path / "raw"]
    done = on_openvino.run("ev_file", *words, text=True)
    assert done.returncode == 1 and len(done.stdout.splitlines()) == results
    assert f"its last frame is cut: got {count % 192} bytes; allowed: 192 a frame" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ([], 2, "no MODEL and FILE"),
        (["--format", "mjpeg", "m", "f"], 2, "--format: got mjpeg"),
        (["--format", "nv12", "m", "f"], 2, "--format without --size"),
        (["--format", "nv12", "--size", "8x8", "m", "f"], 2, "YUV without --encoding"),
        (["--size", "0x8", "m", "f"], 2, "--size: got 0x8"),
        (["m", "/nowhere"], 1, "/nowhere: No such file"),
    ],
)
def test_misuse_is_told(on_openvino, words, status, said):
    done = on_openvino.run("ev_file", *words, text=True)
    assert done.returncode == status and said in done.stderr


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("/dev/video250", "cannot be opened: No such file"),
        ("/etc", "cannot be opened: Is a directory"),
        ("/dev/null", "no V4L2 device"),
        ("REGULAR", "no V4L2 device"),
    ],
)
def test_what_is_no_camera_is_told(on_openvino, tiny, tmp_path, device, said):
    (tmp_path / "regular").write_bytes(b"x")
    device = tmp_path / "regular" if device == "REGULAR" else device
    done = on_openvino.run("ev_v4l2", tiny.path / "model", device, text=True)
    assert done.returncode == 1 and said in done.stderr


def test_installed_and_found_by_pkg_config(on_openvino, tiny, tmp_path):
    if shutil.which("pkg-config") is None:
        pytest.skip("no pkg-config: apt-get install pkg-config")
    place = tmp_path / "installed"
    command = ["cmake", "--install", on_openvino.folder, "--prefix", place]
    subprocess.run(command, check=True, capture_output=True)
    environment = {"PKG_CONFIG_PATH": str(place / "lib/pkgconfig"), "PATH": "/usr/bin:/bin"}

    def says(*words):
        done = subprocess.run(["pkg-config", *words, "ev"], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    program = tmp_path / "program"
    source = tiny.path / "tests/refusals.c"
    subprocess.run(["cc", "-std=c99", source, *says("--cflags", "--libs"), "-o", program], check=True)
    done = subprocess.run(
        [program, *says("--variable=model")],
        env={"LD_LIBRARY_PATH": str(place / "lib")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_frames_of_gstreamer_through_a_pipe(on_openvino, tiny):
    if shutil.which("gst-launch-1.0") is None:
        pytest.skip("no gst-launch-1.0: apt-get install gstreamer1.0-tools")
    source = "videotestsrc num-buffers=7 ! video/x-raw,format=NV12,width=64,height=48,colorimetry=bt601 ! fdsink"
    made = subprocess.run(["gst-launch-1.0", "-q", *source.split()], capture_output=True, check=True)
    words = ["--format", "nv12", "--size", "64x48", "--encoding", "bt601-limited", tiny.path / "model", "-"]
    done = on_openvino.run("ev_file", *words, input=made.stdout)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 7


def test_frames_of_gstreamer_through_an_appsink(on_openvino, tiny):
    if not (on_openvino.folder / "ev_appsink").exists():
        pytest.skip("no ev_appsink: apt-get install libgstreamer-plugins-base1.0-dev")
    source = "videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=66,height=50"
    done = on_openvino.run("ev_appsink", tiny.path / "model", source, text=True)
    counts = json.loads(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert counts["received"] >= 1 and counts["refused"] == counts["failed"] == 0 and counts["results"] >= 1
    wrong = on_openvino.run("ev_appsink", tiny.path / "model", "nosuchsource", text=True)
    assert wrong.returncode == 2 and "nosuchsource" in wrong.stderr


@pytest.fixture
def appsink(on_openvino, tiny):
    """appsink(pipeline, …): the program, started."""
    program = on_openvino.folder / "ev_appsink"
    if not program.exists():
        pytest.skip("no ev_appsink: apt-get install libgstreamer-plugins-base1.0-dev")
    started = []

    def start(pipeline, **options):
        command = [program, tiny.path / "model", pipeline]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, **pipes, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_an_appsink_with_its_statistics(appsink):
    process = appsink("videotestsrc is-live=true ! video/x-raw,format=I420,width=66,height=50")
    assert b'"classes"' in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0 and json.loads(said.splitlines()[-1])["results"] >= 1


def test_a_stream_that_falls_silent_without_an_end_is_told(appsink):
    """As an RTSP server that is frozen: the connection stands, and nothing comes."""
    parse = "rawvideoparse width=66 height=50 format=i420 framerate=25/1"
    process = appsink(f"fdsrc ! {parse} ! videoconvert", stdin=subprocess.PIPE)
    process.stdin.write(bytes(3 * 50 * (68 + 36)))
    process.stdin.flush()
    assert process.wait(200) == 1 and b"ev_appsink: no frame for 5 s" in process.stderr.read()


def test_cmake_says_what_is_missing(compiler, tiny, resnet8_int8, tmp_path):
    from edgevision.converters.linux import linux_project

    project = linux_project(resnet8_int8, tmp_path, name="net")
    for options, said in (
        ([], "EDGEVISION_LITERT=FOLDER"),
        ([f"-DEDGEVISION_LITERT={tmp_path}"], "no libLiteRt.so in"),
    ):
        done = subprocess.run(
            ["cmake", "-S", project.path, "-B", tmp_path / "build", *options], capture_output=True, text=True
        )
        assert done.returncode != 0 and said in " ".join(done.stderr.split())
