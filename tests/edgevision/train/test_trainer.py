import dataclasses
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from edgevision.errors import ConfigError, DatasetError
from edgevision.train.config import TrainingConfig
from edgevision.train.trainer import train

CONFIG = TrainingConfig("cnn", width=0.25, epochs=12, batch_size=8, learning_rate=0.02, warmup_epochs=0.5, seed=3)


def weights(trained):
    return np.concatenate([value.ravel() for value in trained.model.get_weights()])


@pytest.fixture(scope="module")
def reference(stripes, preprocessing):
    return train(stripes, preprocessing, CONFIG)


def test_it_learns_and_keeps_a_history(reference, stripes, preprocessing):
    assert len(reference.history) == 12
    assert reference.history[-1]["accuracy"] > 0.9 > reference.history[0]["accuracy"]
    inputs = np.stack([preprocessing.apply(stripes.image(i)) for i in range(30)])
    predicted = reference.model.predict(inputs, verbose=0).argmax(1)
    assert np.mean(predicted == stripes.targets[:30]) > 0.8


def test_the_seed_decides_the_weights(reference, stripes, preprocessing):
    assert np.array_equal(weights(train(stripes, preprocessing, CONFIG)), weights(reference))
    other = train(stripes, preprocessing, dataclasses.replace(CONFIG, seed=4, epochs=1))
    assert not np.array_equal(weights(other), weights(reference))


def test_a_run_that_was_stopped_and_resumed_gives_the_same_weights(reference, stripes, preprocessing, tmp_path):
    class Stop(Exception):
        pass

    def stop(epoch, record):
        if epoch == 9:
            raise Stop

    with pytest.raises(Stop):
        train(stripes, preprocessing, CONFIG, checkpoints=tmp_path, progress=stop)
    seen = []
    resumed = train(
        stripes, preprocessing, CONFIG, checkpoints=tmp_path, resume=True, progress=lambda n, record: seen.append(n)
    )
    assert seen == [10, 11, 12]
    assert np.array_equal(weights(resumed), weights(reference))
    assert [record["loss"] for record in resumed.history] == [record["loss"] for record in reference.history]


KILLED = """
import sys
from pathlib import Path
from edgevision.data.locate import open_dataset
from edgevision.preprocessing import Preprocessing
from edgevision.train.config import TrainingConfig
from edgevision.train.trainer import train
config = TrainingConfig("cnn", width=0.25, epochs=50, batch_size=64, learning_rate=0.05)
images = open_dataset("sample", "train").balanced(640)
preprocessing = Preprocessing(32, 32, mean=(128.0,) * 3, std=(64.0,) * 3)
train(images, preprocessing, config, checkpoints=Path(sys.argv[1]), resume=True,
      progress=lambda n, record: print(n, flush=True))
"""


