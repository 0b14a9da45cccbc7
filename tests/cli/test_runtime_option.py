"""--option KEY=VALUE: options of runtimes, by the types of their registry rows."""

import json

import click
import pytest

from edgevision.cli import main
from edgevision.cli.app import Application
from edgevision.cli.command import command
from edgevision.cli.options import runtime_options, runtime_settings
from edgevision.registry import RUNTIMES
from edgevision.remote.arguments import running_arguments


@pytest.fixture
def settings(run):
    """What the runtime would be given for a command line."""
    got = {}

    @command("try", "edgevision try")
    @runtime_options(several=True)
    def body(runtimes, device, threads, precision, chosen, isolate):
        got.update(runtime_settings(threads, precision, chosen, runtimes))

    application = Application({}, name="edgevision")
    application.add_command(body)

    def settings(*arguments):
        got.clear()
        result = run("try", *arguments, application=application)
        return got if result.exit_code == 0 else (result.exit_code, result.stderr)

    return settings


EVERY = {
    "threads": 2, "low_precision": False, "pinning": True, "cache_dir": "a=b", "batch": 3, "providers": ["cuda", "cpu"],
    "delegate_options": {"a": "1", "b": "x=y"},
}  # fmt: skip
TYPED = (
    "--threads", "2", "--option", "low_precision=false", "--option", "pinning=true", "--option", "cache_dir=a=b",
    "--option", "batch=3", "--option", "providers=cuda,cpu", "--option", "delegate_options.a=1",
    "--option", "delegate_options.b=x=y",
)  # fmt: skip


def test_values_have_the_types_of_the_registry(settings):
    assert settings(*TYPED) == EVERY


def test_what_is_typed_on_another_machine_means_the_same(settings):
    assert running_arguments("cpu", [], EVERY, None) == ["--device", "cpu", *TYPED]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cach_dir=x",), "did you mean cache_dir?"),
        (
            ("cache_dir=x", "--runtime", "tflite"),
            "got cache_dir; allowed: batch, package, resolver, delegate, delegate_options",
        ),
        (("package",), "allowed: KEY=VALUE"),
        (("threads=2",), "there is an option for it: --threads"),
        (("pinning=yes",), "--option pinning: got yes; allowed: true, false"),
        (("batch=x",), "--option batch: got x; allowed: a whole number"),
        (("delegate_options=x",), "allowed: delegate_options.KEY=VALUE"),
        (("package.x=y",), "allowed: package=VALUE"),
        (("package=a", "--option", "package=b"), "--option package is given twice"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(settings, arguments, said):
    status, text = settings("--option", *arguments)
    assert status == 2 and said in text


def test_typed_options_are_options():
    assert all(set(row.types) <= set(row.options) for row in RUNTIMES)


def test_every_command_that_takes_threads_of_a_runtime_takes_its_other_options():
    for name in ("verify", "benchmark", "compare", "evaluate", "predict", "doctor"):
        params = {param.name: param for param in main.get_command(None, name).params}
        assert isinstance(params["chosen"], click.Option) and params["chosen"].multiple, name


def test_kernels_are_chosen(run, artifact, images):
    arguments = ("evaluate", artifact.path, "--data", images, "--option", "resolver=reference", "--json")
    document = json.loads(run(*arguments).stdout)
    assert document["facts"]["resolver"] == "reference"
    wrong = run("evaluate", artifact.path, "--data", images, "--option", "resolver=referense")
    assert wrong.exit_code == 2 and "did you mean reference?" in wrong.stderr
