"""What every runtime promises, whichever it is. A new runtime adds a line to conftest's MODELS and passes this."""

import itertools
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from edgevision.errors import (
    ArtifactError,
    ConfigError,
    DeviceNotFoundError,
    IncompatibleModelError,
    InferenceError,
    InputError,
)
from edgevision.registry import RUNTIMES, runtime_rows
from edgevision.runtimes import CompiledModel, available_runtimes, load
from edgevision.runtimes.base import implementation_of
from edgevision.runtimes.isolated import start_isolated
from edgevision.runtimes.throughput import ManyAtOnce, Throughput


@pytest.fixture(scope="module")
def model(artifact, runtime):
    with load(artifact, runtime=runtime) as model:
        yield model


def test_every_row_is_in_the_contract(contract_runtimes):
    # What needs hardware: tests/runtimes/test_edgetpu.py, tests/hardware.
    assert contract_runtimes == {row.name for row in RUNTIMES} - {"edgetpu", "tensorrt"}


def test_it_answers_in_the_order_of_its_specifications(model, tensors, expected, dtype):
    assert isinstance(model, CompiledModel)
    assert [(spec.name, spec.shape, spec.dtype, spec.layout) for spec in model.inputs] == [
        ("left", (1, 3), dtype, "NC"),
        ("right", (1, 2, 2, 1), dtype, "NHWC"),
    ]
    assert [(spec.name, spec.shape) for spec in model.outputs] == [("doubled", (1, 3)), ("lowered", (1, 2, 2, 1))]
    inputs = tensors(1)
    answers = model.infer(inputs)
    assert isinstance(answers, tuple)
    for answer, want, spec in zip(answers, expected(*inputs), model.outputs, strict=True):
        assert answer.dtype == spec.dtype
        np.testing.assert_allclose(answer, want, atol=1e-6)


def test_the_manifest_decides_the_order_of_inputs(artifact, runtime, make_artifact, tensors, expected):
    left, right = artifact.manifest.inputs
    with load(make_artifact(runtime, inputs=(right, left)), runtime=runtime) as model:
        inputs = tensors(2)
        for answer, want in zip(model.infer(inputs[::-1]), expected(*inputs), strict=True):
            np.testing.assert_allclose(answer, want, atol=1e-6)


@pytest.mark.slow
def test_it_answers_the_same_in_a_process_of_its_own(model, artifact, runtime, tensors):
    process = start_isolated(artifact, runtime=runtime, timeout_s=200)
    try:
        assert (process.inputs, process.outputs) == (model.inputs, model.outputs)
        for seed in (1, 2):
            for one, other in zip(process.infer(tensors(seed), 30), model.infer(tensors(seed)), strict=True):
                np.testing.assert_array_equal(one, other)
    finally:
        process.close()


def test_answers_are_new_arrays_and_inputs_stay_as_they_were(model, tensors, expected):
    first, second = tensors(3), tensors(4)
    kept = [array.copy() for array in first]
    answers = model.infer(first)
    copies = [array.copy() for array in answers]
    for array in answers:
        assert array.flags.writeable
    for array in first:
        array[...] = 7  # the caller reuses its buffers
    later = model.infer(second)
    for answer, copy, other in zip(answers, copies, later, strict=True):
        np.testing.assert_array_equal(answer, copy)
        assert not np.shares_memory(answer, other)
    answers[0][...] = -1
    for answer, want in zip(model.infer(kept), expected(*kept), strict=True):
        np.testing.assert_allclose(answer, want, atol=1e-6)


def test_inputs_need_not_be_contiguous_or_writable(model, tensors, expected):
    left, right = tensors(5)
    strided = np.repeat(left, 2, axis=1)[:, ::2]
    right.flags.writeable = False
    assert not strided.flags.c_contiguous
    for answer, want in zip(model.infer([strided, right]), expected(left, right), strict=True):
        np.testing.assert_allclose(answer, want, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x.astype(np.float64), r"tensor left.*float64 \[1, 3\].*DTYPE \[1, 3\]"),
        (lambda x: x.astype(">f4"), "tensor left"),
        (lambda x: x.astype(np.int16), r"int16 \[1, 3\].*DTYPE \[1, 3\]"),
        (lambda x: x[0], r"DTYPE \[3\].*DTYPE \[1, 3\]"),
        (lambda x: np.repeat(x, 2, axis=0), r"DTYPE \[2, 3\].*DTYPE \[1, 3\]"),
        (lambda x: x.tolist(), "not a numpy array: got list"),
    ],
)
def test_dtype_and_shape_match_exactly_or_the_error_has_both(model, tensors, expected, dtype, change, said):
    left, right = tensors(6)
    with pytest.raises(InputError, match=said.replace("DTYPE", dtype)):
        model.infer([change(left), right])
    for answer, want in zip(model.infer([left, right]), expected(left, right), strict=True):
        np.testing.assert_allclose(answer, want, atol=1e-6)  # and the model still works


