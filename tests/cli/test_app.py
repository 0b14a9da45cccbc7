"""The frame that every command runs in: errors, exit statuses, help, quiet."""

import errno
import json
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from edgevision.cli import main
from edgevision.cli.app import Application
from edgevision.cli.command import Command, command
from edgevision.cli.options import Choice, Threads
from edgevision.cli.output import check_failed, note, show, working
from edgevision.errors import ConfigError, InputError


def application_with(body, *params) -> Application:
    """An application whose only command `try` runs `body`."""
    app = Application({}, name="edgevision")
    app.add_command(Command("try", callback=body, params=list(params), examples=("edgevision try",)))
    return app


def raising(error):
    def body():
        raise error

    return application_with(body)


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (InputError("not an image", got="a.txt"), 1, "edgevision: error: not an image: got a.txt"),
        (
            ConfigError("scheme", got="floot32", allowed=["float32", "float16"]),
            2,
            "edgevision: error: scheme: got floot32; allowed: float32, float16 (did you mean float32?)",
        ),
        (KeyboardInterrupt(), 130, "edgevision: interrupted; nothing was half-written"),
        (OSError(errno.ENOSPC, "No space left on device", "x"), 1, "edgevision: error: x: No space left on device"),
        (MemoryError(), 1, "edgevision: error: not enough memory; try fewer images at once, or a smaller model"),
        (
            ZeroDivisionError("division by zero\nand more"),
            1,
            "edgevision: error: ZeroDivisionError: division by zero; this is a bug; --debug shows the traceback",
        ),
    ],
)
def test_an_error_is_one_line_and_a_status(run, error, status, says):
    result = run("try", application=raising(error))
    assert (result.exit_code, result.stdout, result.stderr.strip()) == (status, "", says)


def test_debug_shows_the_traceback(run):
    result = run("try", "--debug", application=raising(ZeroDivisionError("division by zero")))
    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr and "in body" in result.stderr


def test_a_failed_check_has_its_own_status(run):
    result = run("try", application=application_with(lambda: check_failed("0.5 < 0.9")))
    assert (result.exit_code, result.stderr.strip()) == (3, "edgevision: check failed: 0.5 < 0.9")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["tri"], "no command 'tri'; did you mean try? See edgevision --help"),
        (["wholly-other"], "no command 'wholly-other'; allowed: try; see edgevision --help"),
        (
            ["try", "--schem", "float32"],
            "no such option '--schem'; did you mean one of: '--help', '--scheme'? See edgevision try --help",
        ),
        (["try", "--scheme", "flot32"], "--scheme: got flot32; allowed: float32, float16 (did you mean float32?)"),
        (["try", "--threads", "0"], "got 0; allowed: 1 or more, or all"),
        (["try", "extra"], "extra"),
    ],
)
def test_a_usage_error_is_status_2_and_names_the_near_ones(run, args, says):
    app = application_with(
        lambda scheme, threads: None,
        click.Option(["--scheme"], type=Choice(["float32", "float16"])),
        click.Option(["--threads"], type=Threads()),
    )
    result = run(*args, application=app)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr and result.stderr.startswith("edgevision: error: ")
    assert len(result.stderr.splitlines()) <= 2


@pytest.mark.parametrize(("given", "threads"), [("1", 1), ("8", 8), ("all", None)])
def test_threads(given, threads):
    assert Threads().convert(given, None, None) == threads


def test_json_is_alone_on_stdout_whatever_libraries_print(run):
    def body():
        with working("counting"):
            print("chatter")
            import logging
            import warnings

            warnings.warn("chatter", stacklevel=1)
            logging.getLogger("vendor").error("chatter")
        show({"count": 3}, "3")

    result = run("try", "--json", application=application_with(body))
    assert json.loads(result.stdout) == {"schema": 1, "command": "try", "count": 3}
    assert result.stderr == ""
    assert run("try", application=application_with(body)).stdout == "3\n"


