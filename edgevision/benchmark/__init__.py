"""How fast artifacts run, and in how much memory: raw samples, stated protocol, nothing printed."""

from edgevision.benchmark.baseline import Regression, against_baseline, read_baseline
from edgevision.benchmark.comparing import compare
from edgevision.benchmark.comparison import Compared, Comparison, Ratio
from edgevision.benchmark.inputs import images_of
from edgevision.benchmark.latency import LatencyStats
from edgevision.benchmark.loadgen import run_scenario
from edgevision.benchmark.measure import Candidate, benchmark
from edgevision.benchmark.noise import Noise
from edgevision.benchmark.result import BenchmarkEntry, BenchmarkReport, Protocol
from edgevision.benchmark.scenario import ScenarioReport
from edgevision.benchmark.sustained import SustainedReport, sustained

__all__ = [
    "BenchmarkEntry",
    "BenchmarkReport",
    "Candidate",
    "Compared",
    "Comparison",
    "LatencyStats",
    "Noise",
    "Protocol",
    "Ratio",
    "Regression",
    "ScenarioReport",
    "SustainedReport",
    "against_baseline",
    "benchmark",
    "compare",
    "images_of",
    "read_baseline",
    "run_scenario",
    "sustained",
]
