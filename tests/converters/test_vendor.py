"""A vendor's step: silent, its exceptions ours, and everything as before once it is over."""

import io
import logging
import os
import subprocess
import sys
import threading
import traceback
import warnings

import pytest

from edgevision.converters.vendor import LOG_LINES, vendor_step
from edgevision.errors import ArtifactError, CalibrationError, ConversionError


def chatter(word):
    """Say `word` in every way that vendors have: C++ on the descriptors, print, and a warning."""
    os.write(1, f"{word} on descriptor 1\n".encode())
    os.write(2, f"{word} on descriptor 2\n".encode())
    print(f"{word} printed")
    print(f"{word} printed to stderr", file=sys.stderr)
    warnings.warn(f"{word} as a warning", stacklevel=2)


def test_chatter_is_not_shown_and_what_comes_before_and_after_is(capfd):
    print("before")
    with vendor_step("a step"):
        chatter("noise")
    print("after")
    print("after, to stderr", file=sys.stderr)
    assert capfd.readouterr() == ("before\nafter\n", "after, to stderr\n")


def test_what_a_vendor_raises_becomes_ours_with_its_cause_and_the_last_words(capfd):
    with (
        pytest.raises(ConversionError, match=r"^converting small failed: no such operator$") as caught,
        vendor_step("converting small"),
    ):
        print("\n".join(f"line {number}" for number in range(100)))
        os.write(2, b"the reason, from C++\n")
        raise RuntimeError("no such operator")
    assert isinstance(caught.value.__cause__, RuntimeError)
    (note,) = caught.value.__cause__.__notes__
    assert note.splitlines()[-1] == "the reason, from C++"
    assert len(note.splitlines()) == LOG_LINES
    assert "the reason, from C++" in "".join(traceback.format_exception(caught.value)) or sys.version_info < (3, 11)
    print("still here")
    assert capfd.readouterr() == ("still here\n", "")


def test_the_error_and_its_advice_can_be_chosen():
    with (
        pytest.raises(ArtifactError, match="loading x failed: bad magic; save it again"),
        vendor_step("loading x", error=ArtifactError, next_step="save it again"),
    ):
        raise OSError("bad magic")


@pytest.mark.parametrize(
    "error", [CalibrationError("no images"), KeyboardInterrupt(), SystemExit(143), MemoryError("too large")]
)
def test_our_errors_and_interruptions_pass_through(error, capfd):
    with pytest.raises(type(error)) as caught, vendor_step("a step"):
        raise error
    assert caught.value is error
    print("still here")
    os.write(2, b"and here\n")
    assert capfd.readouterr() == ("still here\n", "and here\n")


def test_streams_descriptors_and_warning_filters_are_restored():
    before = sys.stdout, sys.stderr, warnings.filters[:], os.fstat(1), os.fstat(2), set(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(ConversionError), vendor_step("a step"):
            raise ValueError
    after = sys.stdout, sys.stderr, warnings.filters[:], os.fstat(1), os.fstat(2), set(os.listdir("/proc/self/fd"))
    assert after == before


def test_steps_nest_and_the_inner_one_gives_back_to_the_outer(capfd):
    with pytest.raises(ConversionError, match="outer failed: boom") as caught, vendor_step("outer"):
        print("outer begins")
        with vendor_step("inner"):
            print("inner speaks")
        os.write(2, b"outer ends\n")
        raise RuntimeError("boom")
    (note,) = caught.value.__cause__.__notes__
    assert note.splitlines() == ["outer begins", "outer ends"]
    assert capfd.readouterr() == ("", "")


def test_two_threads_leave_the_descriptors_as_they_were(capfd):
    def work():
        for _ in range(20):
            with vendor_step("a step"):
                os.write(2, b"noise\n")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(1, b"still here\n")
    assert capfd.readouterr() == ("still here\n", "")


@pytest.fixture
def handler():
    """A log handler that a vendor created within a step, on a logger of its own."""
    with vendor_step("a step"):
        handler = logging.StreamHandler()
        logging.getLogger("vendor").addHandler(handler)
        logging.getLogger("vendor").warning("noise")
    yield handler
    logging.getLogger("vendor").removeHandler(handler)


def test_a_handler_made_within_a_step_writes_to_stderr_afterwards(handler, monkeypatch):
    for _ in range(2):
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        logging.getLogger("vendor").warning("later")
        assert sys.stderr.getvalue() == "later\n"


def test_closing_that_handlers_stream_leaves_stderr_open(handler, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    handler.stream.close()
    assert not sys.stderr.closed
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "__stderr__", None)
    logging.getLogger("vendor").warning("into nothing")


def run(program, **options):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=250,
        check=False, **options,
    )  # fmt: skip


