"""What LoadGen wrote down: its detail log, a JSON document on each line behind a mark."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from edgevision.documents import check_fields
from edgevision.errors import InferenceError

DETAIL_NAME = "mlperf_log_detail.txt"
SUMMARY_NAME = "mlperf_log_summary.txt"
MARK = ":::MLLOG "

_WANTED = {
    "result_min_duration_met": "it ended before the least duration",
    "result_min_queries_met": "it sent fewer queries than the least count",
    "result_perf_constraints_met": "more queries were late than may be",
    "early_stopping_met": "early stopping: the queries are too few for the percentile",
}

_PERCENTILE = re.compile(r"result_([0-9.]+)_percentile_latency_ns")


@dataclass(frozen=True)
class LoadGenResult:
    """LoadGen's own verdict and figures.

    Attributes:
        valid: Whether it calls the result valid.
        reasons: Why not, in its words; empty when it is.
        percentiles_ms: Percentile ("50.00", "99.90") -> latency of a query in milliseconds.
        figures: Every other result and early-stopping estimate that it wrote, under its own names and units.
    """

    valid: bool
    reasons: tuple[str, ...]
    percentiles_ms: Mapping[str, float]
    figures: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "reasons": list(self.reasons)}

    @classmethod
    def from_dict(cls, data: Any) -> LoadGenResult:
        """Read the JSON form; raises ConfigError."""
        data = check_fields("LoadGen's result", data, required=[item.name for item in fields(cls)])
        return cls(data["valid"], tuple(data["reasons"]), data["percentiles_ms"], data["figures"])


def read_log(folder: str | Path) -> LoadGenResult:
    """Read the logs of a run that has ended.

    Raises:
        InferenceError: There is no log, or no verdict in it: LoadGen gave up.
    """
    try:
        lines = (Path(folder) / DETAIL_NAME).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as exc:
        raise InferenceError(f"LoadGen left no {DETAIL_NAME}") from exc
    found: dict[str, Any] = {}
    for line in lines:
        if line.startswith(MARK):
            try:
                row = json.loads(line.removeprefix(MARK))
                found[str(row["key"])] = row["value"]
            except (ValueError, KeyError, TypeError):
                continue  # a line that was cut
    if "result_validity" not in found:
        said = [str(value) for key, value in found.items() if key.startswith("error")]
        raise InferenceError("LoadGen came to no result", got="; ".join(said) or f"{len(lines)} lines of log")
    results = {name: value for name, value in found.items() if name.startswith(("result_", "early_stopping"))}
    percentiles = {m[1]: float(value) / 1e6 for name, value in results.items() if (m := _PERCENTILE.fullmatch(name))}
    valid = found["result_validity"] == "VALID"
    figures = {name: value for name, value in results.items() if not _PERCENTILE.fullmatch(name)}
    return LoadGenResult(valid, () if valid else tuple(_reasons(found)), percentiles, figures)


def _reasons(found: Mapping[str, Any]) -> Iterator[str]:
    if "Too many outstanding queries" in str(found.get("error_runtime", "")):
        yield "too many queries were waiting, and no more were sent"
    for name, wanted in _WANTED.items():
        if found.get(name) is False:
            yield wanted
    for name in ("result_invalid_reason", "early_stopping_result"):
        yield from (part.strip(" *") for part in str(found.get(name) or "").split(" * ") if part.strip(" *"))
