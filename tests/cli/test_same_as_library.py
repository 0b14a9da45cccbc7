"""The command line is the library, typed: the same choices and the same defaults, though help loads no library."""

import dataclasses
import inspect

import click
import pytest

from edgevision.adopt import LAYOUTS, TASKS
from edgevision.benchmark import against_baseline, benchmark, compare, run_scenario, sustained
from edgevision.benchmark.scenario import SCENARIOS
from edgevision.cli import main
from edgevision.compiling import TARGETS as ACCELERATORS
from edgevision.compress import apply_recipe, search
from edgevision.compress.channel_target import channel_target
from edgevision.converters.channel_importance import IMPORTANCES
from edgevision.converters.channel_plan import SCOPES
from edgevision.converters.channel_pruning import prune_channels
from edgevision.converters.clustering import CENTROIDS, cluster
from edgevision.converters.distillation import Distillation
from edgevision.converters.firmware import firmware
from edgevision.converters.firmware.cmsis import BACKENDS
from edgevision.converters.firmware.fixed_point import ROUNDINGS
from edgevision.converters.firmware.frames import FRAME_FILTERS
from edgevision.converters.firmware.targets import TARGETS as CORES
from edgevision.converters.formats import COMPRESSED_FORMATS, FORMATS, QUANTIZED_FORMATS, SCHEMES
from edgevision.converters.golden_samples import POLICIES
from edgevision.converters.pruning import SCHEDULES as PRUNING_SCHEDULES
from edgevision.converters.pruning import prune
from edgevision.converters.quantization import quantize_aware
from edgevision.converters.ranges import METHODS
from edgevision.converters.sparsity_allocation import ALLOCATIONS
from edgevision.converters.sparsity_patterns import PATTERNS
from edgevision.converters.tensorrt.settings import INT8_SOURCES, EngineSettings
from edgevision.data.batches import AUGMENTATIONS
from edgevision.data.locate import SPLITS
from edgevision.demo import run_demo
from edgevision.export import export
from edgevision.predict import predict
from edgevision.preprocessing import COLORS
from edgevision.remote import benchmark_there, sustained_there
from edgevision.resize import FILTERS, RESIZES
from edgevision.tasks.classification import ACTIVATIONS
from edgevision.tasks.decoders import DECODERS
from edgevision.train.architectures import ARCHITECTURES
from edgevision.train.config import OPTIMIZERS, TrainingConfig
from edgevision.train.run import train_artifact
from edgevision.train.schedules import SCHEDULES

IO_DTYPES = {dtype for row in FORMATS.values() for dtypes in row.io_dtypes.values() for dtype in dtypes}
OTHER_NAMES = {
    "warmup": "warmup_s", "min_duration": "min_duration_s", "window": "window_s", "budget": "budget_s", "top": "top_k",
    "distillation_weight": "weight",
}  # fmt: skip


def options(command: str) -> dict[str, click.Option]:
    loaded = main.get_command(None, command)
    return {param.name: param for param in loaded.params if isinstance(param, click.Option)}


@pytest.mark.parametrize(
    ("command", "option", "allowed"),
    [
        ("train", "architecture", ARCHITECTURES),
        ("train", "optimizer", OPTIMIZERS),
        ("train", "schedule", SCHEDULES),
        ("train", "augment", AUGMENTATIONS),
        ("train", "resize", RESIZES),
        ("train", "filter_", FILTERS),
        ("prune", "schedule", PRUNING_SCHEDULES),
        ("prune", "allocation", ALLOCATIONS),
        ("prune", "importance", IMPORTANCES),
        ("prune", "scope", SCOPES),
        ("prune", "pattern", PATTERNS),
        ("cluster", "centroids", CENTROIDS),
        ("quantize", "to", QUANTIZED_FORMATS),
        ("quantize", "io_dtype", IO_DTYPES),
        ("quantize", "granularity", FORMATS["tflite"].granularities),
        ("quantize", "calibration_method", METHODS),
        ("quantize", "int8_from", INT8_SOURCES),
        ("convert", "to", FORMATS),
        ("convert", "golden", POLICIES),
        ("compress", "to", COMPRESSED_FORMATS),
        ("sensitivity", "to", COMPRESSED_FORMATS),
        ("benchmark", "scenario", SCENARIOS),
        ("compile", "target", (*ACCELERATORS, "tensorrt")),
        ("evaluate", "split", SPLITS),
        ("firmware", "target", (*CORES, "linux")),
        ("firmware", "rounding", ROUNDINGS),
        ("firmware", "backend", BACKENDS),
        ("firmware", "filter", FRAME_FILTERS),
        ("adopt", "task", TASKS),
        ("adopt", "activation", ACTIVATIONS),
        ("adopt", "decoder", DECODERS),
        ("adopt", "color", COLORS),
        ("adopt", "resize", RESIZES),
        ("adopt", "layout", LAYOUTS),
    ],
)
def test_choices_are_those_of_the_library(command, option, allowed):
    assert set(options(command)[option].type.choices) == set(allowed)


def test_quantize_and_convert_offer_every_scheme_between_them():
    offered = {choice for command in ("quantize", "convert") for choice in options(command)["scheme"].type.choices}
    assert offered == set(SCHEMES)


@pytest.mark.parametrize(
    ("command", "function"),
    [
        ("train", train_artifact),
        ("prune", prune),
        ("prune", prune_channels),
        ("prune", channel_target),
        ("cluster", cluster),
        ("cluster", Distillation),
        ("quantize", quantize_aware),
        ("quantize", export),
        ("convert", export),
        ("compress", search),
        ("compress", apply_recipe),
        ("benchmark", benchmark),
        ("benchmark", run_scenario),
        ("benchmark", sustained),
        ("compare", compare),
        ("compare", against_baseline),
        ("benchmark", benchmark_there),
        ("benchmark", sustained_there),
        ("predict", predict),
        ("firmware", firmware),
        ("demo", run_demo),
    ],
)
def test_defaults_are_those_of_the_library(command, function):
    known = {name: entry.default for name, entry in inspect.signature(function).parameters.items()}
    if function is train_artifact:
        known |= {field.name: field.default for field in dataclasses.fields(TrainingConfig)}
    compared = 0
    for name, option in options(command).items():
        default = known.get(OTHER_NAMES.get(name, name))
        if default in (None, (), inspect.Parameter.empty) or option.is_flag or name == "scheme":
            continue
        assert option.default == default, name
        compared += 1
    assert compared


@pytest.mark.parametrize("command", ["convert", "quantize"])
def test_every_setting_of_an_engine_is_an_option_with_its_default(command):
    known = options(command)
    for field in dataclasses.fields(EngineSettings):
        assert known[field.name].default == field.default or field.default in (None, False)
