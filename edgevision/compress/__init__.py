"""Compression as data: recipes, the ledger of what each step did, and the search for a recipe that meets limits."""

from edgevision.compress.applying import Compressed, apply_recipe
from edgevision.compress.constraints import Constraints, Violation
from edgevision.compress.ledger import Ledger, LedgerRow
from edgevision.compress.outcome import Point, SearchResult
from edgevision.compress.recipe import CompressionRecipe
from edgevision.compress.running import Stage, run_recipe
from edgevision.compress.searching import search

__all__ = [
    "Compressed",
    "CompressionRecipe",
    "Constraints",
    "Ledger",
    "LedgerRow",
    "Point",
    "SearchResult",
    "Stage",
    "Violation",
    "apply_recipe",
    "run_recipe",
    "search",
]