def test_a_process_of_ours_is_quiet_below_python_too(process):
    code = """
import os, sys
from edgevision.cli import app, command, output
@command.command("try", "edgevision try")
def noisy():
    with output.working("counting"):
        os.write(2, b"chatter from C\\n"); os.write(1, b"chatter from C\\n")
    output.show({"count": 3}, "3")
    output.note("noted")
application = app.Application({}, name="edgevision")
application.add_command(noisy)
application.main()
"""
    done = process("try", code=code)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "3\n", "noted\n")
    loud = process("try", "--debug", code=code)
    assert "chatter from C" in loud.stderr and "chatter from C" in loud.stdout


def test_a_reader_that_leaves_early_is_no_error(process):
    code = """
import os
from edgevision.cli import app, command, output
@command.command("try", "edgevision try")
def long():
    output.show({}, "line\\n" * 100_000)
application = app.Application({}, name="edgevision")
application.add_command(long)
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 1)
application.main()
"""
    assert process("try", code=code).stderr == ""


def test_help_and_version_are_answers(run):
    assert run("--help").exit_code == 0
    version = run("--version")
    assert version.exit_code == 0 and version.stdout.startswith("edgevision 0.") and "\nnumpy " in version.stdout


def test_without_a_command_the_help_is_shown(run):
    assert "Usage: edgevision" in run().output


def test_help_of_a_command_has_its_example(run):
    @command("try", "edgevision try --json")
    def example():
        """Try it."""

    app = Application({}, name="edgevision")
    app.add_command(example)
    help_text = run("try", "--help", application=app).stdout
    assert "Example:\n  edgevision try --json\n" in help_text
    assert "--json" in help_text and "--debug" in help_text


def test_the_command_line_loads_only_click_for_help(process):
    code = (
        "import sys\nfrom edgevision.cli import main\n"
        "try: main.main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'numpy', 'PIL', 'tensorflow', 'openvino', 'ai_edge_litert'} & set(sys.modules)))"
    )
    assert process(code=code).stdout.rstrip().endswith("[]")


def test_every_row_names_a_command(run):
    for section in main.sections.values():
        for name, (_, text) in section.items():
            loaded = main.get_command(None, name)
            assert isinstance(loaded, Command), name
            assert loaded.name == name and loaded.help and loaded.examples
            assert text and not text.endswith(".")


def test_a_remark_while_the_library_works_is_seen(run):
    def body():
        with working("training"):
            note("epoch 1")

    assert run("try", application=application_with(body)).stderr == "epoch 1\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("when", ["while exit handlers run", "when Python has given up its signals"])
@pytest.mark.parametrize(("arguments", "status"), [(("--version",), 0), (("predict", "nothing", "x"), 1)])
def test_a_signal_in_the_last_moments_changes_nothing(process, number, when, arguments, status):
    late = "late = Late()" if when.startswith("when") else "atexit.register(Late().__del__)"
    code = f"""
import atexit, os, signal

class Late:
    def __init__(self):
        self.kill, self.arguments = os.kill, (os.getpid(), {int(number)})

    def __del__(self):
        self.kill(*self.arguments)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored
{late}
from edgevision.cli import main
main()
"""
    done = process(*arguments, code=code)
    assert done.exit_code == status and "Traceback" not in done.stderr
    assert done.stdout.startswith("edgevision ") if status == 0 else "error: nothing" in done.stderr


INTERRUPTED_AT = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

module = sys.argv[1]
sys.meta_path.insert(0, Interrupt())
from edgevision.__main__ import main
sys.argv = ["edgevision", "devices"]
main()
"""


@pytest.mark.parametrize("module", ["edgevision.cli", "click", "edgevision.cli.signals", "edgevision.cli.devices"])
def test_an_interrupt_is_a_line_and_a_status_from_the_first_moment(module):
    """Ctrl-C while a part of the command line is being loaded."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT, module], capture_output=True, text=True, timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell has it ignored
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.strip() == "edgevision: interrupted; nothing was half-written"


def test_the_command_begins_where_an_interrupt_is_heeded():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert 'edgevision = "edgevision.__main__:main"' in text
