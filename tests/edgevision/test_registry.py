import sys
import textwrap

import pytest

from edgevision.errors import BackendUnavailableError, ConfigError
from edgevision.manifest import FORMATS
from edgevision.optional import EXTRA_OF
from edgevision.registry import RUNTIMES, Row, resolve, runtime_rows


def test_our_rows_make_sense():
    assert len({row.name for row in RUNTIMES}) == len(RUNTIMES)
    for row in RUNTIMES:
        assert set(row.formats) <= set(FORMATS)
        assert "threads" in row.options
        assert row.extra is None or row.extra in EXTRA_OF.values()


def test_resolve():
    assert resolve("edgevision.registry:Row") is Row
    with pytest.raises(ConfigError, match="allowed: module:attribute"):
        resolve("edgevision.registry")
    with pytest.raises(ConfigError, match="no attribute Rwo"):
        resolve("edgevision.registry:Rwo")
    with pytest.raises(BackendUnavailableError, match="does not import"):
        resolve("edgevision.surely_not_there:X")


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """An installed distribution with entry points for a sound runtime, a broken one, a thing, and a taken name."""
    (tmp_path / "acme.py").write_text(
        textwrap.dedent("""
            from edgevision.registry import Row
            ROW = Row("acme", "acme:Runtime", ("tflite",), ("cpu",))
            TAKEN = Row("tflite", "acme:Runtime", ("tflite",), ("cpu",))
            THING = object()
        """)
    )
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    points = ["good = acme:ROW", "broken = acme:NOT_THERE", "thing = acme:THING", "taken = acme:TAKEN"]
    (info / "entry_points.txt").write_text("\n".join(["[edgevision.runtimes]", *points, ""]))
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("acme", None)


@pytest.mark.usefixtures("plugin")
def test_other_packages_add_rows_and_broken_ones_are_named():
    with pytest.warns(RuntimeWarning) as warned:
        rows = runtime_rows()
    assert [row.name for row in rows] == [*(row.name for row in RUNTIMES), "acme"]
    messages = sorted(str(warning.message) for warning in warned)
    assert len(messages) == 3
    for message, part in zip(
        messages, ("broken is left out: Attr", "taken is left out: the name", "thing"), strict=True
    ):
        assert part in message


def test_without_plugins_there_are_ours():
    assert runtime_rows()[: len(RUNTIMES)] == RUNTIMES