def test_tensorflow_first_imported_within_a_step_can_warn_later():
    program = """
from edgevision.converters.vendor import vendor_step
from edgevision.optional import require
with vendor_step("a step"):
    require("tensorflow").get_logger().warning("noise")
    require("absl.logging").warning("more noise")
require("tensorflow").get_logger().warning("a later word")
require("absl.logging").warning("a last word")
"""
    done = run(program, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"})
    assert done.returncode == 0
    assert "a later word" in done.stderr and "a last word" in done.stderr
    assert "Logging error" not in done.stderr and "noise" not in done.stderr


def test_closed_streams_are_no_failure():
    program = """
import os
from edgevision.converters.vendor import vendor_step
with vendor_step("a step"):
    print("noise")
os.write(1, b"done")
"""
    done = run(program, preexec_fn=lambda: os.close(2))
    assert (done.returncode, done.stdout) == (0, "done")


def test_a_full_disk_for_the_log_does_not_stop_the_step(monkeypatch, capfd):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with vendor_step("a step"):
        chatter("noise")
    with pytest.raises(ConversionError, match="a step failed: gone"), vendor_step("a step"):
        raise ValueError("gone")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "RuntimeError"),
        ("one line", "one line"),
        ("Traceback:\n  File x\nValueError: axis 7 is invalid\nmore", "ValueError: axis 7 is invalid"),
        ("cannot read /home/someone/models/net.h5 at all", "cannot read net.h5 at all"),
        ("layer model/block/conv is not supported", "layer model/block/conv is not supported"),
        ("an error: see https://example.org/a/b", "an error: see https://example.org/a/b"),
        ("Some ops …\n\tTF Select ops: A, B\nDetails:\n", "operators that the format does not have: A, B"),
        ("Flex ops: A\nCustom ops: C\n", "operators that the format does not have: A, C"),
        ("error " + "x" * 300, "error " + "x" * 193 + "…"),
    ],
)
def test_the_line_that_says_something_is_the_reason(text, reason):
    with pytest.raises(ConversionError) as caught, vendor_step("a step"):
        raise RuntimeError(text)
    assert str(caught.value) == f"a step failed: {reason}"


def test_logging_that_a_vendor_configures_is_the_programs_again(tmp_path):
    """As Optuna's migrations and OpenVINO's converter do it; a process of its own, whose logging is nobody else's."""
    settings = tmp_path / "logging.ini"
    settings.write_text(
        "[loggers]\nkeys=root\n[handlers]\nkeys=\n[formatters]\nkeys=\n[logger_root]\nlevel=CRITICAL\nhandlers=\n"
    )
    program = f"""
import logging, logging.config
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConversionError
logging.basicConfig(format="%(name)s says %(message)s")
try:
    with vendor_step("a step"):
        logging.config.fileConfig({str(settings)!r})
        logging.root.addFilter(lambda record: False)
        logging.getLogger("edgevision.pipeline").warning("noise")
        raise ValueError
except ConversionError:
    logging.getLogger("edgevision.pipeline").warning("a later word")
    logging.warning("a last word")
"""
    program = f"import logging\nlogging.getLogger('edgevision.pipeline')\n{program}"
    assert run(program).stderr.splitlines() == ["edgevision.pipeline says a later word", "root says a last word"]
