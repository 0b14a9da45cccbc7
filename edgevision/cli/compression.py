"""What ``edgevision compress`` shows: the ledger of a recipe, or the front of a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevision.cli.output import check_failed, note, show, table

if TYPE_CHECKING:
    from edgevision.cli.progress import ProgressLine
    from edgevision.compress import Compressed, LedgerRow, SearchResult
    from edgevision.compress.running import Progress


def compression_progress(line: ProgressLine) -> Progress:
    """Return a callback (what, done, total) that moves a line."""
    return lambda what, done, total: line(done, total, what)


def show_compressed(done: Compressed) -> None:
    """Print a recipe's ledger, and on standard error what was skipped."""
    headers = ["step", "format", "bytes", "deflated", "parameters", "zeros", "MACs", "top-1 %", "drop", "p50 ms"]
    rows = [
        [
            row.step,
            f"{row.format} {row.scheme}",
            f"{row.bytes:,}",
            f"{row.deflated_bytes:,}",
            f"{row.parameters:,}",
            f"{row.zeros:,}",
            f"{row.macs:,}",
            _accuracy(row),
            f"{row.drop_points:+.2f}",
            _latency(row),
        ]
        for row in done.ledger.rows
    ]
    artifacts = [str(artifact.path) for artifact in done.artifacts]
    show(
        {"path": str(done.path), "artifacts": artifacts, "ledger": done.ledger.to_dict()},
        "\n".join([table(headers, rows), "", *artifacts]),
    )
    for row in done.ledger.rows:
        for layer, reason in row.skipped:
            note(f"edgevision: {row.format}, {row.step}: skipped {layer}: {reason}")


def show_search(result: SearchResult) -> None:
    """Print the front and the best candidate; end with status 3 where none meets every limit."""
    headers = ["trial", "format", "recipe", "bytes", "deflated", "top-1 %", "drop", "p50 ms", "meets"]
    rows = [
        [
            f"{point.trial}{' *' if point is result.best else ''}",
            point.row.format,
            point.recipe.name,
            f"{point.row.bytes:,}",
            f"{point.row.deflated_bytes:,}",
            _accuracy(point.row),
            f"{point.row.drop_points:+.2f}",
            _latency(point.row),
            "yes" if not point.violations else ", ".join(f"not {missed.constraint}" for missed in point.violations),
        ]
        for point in result.front
    ]
    counts = ", ".join(f"{count} {what}" for what, count in result.counts.items() if count)
    lines = [table(headers, rows), "", f"{counts}; those that no other beats are shown"]
    if result.best is not None:
        lines.append(f"* the most accurate of those that meet every limit: {result.path}")
    show(result.to_dict(), "\n".join(lines))
    for sentence in result.notes:
        note(f"edgevision: {sentence}")
    if result.best is None and result.nearest is not None:
        missed = "; ".join(map(str, result.nearest.violations))
        check_failed(f"no candidate meets every limit; the nearest is trial {result.nearest.trial}: {missed}")


def _accuracy(row: LedgerRow) -> str:
    half = 50 * (row.accuracy.high - row.accuracy.low)
    return f"{100 * (row.accuracy.value or 0.0):.2f} ±{half:.2f}"


def _latency(row: LedgerRow) -> str:
    return ", ".join(f"{latency.p50_ms:.3f}" for latency in row.latency.values())
