"""How fast artifacts run, and in how much memory: raw samples, stated protocol, nothing printed."""

from edgevision.benchmark.comparing import compare
from edgevision.benchmark.comparison import Compared, Comparison, Ratio
from edgevision.benchmark.latency import LatencyStats
from edgevision.benchmark.measure import Candidate, benchmark
from edgevision.benchmark.result import BenchmarkEntry, BenchmarkReport, Protocol

__all__ = [
    "BenchmarkEntry",
    "BenchmarkReport",
    "Candidate",
    "Compared",
    "Comparison",
    "LatencyStats",
    "Protocol",
    "Ratio",
    "benchmark",
    "compare",
]
