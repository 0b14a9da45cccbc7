"""Three floors, imports only downwards, and nobody on the middle floor imports a neighbour.

1. foundation: what every part shares (every module of `edgevision/` that is not named below)
2. train, converters, runtimes, devices
3. applications, of which the CLI is the topmost: nothing imports it
"""

import pytest

MIDDLE = ("edgevision.train", "edgevision.converters", "edgevision.runtimes", "edgevision.devices")
APPLICATIONS = tuple(
    f"edgevision.{name}"
    for name in (
        "adopt",
        "adopt_decoding",
        "benchmark",
        "building",
        "checking",
        "checking_here",
        "classifier",
        "cli",
        "compiling",
        "compress",
        "demo",
        "detector",
        "doctor",
        "embedder",
        "evaluate",
        "evaluate_detection",
        "export",
        "face_reader",
        "gallery",
        "image_batches",
        "image_model",
        "inspecting",
        "pipeline",
        "predict",
        "remote",
        "report",
        "segmenter",
        "tiny_models",
        "trying",
        "verify",
    )
)
# The facade names things of every floor, lazily; running the package is running its CLI.
EXEMPT = ("edgevision", "edgevision.__main__")


def within(module: str, packages: tuple[str, ...]) -> str | None:
    """The one of `packages` that holds `module`, if any does."""
    return next((p for p in packages if module == p or module.startswith(p + ".")), None)


def floor(module: str) -> int:
    if within(module, APPLICATIONS):
        return 3
    return 2 if within(module, MIDDLE) else 1


def broken_rule(importer: str, imported: str) -> str | None:
    """What is wrong with this import, or None."""
    if floor(imported) > floor(importer):
        return f"floor {floor(importer)} imports floor {floor(imported)}"
    if floor(importer) == floor(imported) == 2 and within(importer, MIDDLE) != within(imported, MIDDLE):
        return "neighbours on the middle floor"
    if within(imported, ("edgevision.cli",)) and not within(importer, ("edgevision.cli",)):
        return "only the CLI imports the CLI"
    return None


def test_imports_go_downwards(sources, imports_of):
    broken = []
    for source in sources:
        if source.module in EXEMPT:
            continue
        for line, _, name in imports_of(source.path):
            rule = broken_rule(source.module, name) if name.startswith("edgevision.") else None
            if rule:
                broken.append(f"{source.module}:{line} imports {name}: {rule}")
    assert broken == []


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("edgevision.cli.predict", "edgevision.predict.predict", True),
        ("edgevision.runtimes.tflite", "edgevision.artifact.Artifact", True),
        ("edgevision.runtimes.tflite", "edgevision.runtimes.base", True),
        ("edgevision.runtimes.tflite", "edgevision.devices.cpu", False),
        ("edgevision.artifact", "edgevision.runtimes.load", False),
        ("edgevision.converters.base", "edgevision.verify.seal", False),
        ("edgevision.verify.seal", "edgevision.cli.main", False),
    ],
)
def test_the_rules_themselves(importer, imported, allowed):
    assert (broken_rule(importer, imported) is None) == allowed
