"""The driver of edgetpu_compiler. The compiler is not here: a program in its place writes logs in its form, and gives
the files that it once made; the mapping is read from those files.
"""

import stat

import pytest

from edgevision.adopt import adopt
from edgevision.artifact import Artifact
from edgevision.compiling import compile_for
from edgevision.converters.edgetpu import TOOL, compile_edgetpu, parse_log
from edgevision.devices.edgetpu import predict_mapping
from edgevision.errors import BackendUnavailableError, ConfigError, ConversionError, IncompatibleModelError
from edgevision.graphs import read_graph
from edgevision.mapping import differences

HEAD = "Edge TPU Compiler version 16.0.384591198\nStarted a compilation timeout timer of 600 seconds.\n\n"
LIMIT = "Operation is otherwise supported, but not mapped due to some unspecified limitation"
LOG = """Input model: {name}.tflite
Input size: 743.07KiB
Output model: {name}_edgetpu.tflite
Output size: 1.06MiB
On-chip memory used for caching model parameters: 748.75KiB
On-chip memory remaining for caching model parameters: 6.82MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 72
Operation log: {name}_edgetpu.log

Operator                       Count      Status

RESIZE_BILINEAR                1          {limit}
RESIZE_BILINEAR                2          More than one subgraph is not supported
ARG_MAX                        1          Operation is working on an unsupported data type
QUANTIZE                       1          More than one subgraph is not supported
CONCATENATION                  1          More than one subgraph is not supported
CONV_2D                        2          More than one subgraph is not supported
CONV_2D                        36         Mapped to Edge TPU
DEPTHWISE_CONV_2D              17         Mapped to Edge TPU
ADD                            10         Mapped to Edge TPU
AVERAGE_POOL_2D                1          Mapped to Edge TPU
"""
NAME = "deeplabv3_mnv2_dm05_pascal_quant"


@pytest.fixture
def compiler(tmp_path, monkeypatch, shared_data):
    """compiler(log, status, copies) puts a program on the PATH; what it was called with is in the file "called"."""

    def make(log, status=0, copies=True):
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "log").write_text(log)
        tool = folder / TOOL
        copy = f'cp {shared_data}/models/coral/{NAME}_edgetpu.tflite "$out/"' if copies else "true"
        tool.write_text(
            f'#!/bin/sh\necho "$@" > {folder}/called\n'
            'while [ $# -gt 0 ]; do [ "$1" = --out_dir ] && out=$2; shift; done\n'
            f"{copy}\ncat {folder}/log\nexit {status}\n"
        )
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return folder / "called"

    return make


@pytest.fixture
def deeplab(shared_data):
    return shared_data / f"models/coral/{NAME}.tflite"


def test_truth_and_prediction_compare(compiler, deeplab):
    called = compiler(HEAD + LOG.format(name=NAME, limit=LIMIT))
    (made,) = compile_edgetpu([deeplab], min_runtime_version=13)
    report = made.report
    assert report.by == f"{TOOL} 16.0.384591198"
    assert (report.mapped, len(report.on_cpu)) == (64, 8)
    assert report.facts["parameter_bytes_on_chip"] == round(748.75 * 1024)
    assert "unspecified limitation" in report.on_cpu[0].reason or "subgraph" in report.on_cpu[0].reason
    assert list(differences(predict_mapping(read_graph(deeplab)), report)) == []
    words = called.read_text().split()
    assert words[:4] == ["--show_operations", "--timeout_sec", "600", "--out_dir"]
    assert words[-3:] == ["--min_runtime_version", "13", str(deeplab)]


def test_logs_that_are_broken_are_reported(compiler, deeplab):
    whole = HEAD + LOG.format(name=NAME, limit=LIMIT)
    for broken in ("", HEAD, whole.replace("72", "73"), whole.replace("748.75KiB", "many"), whole[: len(whole) // 2]):
        with pytest.raises(ConversionError, match="not understood"):
            parse_log(broken)
    compiler("Internal compiler error. Aborting!\n", status=1)
    with pytest.raises(ConversionError, match=r"status 1.*Internal compiler error"):
        compile_edgetpu([deeplab])


def test_a_compiler_that_writes_nothing(compiler, deeplab):
    compiler(HEAD + LOG.format(name=NAME, limit=LIMIT), copies=False)
    with pytest.raises(ConversionError, match="wrote no model"):
        compile_edgetpu([deeplab])


def test_without_the_compiler(monkeypatch, deeplab):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BackendUnavailableError, match="edgevision check MODEL --profile coral-usb"):
        compile_edgetpu([deeplab])


def test_what_is_not_compiled(compiler, deeplab, shared_data):
    compiler("")
    with pytest.raises(ConfigError, match="different names"):
        compile_edgetpu([deeplab, deeplab])
    with pytest.raises(IncompatibleModelError, match="takes TFLite files"):
        compile_edgetpu([shared_data / "models/detection/FastestDet_coco.onnx"])


TOGETHER = """#!/bin/sh
echo "$@" > {folder}/called
while [ $# -gt 0 ]; do
    case "$1" in --out_dir) out=$2; shift ;; *.tflite) inputs="$inputs $1" ;; esac
    shift
done
printf '%s' '{head}'
for input in $inputs; do
    stem=$(basename "$input" .tflite)
    cp {truth} "$out/${{stem}}_edgetpu.tflite"
    sed "s/{name}/$stem/g" {folder}/log
    echo
done
"""


def test_models_that_are_compiled_together(tmp_path, monkeypatch, shared_data, deeplab):
    """One call of the compiler, in the order that they were given in; artifacts have files of one name."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "log").write_text(LOG.format(name=NAME, limit=LIMIT))
    tool, truth = folder / TOOL, shared_data / f"models/coral/{NAME}_edgetpu.tflite"
    tool.write_text(TOGETHER.format(folder=folder, head=HEAD, truth=truth, name=NAME))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    artifacts = [adopt(deeplab, tmp_path / name, name=name) for name in ("often", "seldom")]
    assert len({artifact.model_file.name for artifact in artifacts}) == 1
    made = compile_for(artifacts, "edgetpu", tmp_path / "out", min_runtime_version=12)
    assert [one.artifact.path.name for one in made] == ["often-edgetpu", "seldom-edgetpu"]
    for one in made:
        assert one.artifact.manifest.lineage[-1].parameters["together"] == ["often", "seldom"]
        assert (one.report.mapped, one.differences) == (64, ())
    words = (folder / "called").read_text().split()
    assert [word.rpartition("/")[2] for word in words[-2:]] == ["often.tflite", "seldom.tflite"]
    assert words[-4:-2] == ["--min_runtime_version", "12"]


def test_settings_of_another_target(deeplab, tmp_path):
    artifact = Artifact.describe(deeplab)
    with pytest.raises(ConfigError, match="for the Edge TPU"):
        compile_for([artifact], "ethos-u55-128", tmp_path, min_runtime_version=13)
    with pytest.raises(ConfigError, match="for Ethos-U"):
        compile_for([artifact], "edgetpu", tmp_path, memory_mode="Shared_Sram")
    with pytest.raises(ConfigError, match="different names"):
        compile_for([artifact, artifact], "edgetpu", tmp_path)