def test_a_killed_process_leaves_a_state_that_resumes(tmp_path):
    def start():
        command = [sys.executable, "-c", KILLED, str(tmp_path)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    process = start()
    for _ in range(3):
        assert process.stdout.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    state = json.loads((tmp_path / "state.json").read_text())
    finished = len(state["history"])
    assert finished >= 3
    assert list(tmp_path.glob(state["checkpoint"] + "*"))
    process = start()
    assert int(process.stdout.readline()) == finished + 1
    process.kill()
    process.communicate()


def test_an_earlier_run_is_neither_overwritten_nor_mixed_up(stripes, preprocessing, tmp_path):
    short = dataclasses.replace(CONFIG, epochs=1)
    train(stripes, preprocessing, short, checkpoints=tmp_path)
    with pytest.raises(ConfigError, match="--resume"):
        train(stripes, preprocessing, short, checkpoints=tmp_path)
    with pytest.raises(ConfigError, match=r"batch_size 8 \(now 16\)"):
        train(stripes, preprocessing, dataclasses.replace(short, batch_size=16), checkpoints=tmp_path, resume=True)
    with pytest.raises(ConfigError, match="other training images"):
        train(stripes.subset(range(96)), preprocessing, short, checkpoints=tmp_path, resume=True)


def test_a_damaged_state_is_an_error_with_a_next_step(stripes, preprocessing, tmp_path):
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(ConfigError, match="--overwrite"):
        train(stripes, preprocessing, CONFIG, checkpoints=tmp_path, resume=True)
    (tmp_path / "state.json").write_text('{"schema": 1}')
    with pytest.raises(ConfigError, match="no key 'checkpoint'"):
        train(stripes, preprocessing, CONFIG, checkpoints=tmp_path, resume=True)


def test_a_damaged_checkpoint_is_an_error_with_a_next_step(stripes, preprocessing, tmp_path):
    short = dataclasses.replace(CONFIG, epochs=1)
    train(stripes, preprocessing, short, checkpoints=tmp_path)
    (index,) = tmp_path.glob("epoch-*.index")
    index.write_bytes(index.read_bytes()[:40])
    with pytest.raises(ConfigError, match=r"cannot read .*epoch-0001.*--overwrite"):
        train(stripes, preprocessing, short, checkpoints=tmp_path, resume=True)


def test_early_stopping_keeps_the_best_epoch_and_survives_a_resume(stripes, preprocessing, tmp_path):
    config = dataclasses.replace(
        CONFIG, epochs=40, validation=0.25, patience=2, learning_rate=0.05, schedule="constant", augment="none"
    )
    trained = train(stripes, preprocessing, config, checkpoints=tmp_path)
    losses = [record["val_loss"] for record in trained.history]
    assert len(losses) < 40
    assert int(np.argmin(losses)) == len(losses) - 3
    again = train(stripes, preprocessing, config, checkpoints=tmp_path, resume=True)
    assert len(again.history) == len(losses)
    assert np.array_equal(weights(again), weights(trained))


def test_held_out_images_are_not_trained_on(stripes, preprocessing):
    config = dataclasses.replace(CONFIG, epochs=1, validation=0.5, batch_size=96)
    assert "val_accuracy" in train(stripes, preprocessing, config).history[0]
    with pytest.raises(DatasetError, match=r"1\.\.96"):
        train(stripes, preprocessing, dataclasses.replace(config, batch_size=97))


def test_label_smoothing_and_adamw_train_too(stripes, preprocessing):
    config = dataclasses.replace(CONFIG, optimizer="adamw", learning_rate=3e-3, label_smoothing=0.1)
    trained = train(stripes, preprocessing, config)
    assert trained.history[-1]["accuracy"] > 0.8
    assert trained.history[-1]["loss"] > 0.29  # the entropy of the smoothed targets


def test_mixed_precision_computes_in_bfloat16_and_stores_float32(stripes, preprocessing):
    import tf_keras as keras

    trained = train(stripes, preprocessing, dataclasses.replace(CONFIG, mixed_precision=True))
    assert trained.model.get_layer("block0_conv").compute_dtype == "bfloat16"
    assert all(value.dtype == np.float32 for value in trained.model.get_weights())
    assert trained.model.output.dtype == "float32"
    assert trained.history[-1]["accuracy"] > 0.8
    assert keras.mixed_precision.global_policy().name == "float32"


DISTRIBUTED = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from pathlib import Path
from edgevision.data.locate import open_dataset
from edgevision.preprocessing import Preprocessing
from edgevision.train.config import TrainingConfig
from edgevision.train.trainer import train
config = TrainingConfig("cnn", width=0.25, epochs=2, batch_size=64, learning_rate=0.05, augment="none")
images = open_dataset("sample", "train").balanced(640)
preprocessing = Preprocessing(32, 32, mean=(128.0,) * 3, std=(64.0,) * 3)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
both = train(images, preprocessing, config, strategy=strategy, checkpoints=Path(sys.argv[1]))
assert strategy.num_replicas_in_sync == 2
resumed = train(images, preprocessing, config, strategy=strategy, checkpoints=Path(sys.argv[1]), resume=True)
assert all((a == b).all() for a, b in zip(both.model.get_weights(), resumed.model.get_weights()))
print("losses", *(record["loss"] for record in both.history))
"""


def test_mirrored_strategy_trains_on_two_logical_devices(tmp_path):
    command = [sys.executable, "-c", DISTRIBUTED, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    first, last = map(float, result.stdout.split("losses ")[1].split())
    assert last < first


@pytest.mark.slow
def test_transfer_learning_freezes_the_backbone_first(preprocessing, tmp_path, stripes):
    import tensorflow as tf
    import tf_keras as keras

    small = dataclasses.replace(preprocessing, height=32, width=32)
    backbone = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None, pooling="avg")
    backbone.save_weights(tmp_path / "backbone.h5")
    config = TrainingConfig(
        "mobilenet_v2",
        width=0.35,
        epochs=2,
        batch_size=32,
        pretrained=str(tmp_path / "backbone.h5"),
        frozen_epochs=1,
    )
    start = backbone.get_layer("block_1_expand").get_weights()[0]

    def stop_after_one(epoch, record):
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stripes, small, config, checkpoints=tmp_path / "run", progress=stop_after_one)
    reader = tf.train.load_checkpoint(str(tmp_path / "run" / "epoch-0001"))
    kernels = [
        reader.get_tensor(name)
        for name, shape in reader.get_variable_to_shape_map().items()
        if shape == list(start.shape)
    ]
    assert any(np.array_equal(kernel, start) for kernel in kernels)
    trained = train(stripes, small, config, checkpoints=tmp_path / "run", resume=True)
    assert not np.array_equal(trained.model.get_layer("block_1_expand").get_weights()[0], start)


def test_pretrained_weights_that_do_not_fit_are_refused(stripes, preprocessing, tmp_path):
    (tmp_path / "no.h5").write_bytes(b"nothing")
    config = dataclasses.replace(CONFIG, architecture="mobilenet_v2", pretrained=str(tmp_path / "no.h5"))
    with pytest.raises(ConfigError, match=r"no\.h5"):
        train(stripes, preprocessing, config)
    with pytest.raises(ConfigError, match="mobilenet_v2"):
        train(stripes, preprocessing, dataclasses.replace(config, architecture="cnn"))


def test_tensorboard_events_are_written(stripes, preprocessing, tmp_path):
    train(stripes, preprocessing, dataclasses.replace(CONFIG, epochs=1), tensorboard=tmp_path)
    assert list(tmp_path.glob("events.out.tfevents.*"))
