"""What ``edgevision evaluate`` prints of a detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevision.cli.output import facts, table

if TYPE_CHECKING:
    from edgevision.evaluate_detection import DetectionSummary
    from edgevision.metrics.intervals import Proportion


def detection_text(result: DetectionSummary) -> str:
    """Return the figures, and a row for each class that has objects or was found."""
    metrics = result.detection
    package = " ".join(str(result.facts[key]) for key in ("package", "version") if result.facts.get(key))
    summary = facts(
        {
            "images": f"{metrics.count:,}, with {metrics.objects:,} objects",
            "mAP50": share(metrics.map50),
            "mAP50:95": share(metrics.map),
            "mAP75": share(metrics.map75),
            "by size": ", ".join(
                f"{name} {share(getattr(metrics, f'map_{name}'))}" for name in ("small", "medium", "large")
            ),
            "recall": ", ".join(f"{share(getattr(metrics, f'ar{limit}'))} of {limit}" for limit in (1, 10, 100)),
            f"at {metrics.score_threshold:g}": f"precision {_interval(metrics.precision)}, "
            f"recall {_interval(metrics.recall)}, F1 {share(metrics.f1)}",
            "best F1": f"{metrics.best_f1:.4f}"
            + ("" if metrics.best_threshold is None else f" at {metrics.best_threshold:.3f}"),
            "ran on": f"{package}, {result.device}, threads: {result.facts.get('threads')}",
        }
    )
    rows = [
        [entry.label, entry.support, share(entry.ap50), share(entry.ap), share(entry.precision.value),
         share(entry.recall.value), share(entry.f1)]
        for entry in metrics.per_class
        if entry.support or entry.precision.count
    ]  # fmt: skip
    return f"{summary}\n\n{table(['class', 'objects', 'AP50', 'AP50:95', 'precision', 'recall', 'F1'], rows)}"


def share(value: float | None) -> str:
    """Return a share as text."""
    return "–" if value is None else f"{value:.4f}"


def _interval(one: Proportion) -> str:
    return "–" if one.value is None else f"{one.value:.4f} ({one.low:.4f} to {one.high:.4f})"
