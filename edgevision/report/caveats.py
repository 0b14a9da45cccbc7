"""What the figures of a report do not say, in sentences that follow from the figures."""

from __future__ import annotations

from edgevision.metrics.percentiles import samples_needed
from edgevision.report.model import Report
from edgevision.report.names import half_width, percent, short_names

_RESTLESS = 5.0


def caveats(report: Report) -> list[str]:
    """Return the sentences, the weightiest first; the report's own notes at the end."""
    sentences = [*_parity(report), *_sample(report), *_latency(report), *_missing(report), *report.notes]
    return [sentence if sentence.endswith((".", "!", "?")) else sentence + "." for sentence in sentences]


def _parity(report: Report) -> list[str]:
    names = short_names(report.entries)
    runs = [(names[entry.name], run) for entry in report.entries for run in entry.runs]
    broken = [f"{name} on {run.runtime}" for name, run in runs if run.verdict == "broken"]
    unproven = [f"{name} on {run.runtime}" for name, run in runs if run.verdict == "unproven"]
    sentences = []
    if broken:
        sentences.append(
            f"Parity is broken: {', '.join(broken)}. Outputs are further from the sealed ones than allowed"
        )
    if unproven:
        sentences.append(f"Parity is unproven: {', '.join(unproven)}. No tolerance was ever measured there")
    return sentences


def _sample(report: Report) -> list[str]:
    accuracies = [run.accuracy for entry in report.entries for run in entry.runs if run.accuracy]
    if not accuracies:
        return []
    fewest = min(accuracy.count for accuracy in accuracies)
    widest = max(half_width(accuracy) for accuracy in accuracies)
    sentences = [
        f"Accuracy rests on {fewest:,} images: its 95% interval is about ±{100 * widest:.1f} points wide, so a smaller "
        "difference between two artifacts is not established by their accuracies alone; agreement, which compares them "
        "image by image, says more"
    ]
    agreements = [run.agreement for entry in report.entries for run in entry.runs if run.agreement]
    if agreements:
        lowest = min(agreements, key=lambda agreement: agreement.low)
        sentences.append(
            f"Agreement counts equal answers, right or wrong; the lowest here is {percent(lowest)} %: artifacts change "
            "single answers even where the accuracy stays"
        )
    return sentences


def _latency(report: Report) -> list[str]:
    latencies = [run.latency for entry in report.entries for run in entry.runs if run.latency]
    if not latencies:
        return []
    sentences = ["Latency holds for this machine, in the state in which it was; it says nothing about another device"]
    fewest = min(latency.count for latency in latencies)
    if fewest < samples_needed(99):
        sentences.append(
            f"The smallest run has {fewest:,} inferences: a p99 needs {samples_needed(99)} of them, and is left out "
            "where there are fewer"
        )
    restless = [(tail[1] / item.p50_ms, tail[0]) for item in latencies if item.p50_ms > 0 and (tail := item.tail)]
    if restless and max(restless)[0] > _RESTLESS:
        times, name = max(restless)
        sentences.append(
            f"A {name} is {times:.0f} times its median: something else ran on the machine, and the tails say more "
            "about that than about the models"
        )
    return sentences


def _missing(report: Report) -> list[str]:
    names = short_names(report.entries)
    without = [names[entry.name] for entry in report.entries if entry.evaluated is None]
    return [f"Not evaluated: {', '.join(without)}"] if without else []
