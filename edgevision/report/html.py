"""The report as one HTML page that needs nothing else: no script, no font, no image, no address."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from edgevision.optional import require
from edgevision.report.caveats import caveats
from edgevision.report.model import Entry, History, Report
from edgevision.report.names import kilobytes, percent, printable, short_names, three_digits
from edgevision.report.plots import (
    LEAST_EPOCHS,
    Picture,
    change_picture,
    confusion_picture,
    history_pictures,
    latency_picture,
    size_picture,
)
from edgevision.report.run import Run


@dataclass(frozen=True)
class Fact:
    """One of the figures at the top: what it is, the figure, and what stands behind it."""

    title: str
    figure: str
    detail: str


def render_html(report: Report) -> str:
    """Return the page's text. The same report gives the same text.

    Raises:
        BackendUnavailableError: matplotlib or jinja2 is not installed (extra ``report``).
    """
    jinja2 = require("jinja2")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "kilobytes": kilobytes,
        "percent": percent,
        "digits": three_digits,
        "value": _value,
        "printable": printable,
    }
    markup = require("markupsafe").Markup
    folder = files("edgevision.report")
    template = environment.from_string(folder.joinpath("page.html.j2").read_text(encoding="utf-8"))
    style = folder.joinpath("page.css").read_text(encoding="utf-8")
    text: str = template.render(
        report=report,
        names=short_names(report.entries),
        facts=_facts(report),
        sections=_sections(report),
        short_histories=[history for history in report.histories if history.epochs < LEAST_EPOCHS],
        last_epoch=_last_epoch,
        caveats=caveats(report),
        style=markup(style),
        markup=markup,
    )
    return text


def _sections(report: Report) -> list[tuple[str, list[Picture]]]:
    """The groups of pictures: a key for the page's layout, and the pictures there are."""
    whole = [picture for picture in (size_picture(report), latency_picture(report)) if picture]
    curves = [picture for history in report.histories for picture in history_pictures(history)]
    groups = [("whole", whole), ("half", _confusions(report)), ("half", curves)]
    return [(layout, pictures) for layout, pictures in groups if pictures]


def _confusions(report: Report) -> list[Picture]:
    """The matrix of the float reference, and what the smallest artifact changes in it."""
    names = short_names(report.entries)
    matrices = {entry.name: run.confusion for entry in report.entries for run in reversed(entry.runs) if run.confusion}
    if not matrices:
        return []
    first = report.reference if report.reference in matrices else next(iter(matrices))
    pictures = [confusion_picture(f"Confusion matrix: {names[first]}", matrices[first], report.labels)]
    others = [entry for entry in report.entries if entry.name in matrices and entry.name != first]
    if others:
        smallest = min(others, key=lambda entry: (entry.bytes, entry.deflated_bytes))
        title = f"What changes from {names[first]} to {names[smallest.name]}"
        pictures.append(change_picture(title, matrices[first], matrices[smallest.name], report.labels))
    return [picture for picture in pictures if picture]


def _facts(report: Report) -> list[Fact]:
    names = short_names(report.entries)
    reference = report.reference_entry
    others = [entry for entry in report.entries if entry is not reference]
    facts = []
    if reference.evaluated:
        accuracy = reference.evaluated.accuracy
        facts.append(Fact("Float reference", f"{percent(accuracy, interval=False)} %", _accuracy(reference)))
    if others:
        smallest = min(others, key=lambda entry: (entry.bytes, entry.deflated_bytes))
        share = f"{100 * report.bytes_ratio(smallest):.1f} % of {names[report.baseline(smallest).name]}"
        detail = "; ".join(filter(None, (names[smallest.name], share, _accuracy(smallest))))
        facts.append(Fact("Smallest", kilobytes(smallest.bytes), detail))
    timed = [(run.latency.p50_ms, entry, run) for entry in report.entries for run in entry.runs if run.latency]
    if timed:
        p50, entry, run = min(timed, key=lambda item: item[0])
        facts.append(Fact("Fastest, median", f"{three_digits(p50)} ms", f"{names[entry.name]} on {run.runtime}"))
    verdicts = [run.verdict for entry in report.entries for run in entry.runs if run.verdict]
    if verdicts:
        holds = verdicts.count("holds")
        rest = [f"{verdicts.count(v)} {v}" for v in ("broken", "unproven") if v in verdicts]
        facts.append(Fact("Parity holds", f"{holds} of {len(verdicts)}", "; ".join(rest) or "artifact × runtime"))
    return facts


def _accuracy(entry: Entry) -> str:
    run: Run | None = entry.evaluated
    return f"top-1 {percent(run.accuracy)} % (95%)" if run else ""


def _last_epoch(history: History) -> str:
    values = [f"{name} {history.metrics[name][-1]:.4g}" for name in history.metrics if history.epochs]
    return ", ".join(values) or "nothing recorded"


def _value(value: Any) -> str:
    """Write what a manifest holds: text as it is, floats short, everything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, int) else f"{value:,}"
