"""Short labels for entries and figures for people: one way of writing bytes, shares and milliseconds everywhere."""

from __future__ import annotations

from collections.abc import Sequence

from edgevision.metrics.intervals import Proportion
from edgevision.report.model import Entry


def short_names(entries: Sequence[Entry]) -> dict[str, str]:
    """Return a label for each entry's name: format and scheme, after what else tells it apart where those do not.

    Names are cut at dashes; what all of them begin with is left out.
    """
    skip = _common_start([entry.name.split("-") for entry in entries])
    plain = [f"{entry.format} {entry.scheme}" for entry in entries]
    labels = [
        label if plain.count(label) == 1 else _telling(entry, "-".join(entry.name.split("-")[skip:]))
        for entry, label in zip(entries, plain, strict=True)
    ]
    if len(set(labels)) < len(labels):
        return {entry.name: entry.name for entry in entries}
    return {entry.name: label for entry, label in zip(entries, labels, strict=True)}


def _common_start(names: Sequence[Sequence[str]]) -> int:
    shortest = min(map(len, names), default=1) - 1
    return next((i for i in range(shortest) if len({name[i] for name in names}) > 1), max(shortest, 0))


def _telling(entry: Entry, name: str) -> str:
    usual = f"{entry.format}-{entry.scheme}"
    rest = name.replace(usual, "").strip("-") if usual in name else name
    return " ".join(filter(None, (rest, entry.format, entry.scheme)))


def kilobytes(count: int) -> str:
    """Write bytes for people, in powers of 1000.

    >>> kilobytes(98_496), kilobytes(3_210_000), kilobytes(512)
    ('98.5 kB', '3.21 MB', '512 B')
    """
    if count < 1000:
        return f"{count} B"
    value, unit = next(
        ((count / size, unit) for size, unit in ((1e3, "kB"), (1e6, "MB")) if count < size * 999.5), (count / 1e9, "GB")
    )
    return f"{three_digits(value)} {unit}"


def three_digits(value: float) -> str:
    """Write a positive number with three significant digits and no exponent.

    >>> [three_digits(value) for value in (0.0123, 0.1234, 1.234, 12.34, 123.4, 1234.5, 0.0)]
    ['0.0123', '0.123', '1.23', '12.3', '123', '1234', '0']
    """
    if value <= 0:
        return "0"
    if value >= 99.95:
        return f"{value:.0f}"
    decimals = next((d for bound, d in ((9.995, 1), (0.9995, 2), (0.09995, 3)) if value >= bound), 4)
    return f"{value:.{decimals}f}"


def percent(share: Proportion | None, *, interval: bool = True, plus_minus: str = "±") -> str:
    """Write a proportion in percent with half the length of its interval; an empty string for None.

    >>> from edgevision.metrics.intervals import proportion
    >>> percent(proportion(1765, 2000)), percent(proportion(1765, 2000), interval=False)
    ('88.25 ±1.41', '88.25')
    """
    if share is None or share.value is None:
        return ""
    value = f"{100 * share.value:.2f}"
    return f"{value} {plus_minus}{100 * half_width(share):.2f}" if interval else value


def half_width(share: Proportion) -> float:
    """Return half the length of a proportion's interval: what stands behind a ±."""
    return (share.high - share.low) / 2


def printable(text: object) -> str:
    """Return a text without control characters: names come from files that others wrote."""
    return "".join(c for c in str(text) if c.isprintable())