def test_the_number_of_inputs_matches(model, tensors):
    with pytest.raises(InputError, match=r"has 2 \(left, right\): got 1"):
        model.infer(tensors(7)[:1])
    for wrong in (tensors(7)[0], None, {0: 1}, iter(tensors(7))):
        with pytest.raises(InputError, match="takes a list or tuple"):
            model.infer(wrong)


def test_closing_twice_is_fine_and_a_closed_model_says_so(artifact, runtime, tensors):
    model = load(artifact, runtime=runtime)
    model.close()
    model.close()
    with pytest.raises(InferenceError, match="closed"):
        model.infer(tensors(8))
    with model:
        pass


def test_close_waits_for_infer(artifact, runtime, tensors):
    """Threads infer while another closes: each call answers or says that the model is closed, and nothing crashes."""
    model = load(artifact, runtime=runtime)
    inputs, errors, answered = tensors(9), [], []

    def work():
        try:
            while True:
                answered.append(model.infer(inputs))
        except InferenceError as exc:
            errors.append(exc)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(answered) < 20 and all(thread.is_alive() for thread in threads):
        time.sleep(0.001)
    model.close()
    for thread in threads:
        thread.join(30)
    assert len(errors) == 3
    assert all("closed" in str(error) for error in errors)


def test_threads_that_share_a_model_get_their_own_answers(model, tensors, expected):
    wrong, count = [], 200

    def work(seed):
        inputs = tensors(seed)
        want = expected(*inputs)
        for _ in range(count):
            for answer, right in zip(model.infer(inputs), want, strict=True):
                if not np.allclose(answer, right, atol=1e-6):
                    wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(100, 104)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_a_batch_is_fixed_at_load(artifact, runtime, tensors, expected):
    with load(artifact, runtime=runtime, options={"batch": 3}) as model:
        assert [spec.shape[0] for spec in (*model.inputs, *model.outputs)] == [3, 3, 3, 3]
        inputs = tensors(10, batch=3)
        for answer, want in zip(model.infer(inputs), expected(*inputs), strict=True):
            np.testing.assert_allclose(answer, want, atol=1e-6)
        with pytest.raises(InputError):
            model.infer(tensors(10, batch=1))


def test_a_fixed_batch_is_not_changed(artifact, runtime, make_artifact):
    fixed = [replace(spec, shape=(1, *spec.shape[1:])) for spec in artifact.manifest.inputs]
    with pytest.raises(IncompatibleModelError, match="fixed batch of 1: got batch 4"):
        load(make_artifact(runtime, inputs=fixed), runtime=runtime, options={"batch": 4})


def test_facts_name_what_runs(model, runtime):
    assert {"package", "version", "device", "threads", "precision"} <= set(model.facts)
    assert (model.facts["runtime"], model.facts["device"]) == (runtime, "cpu")
    row = next(row for row in RUNTIMES if row.name == runtime)
    state = implementation_of(row).availability()
    assert (state.available, state.package, state.version) == (True, model.facts["package"], model.facts["version"])
    with pytest.raises(TypeError):
        model.facts["threads"] = 99


def test_it_is_listed_for_its_format(artifact, runtime):
    assert runtime in available_runtimes()
    assert (runtime in available_runtimes(artifact)) == (runtime != "null")
    if runtime != "null":
        with load(artifact) as chosen, load(artifact, runtime=runtime) as named:
            assert chosen.facts["package"] == named.facts["package"]


def test_an_unknown_option_lists_the_allowed(artifact, runtime):
    with pytest.raises(ConfigError, match=r"got thread; allowed: .*threads.*did you mean threads\?"):
        load(artifact, runtime=runtime, options={"thread": 2})


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", True])
@pytest.mark.parametrize("option", ["threads", "batch"])
def test_option_values_are_checked(artifact, runtime, option, value):
    with pytest.raises(ConfigError, match=rf"option {option}"):
        load(artifact, runtime=runtime, options={option: value})


@pytest.mark.parametrize("threads", [1, 2, None])
def test_threads_change_nothing_in_the_answers(artifact, runtime, threads, tensors, expected):
    with load(artifact, runtime=runtime, options={"threads": threads}) as model:
        inputs = tensors(11)
        for answer, want in zip(model.infer(inputs), expected(*inputs), strict=True):
            np.testing.assert_allclose(answer, want, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_many_inferences_answer_as_each_alone_bit_for_bit_and_in_order(artifact, runtime, tensors, threads):
    with load(artifact, runtime=runtime, options={"threads": threads}) as model:
        if not isinstance(model, Throughput):
            assert runtime not in ("tflite", "openvino")
            pytest.skip(f"runtime {runtime} does not run many inferences at once")
        many = [tensors(seed) for seed in range(300, 341)]
        kept = [[array.copy() for array in inputs] for inputs in many]
        want = [model.infer(inputs) for inputs in many]
        assert model.infer_many([]) == [] and "concurrency" not in model.facts
        for count in (41, 1, 3):
            answers = model.infer_many(many[:count])
            assert len(answers) == count and "concurrency" in model.facts
            for answer, right in zip(answers, want, strict=False):
                assert [a.tobytes() for a in answer] == [b.tobytes() for b in right]
                assert [(a.dtype, a.shape) for a in answer] == [(b.dtype, b.shape) for b in right]
        arrays = [array for answer in model.infer_many(many) for array in answer]
        assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(arrays, 2))
        assert all(
            a.tobytes() == b.tobytes() for x, y in zip(many, kept, strict=True) for a, b in zip(x, y, strict=True)
        )
        with pytest.raises(InputError, match="wrong number of inputs"):
            model.infer_many([many[0], many[1][:1]])
    with pytest.raises(InferenceError, match="closed"):
        model.infer_many(many)


