"""Arguments and options that several commands share, so that the same thing has the same name everywhere."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edgevision.cli.runtime_option import KeyValue, typed_options
from edgevision.errors import ConfigError, check_choice

Body = Callable[..., None]
Decorator = Callable[[Body], Body]


class Choice(click.Choice):  # type: ignore[type-arg]
    """One of several words; an unknown one is answered with the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return ``value`` if it is one of the words; raises ConfigError."""
        name = param.opts[0] if param is not None and param.opts else "value"
        check_choice(name, value, self.choices)
        return value


class FloatRange(click.FloatRange):
    """A number within bounds; unlike click's, neither "nan", which no bound keeps out, nor "inf"."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; a usage error for anything else."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"got {value}; allowed: a number", param, ctx)
        return number


class Threads(click.ParamType):  # type: ignore[type-arg]
    """A number of threads, or ``all``, which is None."""

    name = "threads"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what stands for the value in the help."""
        return "N|all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Return the number, None for ``all``; a usage error for anything else."""
        if isinstance(value, int):
            return value
        if value == "all":
            return None
        if not re.fullmatch("[0-9]{1,9}", str(value)) or int(value) < 1:
            self.fail(f"got {value}; allowed: 1 or more, or all", param, ctx)
        return int(value)


class Sizes(click.ParamType):  # type: ignore[type-arg]
    """Two whole numbers with a sign between them, such as 1x16 or 2:4."""

    name = "sizes"

    def __init__(self, sign: str) -> None:
        """Take numbers with ``sign`` between them."""
        self._sign = sign

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what stands for the value in the help."""
        return f"N{self._sign}M"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return the two numbers; a usage error for anything else."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(f"([0-9]{{1,6}}){self._sign}([0-9]{{1,6}})", str(value))
        if found is None:
            self.fail(f"got {value}; allowed: two whole numbers, such as 2{self._sign}4", param, ctx)
        return int(found[1]), int(found[2])


def model_argument(name: str = "model") -> Decorator:
    """``MODEL``: an artifact directory, or what else a command takes as a model."""
    return click.argument(name, type=click.Path(path_type=Path))


def out_option(default: str) -> Decorator:
    """``--out DIR``: the folder that results are written into."""
    return click.option(
        "--out", default=default, show_default=True, metavar="DIR", type=click.Path(path_type=Path),
        help="Folder to write the result into.",
    )  # fmt: skip


overwrite_option = click.option("--overwrite", is_flag=True, help="Replace a result that is already there.")


def data_options(*, required: bool = False) -> Decorator:
    """``--data LOCATION --split NAME``: a dataset, and which part of it."""

    def decorate(function: Body) -> Body:
        function = click.option("--split", type=Choice(["train", "test"]), help="Part of a dataset that is divided.")(
            function
        )
        return click.option(
            "--data", required=required, metavar="LOCATION",
            help="Labelled images: a folder, zip or tar.gz (with boxes: YOLO's texts, COCO's JSON); 'cifar10'; or "
            "'sample', which comes with edgevision.",
        )(function)  # fmt: skip

    return decorate


ALL = "all"
"""Of ``--runtime``: every runtime here that can."""


def runtime_options(*, several: bool = False, unnamed: str = ALL, isolated: bool = False) -> Decorator:
    """``--runtime --device --threads --precision --option --isolate``: what runs the model, where and how.

    Args:
        several: Whether several runtimes may be named, or ``all``, which is as no name where that means all.
        unnamed: What runs a model where several may be named and none is.
        isolated: Whether the command tries each model in a process of its own anyway, and needs no option for it.
    """

    def decorate(function: Body) -> Body:
        if not isolated:
            function = click.option(
                "--isolate/--no-isolate", default=None,
                help="Load and run MODEL once in a process of its own first: a runtime that crashes is then an error.  "
                "[default: for files without a manifest]",
            )(function)  # fmt: skip
        function = click.option(
            "--option", "chosen", multiple=True, type=KeyValue(),
            help="Another option of the runtime; may be given several times: package=tflite-runtime, cache_dir=DIR, "
            "low_precision=false, providers=NAME,NAME, delegate_options.KEY=VALUE, ….",
        )(function)  # fmt: skip
        function = click.option(
            "--precision", type=Choice(["float32", "bfloat16", "float16"]),
            help="What float parts are computed in, on runtimes that can choose (openvino). By default float32.",
        )(function)  # fmt: skip
        function = click.option(
            "--threads", type=Threads(), default=1, show_default=True, help="Threads that the runtime may use."
        )(function)
        function = click.option("--device", default="cpu", show_default=True, help="Where it runs.")(function)
        if several:
            every = "every runtime here that can"
            default = (
                f"By default, as with 'all', {every}." if unnamed == ALL else f"'all' is {every}. By default {unnamed}."
            )
            return click.option(
                "--runtime", "runtimes", multiple=True, metavar="NAME",
                callback=lambda context, option, names: _several(names, alike=unnamed == ALL),
                help=f"What runs it; may be given several times. {default}",
            )(function)  # fmt: skip
        return click.option(
            "--runtime", metavar="NAME", help="What runs it. By default the first runtime here that can."
        )(function)

    return decorate


def _several(names: tuple[str, ...], *, alike: bool) -> tuple[str, ...]:
    """Check that ``all`` stands alone; leave it out where it says no more than no name."""
    if ALL in names and set(names) != {ALL}:
        raise ConfigError(
            "--runtime: all are asked for, and one of them", got=", ".join(names), allowed="all, or names"
        )
    if ALL not in names:
        return names
    return () if alike else (ALL,)


def runtime_settings(
    threads: int | None,
    precision: str | None,
    chosen: Sequence[tuple[str, str]],
    runtimes: Sequence[str],
    batch: int | None = None,
) -> dict[str, Any]:
    """Return what `runtime_options` said as options of a runtime; one that has no such option refuses it."""
    named = {"threads": threads, "precision": precision, "batch": batch}
    given = {name: value for name, value in named.items() if name == "threads" or value is not None}
    return given | typed_options(chosen, runtimes)


def confidence_option(what: str) -> Decorator:
    """``--confidence``, of what is said."""
    return click.option(
        "--confidence", type=FloatRange(0, 1, min_open=True, max_open=True), default=0.95, show_default=True, help=what
    )


seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    show_default=True,
    help="Seed of everything drawn at random.",
)


def refuse_options(names: Collection[str], why: str, *, got: str | None = None, allowed: str | None = None) -> None:
    """Refuse options that the running command would not heed, where they stand on the command line.

    Args:
        names: Names of their parameters.
        why: What is said behind the option: ``is for training``.
        got: What was asked for that leaves them without an effect.
        allowed: What they are for.

    Raises:
        ConfigError: One of them was given.
    """
    context = click.get_current_context()
    for option in context.command.params:
        if option.name in names and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE:
            raise ConfigError(f"{option.opts[0]} {why}", got=got, allowed=allowed)
