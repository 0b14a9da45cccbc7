"""What a vendor's compiler made of a TFLite file: which operators went into its own, by the file that it wrote."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgevision.errors import BackendUnavailableError, ConversionError
from edgevision.graphs import Graph
from edgevision.mapping import CPU, LEFT, MappingReport, Placement

TIMEOUT_S = 1800.0


def last_line(text: str) -> str:
    """Return the last line of a log that says something, at most 200 characters of it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no output"


def run_tool(
    command: Sequence[str], name: str, timeout_s: float = TIMEOUT_S, telling: Callable[[str], str] = last_line
) -> str:
    """Run a vendor's tool and return what it printed, both streams in one text.

    Args:
        command: The program and its arguments.
        name: What it is called in errors.
        timeout_s: After how long it is stopped.
        telling: Finds the line of its log that says why it failed.

    Raises:
        BackendUnavailableError: It does not start.
        ConversionError: It failed, or took too long; the message has the line that ``telling`` found.
    """
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout_s, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as exc:
        raise BackendUnavailableError(f"{name} does not start: {exc.strerror}") from exc
    except subprocess.TimeoutExpired as exc:
        raise ConversionError(f"{name} was stopped", got=f"no result after {timeout_s:g} s") from exc
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        raise ConversionError(f"{name} failed with status {done.returncode}", got=telling(text))
    return text


def compiled_report(
    source: Graph,
    compiled: Graph,
    accelerator: str,
    custom: str,
    by: str,
    reasons: Mapping[str, str],
    facts: Mapping[str, Any],
) -> MappingReport:
    """Return where each operator of ``source`` runs, by what is left of it in ``compiled``.

    Args:
        source: The model as it was given to the compiler.
        compiled: The model that it wrote.
        accelerator: Target of what is no longer there.
        custom: Name of the compiler's custom operator.
        by: Who says so.
        reasons: Name of an operator's first output, or an operator's kind, -> why it is left.
        facts: Figures of the compiler.
    """
    left = {name for node in compiled.nodes if node.kind != custom for name in node.outputs}
    any_part = any(node.kind == custom for node in compiled.nodes)
    placements = []
    for node in source.nodes:
        if any_part and not left.intersection(node.outputs):
            placements.append(Placement(node.index, node.kind, node.name, accelerator))
        else:
            reason = reasons.get(node.name) or reasons.get(node.kind) or LEFT
            placements.append(Placement(node.index, node.kind, node.name, CPU, reason))
    return MappingReport(accelerator, by, tuple(placements), facts)