def test_every_way_of_many_inferences_is_right(artifact, runtime, tensors):
    """Whichever way a machine finds the fastest: each of them alone."""
    with load(artifact, runtime=runtime, options={"threads": 2}) as model:
        if not isinstance(model, ManyAtOnce):
            assert runtime not in ("tflite", "openvino")
            pytest.skip(f"runtime {runtime} does not run many inferences at once")
        many = [tensors(seed) for seed in range(400, 423)]
        want = [model.infer(inputs) for inputs in many]
        names = []
        for make in model._ways():
            way = make()
            names.append(way.name)
            for count in (23, 1, 22):
                for answer, right in zip(way.run(many[:count]), want[:count], strict=True):
                    assert [a.tobytes() for a in answer] == [b.tobytes() for b in right], way.name
            way.close()
        assert names and len(set(names)) == len(names)


@pytest.mark.parametrize("device", ["cpus", "", "gpu:-1", "coral", "cpu:0", "CPU"])
def test_a_device_that_is_no_device(artifact, runtime, device):
    with pytest.raises(DeviceNotFoundError, match="allowed: cpu"):
        load(artifact, device, runtime=runtime)


@pytest.mark.parametrize("device", ["dla:0", "coral:usb", "npu:7"])
def test_a_device_that_is_not_here_never_becomes_another(artifact, runtime, device):
    with pytest.raises(DeviceNotFoundError):
        load(artifact, device, runtime=runtime)


def test_an_unknown_runtime_names_the_nearest(artifact, runtime):
    with pytest.raises(ConfigError, match=rf"did you mean {runtime}\?"):
        load(artifact, runtime=runtime + "x")


def test_a_format_that_it_does_not_run(runtime, make_artifact):
    if runtime == "null":
        pytest.skip("the null runtime takes any format")
    other = make_artifact("openvino" if runtime == "tflite" else "tflite")
    with pytest.raises(IncompatibleModelError, match=f"runtime {runtime} does not run the format"):
        load(other, runtime=runtime)


@pytest.mark.parametrize("damage", ["empty", "half", "text", "missing", "flipped"])
def test_a_damaged_file_is_an_error_of_ours(runtime, make_artifact, damage):
    if runtime == "null":
        pytest.skip("the null runtime reads no model file")
    artifact = make_artifact(runtime)
    for path in artifact.model_files:
        content = path.read_bytes()
        middle = len(content) // 3
        damaged = {
            "empty": b"",
            "half": content[: len(content) // 2],
            "text": b"this is no model\n" * 64,
            "flipped": content[:middle]
            + bytes(255 - byte for byte in content[middle : 2 * middle])
            + content[2 * middle :],
            "missing": None,
        }[damage]
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
    with pytest.raises((ArtifactError, IncompatibleModelError)) as caught:
        load(artifact, runtime=runtime)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("side", ["inputs", "outputs"])
@pytest.mark.parametrize("change", [{"dtype": "int16"}, {"shape": (None, 5), "layout": ""}])
def test_a_manifest_that_disagrees_with_the_file(artifact, runtime, make_artifact, side, change):
    if runtime == "null":
        pytest.skip("the null runtime reads no model file")
    specs = getattr(artifact.manifest, side)
    wrong = make_artifact(runtime, **{side: (replace(specs[0], **change), specs[1])})
    with pytest.raises(ArtifactError, match="the manifest and the model file disagree"):
        load(wrong, runtime=runtime)
    with pytest.raises(ArtifactError, match=r"got 2 .*allowed: 1 in the manifest"):
        load(make_artifact(runtime, **{side: specs[:1]}), runtime=runtime)


def test_without_a_manifest_the_file_is_described(artifact, runtime, make_artifact, dtype):
    bare = make_artifact(runtime, inputs=(), outputs=())
    if runtime == "null":
        with pytest.raises(IncompatibleModelError, match="states no inputs"):
            load(bare, runtime=runtime)
        return
    with load(bare, runtime=runtime) as model:
        assert sorted((spec.shape, spec.dtype, spec.layout) for spec in model.inputs) == [
            ((1, 2, 2, 1), dtype, ""),
            ((1, 3), dtype, ""),
        ]


def test_rows_have_what_the_loader_needs():
    for row in runtime_rows():
        assert {"threads", "batch"} <= set(row.options), row.name
        assert implementation_of(row).name == row.name
