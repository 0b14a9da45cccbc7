"""The examples in docstrings, run by imported name (by path, a file would be a second copy of its module)."""

import doctest
import importlib


def test_examples_in_docstrings(sources):
    tried = failed = 0
    for source in sources:
        if source.module.endswith("__main__"):
            continue
        result = doctest.testmod(importlib.import_module(source.module), optionflags=doctest.NORMALIZE_WHITESPACE)
        tried, failed = tried + result.attempted, failed + result.failed
    assert failed == 0
