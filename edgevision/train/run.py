"""A training run from images to an artifact of format ``keras``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgevision.artifact import Artifact, write_artifact
from edgevision.documents import pretty_json
from edgevision.errors import DatasetError, DeviceNotFoundError
from edgevision.files import check_place, sha256_file
from edgevision.manifest import LineageStep
from edgevision.optional import require, versions
from edgevision.tensors import TensorSpec
from edgevision.train.evaluation import evaluate_model
from edgevision.train.trainer import Progress, TrainedModel, train

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset
    from edgevision.preprocessing import Preprocessing
    from edgevision.train.config import TrainingConfig

HISTORY = "history.json"
HISTORY_SCHEMA = 1
TOOLS = ("edgevision", "tensorflow", "tf-keras", "numpy")
"""Distributions whose versions are kept with the run."""


def train_artifact(
    dataset: ImageDataset,
    preprocessing: Preprocessing,
    config: TrainingConfig,
    out: str | Path,
    *,
    test: ImageDataset | None = None,
    data_name: str = "",
    resume: bool = False,
    overwrite: bool = False,
    distribute: bool = False,
    progress: Progress | None = None,
) -> Artifact:
    """Train, evaluate, and write the model with its history as an artifact.

    The run's state and TensorBoard logs stand beside it, in ``<out>.training``, from the first epoch on; they stay
    when it ends.

    Args:
        dataset: images to train on.
        preprocessing: the model's input.
        config: everything else that decides the result.
        out: the artifact's directory.
        test: images to evaluate on; without them the artifact has no metrics.
        data_name: what the lineage calls the images.
        resume: go on with the run in ``<out>.training``, where there is one.
        overwrite: replace the artifact, and without ``resume`` also the earlier run.
        distribute: train on all GPUs that are visible, ``config.batch_size`` images a step over all of them.
        progress: called after each epoch, see `edgevision.train.trainer.train`.

    Raises:
        ConfigError: ``out`` is taken, or its run has other settings.
        DatasetError: classes of ``test`` and ``dataset`` differ, or there are fewer images than one batch.
        DeviceNotFoundError: ``distribute`` without a GPU.
        BackendUnavailableError: the ``train`` extra is not installed.
    """
    out = Path(out)
    check_place(out, overwrite)
    if test is not None and test.labels != dataset.labels:
        raise DatasetError("train and test images have other classes", got=f"{dataset.labels} and {test.labels}"[:120])
    strategy = gpu_strategy() if distribute else None
    state = out.with_name(out.name + ".training")
    if overwrite and not resume:
        shutil.rmtree(state, ignore_errors=True)
    trained = train(
        dataset,
        preprocessing,
        config,
        checkpoints=state,
        resume=resume,
        strategy=strategy,
        tensorboard=state / "tensorboard",
        progress=progress,
    )
    metrics = {} if test is None else {"test": evaluate_model(trained.model, test, preprocessing).to_dict()}
    step = LineageStep("train", {**config.to_dict(), "data": data_name, "images": len(dataset)}, versions(*TOOLS))
    fields = {"preprocessing": preprocessing, "labels": dataset.labels, "lineage": (step,), "metrics": metrics}
    return _write(trained, fields, out, overwrite)


def gpu_strategy() -> Any:
    """Return a ``MirroredStrategy`` over every GPU that TensorFlow sees.

    Raises:
        DeviceNotFoundError: it sees none.
    """
    tf = require("tensorflow")
    if not tf.config.list_physical_devices("GPU"):
        raise DeviceNotFoundError(
            "TensorFlow sees no GPU to distribute over",
            next_step='leave out --distribute, or install the driver and pip install "edgevision[train-gpu]"',
        )
    return tf.distribute.MirroredStrategy()


def _write(trained: TrainedModel, fields: dict[str, Any], out: Path, overwrite: bool) -> Artifact:
    model = trained.model
    history = pretty_json({"schema": HISTORY_SCHEMA, "epochs": trained.history}).encode()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.keras")
        model.save(file)
        known = {
            "format": "keras",
            "name": model.name,
            "task": "classification",
            "inputs": [TensorSpec("image", tuple(model.input_shape), "float32", "NHWC")],
            "outputs": [TensorSpec("probabilities", tuple(model.output_shape), "float32", "NC")],
            "decoding": {"activation": "softmax"},
            "scheme": "float32",
            "source_sha256": sha256_file(file),
        }
        return write_artifact(out, {**known, **fields}, {file.name: file, HISTORY: history}, overwrite=overwrite)
