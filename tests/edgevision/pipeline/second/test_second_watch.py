"""Second stages in a configuration that runs: real models on films whose every frame is known."""

import json
import os
import signal
import threading
import time

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from edgevision.adopt import adopt, read_labels
from edgevision.artifact import Artifact
from edgevision.cli import main
from edgevision.data.images import load_image
from edgevision.data.locate import open_dataset
from edgevision.errors import ArtifactError, ConfigError, InputError
from edgevision.gallery import enrol, open_reader
from edgevision.pipeline.second import SecondStage, load_second
from edgevision.pipeline.watching import Watch
from edgevision.tasks.detections import Detections

av = pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")

NOTHING, THINGS = 90, ("ship", "frog")
HALL = "dwell_s = 0.2\n"
SINK = '[[sinks]]\nkind = "json_lines"\npath = "events.jsonl"\n'


def film(path, frames, size, rate=10):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        (stream.width, stream.height), stream.pix_fmt = size, "yuv444p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def walk(pictures, size, steps, pause=25):
    """Each picture goes to the right by 4 pixels a frame; then nobody is there for a while."""
    for picture in pictures:
        for step in [*range(steps), *[None] * pause]:
            image = np.full((size[1], size[0], 3), NOTHING, np.uint8)
            if step is not None:
                left = 10 + 4 * step
                image[20 : 20 + picture.shape[0], left : left + picture.shape[1]] = picture
            yield image


class Anything:
    """Finds what is not the background: one box, class 0."""

    def __init__(self, config=None):
        pass

    def prepare(self, frame):
        return np.abs(frame.to_rgb().astype(int) - NOTHING).max(axis=2) > 20

    def infer(self, prepared):
        return prepared

    def decode(self, there):
        rows, columns = (np.flatnonzero(there.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return Detections(np.empty((0, 4)), np.empty(0), np.empty(0))
        return Detections([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], [0.9], [0])

    def close(self):
        pass


def events(place):
    return [json.loads(line) for line in (place / "events.jsonl").read_text().splitlines()]


def wait_for(condition, seconds=40):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


def run(path, **settings):
    with Watch(path, **settings) as watch:
        assert watch.join(120)
        state = watch.state()
    return events(path.parent), state


@pytest.fixture
def things(shared_data, tmp_path):
    """A folder with a film of a ship, then a frog, of CIFAR-10, and a classifier of them; writes watch.toml."""
    data = open_dataset("sample", "test")
    adopt(
        shared_data / "models/mlperf_tiny/resnet8_cifar10/pretrainedResnet.tflite", tmp_path / "cifar",
        task="classification", labels=data.labels, preprocessing={}, activation="softmax",
    )  # fmt: skip
    first = {name: data.image(int(np.flatnonzero(data.targets == data.labels.index(name))[0])) for name in THINGS}
    pictures = [np.asarray(Image.fromarray(first[name]).resize((64, 64))) for name in THINGS]
    film(tmp_path / "film.mkv", walk(pictures, (200, 100), 25), (200, 100))

    def write(more="", rules="", stage=""):
        (tmp_path / "watch.toml").write_text(
            'schema = 1\n[model]\nartifact = "cifar"\n[[second_stages]]\nname = "what"\nkind = "classify"\n'
            f'artifact = "cifar"\n{stage}[[cameras]]\nname = "belt"\nsource = "film.mkv"\n{more}'
            f'[[cameras.rules]]\nkind = "zone"\nname = "all"\n{HALL}{rules}{SINK}'
        )
        return tmp_path / "watch.toml"

    return write


def test_scores_that_nobody_knows_how_to_read_are_refused(shared_data, tmp_path):
    file = shared_data / "models/mlperf_tiny/resnet8_cifar10/pretrainedResnet.tflite"
    labels = [str(place) for place in range(10)]
    adopt(file, tmp_path / "unknown", task="classification", labels=labels, preprocessing={})
    with pytest.raises(ArtifactError, match=r"unknown: activation unknown.*--activation"):
        load_second(SecondStage("what", "classify", tmp_path / "unknown"))


SHIPS = f'[[cameras.rules]]\nkind = "zone"\nname = "ships"\n{HALL}attribute = {{ stage = "what", labels = "ship" }}\n'


def test_what_a_track_is_goes_with_its_events_and_rules_ask_for_it(things):
    found, state = run(things(rules=SHIPS, stage="refresh_s = 1.0\n"), stages=Anything)
    starts = [one for one in found if one["phase"] == "start"]
    assert [(one["rule"], one["data"]["attributes"]["what"]["label"]) for one in starts] == [
        ("all", "ship"), ("ships", "ship"), ("all", "frog"),
    ]  # fmt: skip
    known = starts[0]["data"]["attributes"]["what"]
    assert known["score"] > 0.5 and known["looks"] == 1 and 0 <= known["age_s"] < 1
    ends = {one["track_id"]: one for one in found if one["phase"] == "end" and one["rule"] == "all"}
    assert all(one["data"]["attributes"]["what"]["looks"] >= 3 for one in ends.values())
    one = state["cameras"]["belt"]["second_stages"]["what"]
    assert 6 <= one["looks"] <= 10 and one["tracks"] == 2
    assert state["second_stages"]["what"]["stages"]["infer"]["count"] == one["looks"]
    assert state["second_stages"]["what"]["batch"] == 8


def test_the_same_film_gives_the_same_events(things):
    path, runs = things(rules=SHIPS), []
    for _ in range(2):
        (path.parent / "events.jsonl").unlink(missing_ok=True)
        found, _ = run(path, stages=Anything)
        runs.append([(one["rule"], one["phase"], one["data"].get("attributes")) for one in found])
    assert runs[0] == runs[1]


def test_a_label_that_is_known_later_is_an_update(things):
    """Before it is 70 pixels from the left it is masked, and nobody looks."""
    masks = "size = [200, 100]\nmasks = [[[0, 0], [70, 0], [70, 100], [0, 100]]]\n"
    found, state = run(things(more=masks), stages=Anything)
    first = [one for one in found if one["track_id"] == found[0]["track_id"]]
    assert [one["phase"] for one in first][:2] == ["start", "update"] and first[-1]["phase"] == "end"
    assert first[0]["data"]["attributes"] == {} and "label" in first[1]["data"]["attributes"]["what"]
    assert len({one["id"] for one in first}) == 1
    assert state["cameras"]["belt"]["second_stages"]["what"]["skipped"]["masked"] >= 2


def test_the_page_shows_it(things):
    pytest.importorskip("prometheus_client", reason="prometheus-client, of the extra camera")
    path = things()
    with Watch(path, stages=Anything) as watch:
        assert watch.join(60)
        from edgevision.pipeline.status.metrics import exposition

        text = exposition(watch.state()).decode()
        assert watch.healthy()
    assert 'edgevision_second_stage_looks_total{camera="belt",second_stage="what"}' in text
    follower_threads = [thread.name for thread in threading.enumerate() if thread.name == "second stages"]
    assert follower_threads == []


def test_a_second_model_that_hangs_is_no_good_health(things, monkeypatch):
    monkeypatch.setattr("edgevision.pipeline.watching.STUCK_S", 0.2)
    path, go = things(), threading.Event()
    with Watch(path, stages=Anything) as watch:
        model = watch._looker.models["what"]
        look = model.look
        model.look = lambda crops: (go.wait(30), look(crops))[1]
        end = time.monotonic() + 30
        while watch.healthy():
            assert time.monotonic() < end, "it is well though a model hangs"
            time.sleep(0.02)
        go.set()
        assert watch.join(60) and watch.healthy()
    assert [one["data"]["attributes"]["what"]["label"] for one in events(path.parent) if one["phase"] == "start"]


def workers(watch):
    """The processes of the second model."""
    return [model.facts["pid"] for model in watch._looker.models["what"]._batches.models]


def died(place):
    return [one for one in events(place) if one["kind"] == "worker_died"]


def test_a_recording_waits_for_a_second_model_that_died_and_knows_the_same(things):
    path = things(rules=SHIPS)
    with Watch(path, stages=Anything) as watch:
        for pid in workers(watch):
            os.kill(pid, signal.SIGKILL)
        assert watch.join(120)
    starts = [one for one in events(path.parent) if one["phase"] == "start" and one["source"] == "belt"]
    assert [(one["rule"], one["data"]["attributes"]["what"]["label"]) for one in starts] == [
        ("all", "ship"), ("ships", "ship"), ("all", "frog"),
    ]  # fmt: skip
    start, end = died(path.parent)
    assert (start["phase"], end["phase"]) == ("start", "end") and start["id"] == end["id"]
    assert start["data"]["second_stage"] == end["data"]["second_stage"] == "what"
    assert "killed" in start["data"]["reason"]


def test_a_live_camera_goes_on_without_a_second_model_that_is_away(things):
    """Its process is killed, and for a while there is no file to start it anew with; then the label is an update."""
    path = things(stage="refresh_s = 0.5\n")
    path.write_text(path.read_text().replace('"film.mkv"', '"replay:film.mkv"'))
    place = path.parent

    def zone():
        return [one for one in events(place) if one["rule"] == "all"]

    with Watch(path, stages=Anything) as watch:
        hidden = (place / "cifar").rename(place / "hidden")
        for pid in workers(watch):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: (place / "events.jsonl").exists() and len(zone()) >= 2)
        assert watch.state()["second_stages"]["what"]["away"]
        assert watch.state()["cameras"]["belt"]["second_stages"]["what"]["skipped"]["worker"] >= 1
        assert watch.state()["worker"]["deaths"] == 0 and watch.healthy()
        assert all(one["data"]["attributes"] == {} for one in zone())
        hidden.rename(place / "cifar")
        wait_for(lambda: any("what" in one["data"]["attributes"] for one in zone()))
        assert watch.state()["second_stages"]["what"]["away"] == ""
    assert len(zone()) == len({one["message_id"] for one in zone()})
    start, end = died(place)
    assert (start["source"], start["data"]["second_stage"], end["phase"]) == ("", "what", "end")


def test_the_preview_says_what_it_is(place):
    from edgevision.pipeline.drawing import draw_tracks
    from edgevision.pipeline.rules import Attribute

    blank, tracks = np.zeros((200, 300, 3), np.uint8), place(0, {1: (60, 150)})
    plain = draw_tracks(blank, tracks, ["thing"])
    told = draw_tracks(blank, tracks, ["thing"], {1: {"what": Attribute("ship", 0.9, 1, 0.0)}})
    assert (told != 0).any(axis=2).sum() > (plain != 0).any(axis=2).sum() + 300


@pytest.fixture
def faces(shared_data, face_models, tmp_path):
    """A folder with a film of Ada, who is in the gallery, and then Grace, who is not; writes watch.toml."""
    embedder, detector = (Artifact.open(path) for path in face_models)
    with open_reader(embedder, detector) as reader:
        enrol(tmp_path / "people.npz", "Ada", [shared_data / "images/astronaut.png"], reader)
    pictures = [
        np.asarray(Image.fromarray(load_image(shared_data / "images" / name)).resize((360, 360)))
        for name in ("astronaut.png", "grace_hopper.bmp")
    ]
    film(tmp_path / "film.mkv", walk(pictures, (640, 480), 20), (640, 480))

    def write(rules="", stage='gallery = "people.npz"\n'):
        (tmp_path / "watch.toml").write_text(
            f'schema = 1\n[model]\nartifact = "{face_models[1]}"\n[[second_stages]]\nname = "who"\nkind = "identify"\n'
            f'artifact = "{face_models[0]}"\nfaces = "{face_models[1]}"\nthreshold = 0.95\nmargin = 0.8\n{stage}'
            f'[[cameras]]\nname = "door"\nsource = "film.mkv"\n{rules}{SINK}'
        )
        return tmp_path / "watch.toml"

    return write


FACES = "".join(
    f'[[cameras.rules]]\nkind = "{kind}_face"\nname = "{name}"\n'
    for kind, name in (("known", "friend"), ("unknown", "stranger"))
)


def test_known_and_unknown_faces_are_events(faces):
    """UltraFace finds the faces, and finds them again in the crops; the embedder tells them apart."""
    found, state = run(faces(FACES))
    assert [(one["rule"], one["phase"], one["data"].get("name")) for one in found] == [
        ("friend", "moment", "Ada"), ("stranger", "moment", None),
    ]  # fmt: skip
    assert found[0]["data"]["score"] > 0.95 > found[1]["data"]["score"]
    assert found[0]["label"] == "face" and state["cameras"]["door"]["second_stages"]["who"]["looks"] >= 6


def test_a_gallery_is_read_anew_on_demand_and_a_bad_one_changes_nothing(faces, shared_data, face_models):
    path = faces(FACES)
    people = path.parent / "people.npz"
    with Watch(path) as watch:
        model = watch._looker.models["who"]
        embedder, detector = (Artifact.open(one) for one in face_models)
        with open_reader(embedder, detector) as reader:
            enrol(people, "Grace", [shared_data / "images/grace_hopper.bmp"], reader)
        watch.reload()
        assert set(model._gallery.names) == {"Ada", "Grace"}
        with open_reader(embedder) as reader:
            people.unlink()
            enrol(people, "Ada", [shared_data / "images/astronaut.png"], reader)
        with pytest.raises(InputError, match="not made by this model"):
            watch.reload()
        assert set(model._gallery.names) == {"Ada", "Grace"}
    with pytest.raises(InputError, match="not made by this model"):
        Watch(path)


def test_another_second_stage_takes_a_restart(things):
    path = things()
    with Watch(path, stages=Anything) as watch:
        things(stage="min_px = 50\n")
        with pytest.raises(ConfigError, match="second stages changed; restart"):
            watch.reload()
        things(rules=SHIPS)
        watch.reload()


def test_a_second_stage_that_does_not_load_is_an_error_at_the_start(things, face_models):
    path = things()
    text, declared = path.read_text(), 'kind = "classify"\nartifact = "{}"'
    path.write_text(text.replace(declared.format("cifar"), declared.format(face_models[0])))
    with pytest.raises(ArtifactError, match="labels unknown"):
        Watch(path, stages=Anything)
    path.write_text(text.replace(declared.format("cifar"), declared.format("cifer")))
    with pytest.raises(ConfigError, match=r"second_stages\.what: .*cifer"):
        Watch(path, stages=Anything)


class Middle:
    """Finds one thing in the middle of every frame."""

    def __init__(self, config=None):
        pass

    def prepare(self, frame):
        return frame.width, frame.height

    def infer(self, prepared):
        return prepared

    def decode(self, size):
        width, height = size
        return Detections([[width / 4, height / 4, 3 * width / 4, 3 * height / 4]], [0.9], [0])

    def close(self):
        pass


def test_a_live_camera_does_not_wait_and_the_label_comes_as_an_update(things, rtsp_camera):
    camera = rtsp_camera().start()
    path = things(stage="refresh_s = 0.5\nthreshold = 0\n")
    path.write_text(path.read_text().replace('"film.mkv"', f'"{camera.url()}"').replace("dwell_s = 0.2", "dwell_s = 0"))
    with Watch(path, stages=Middle) as watch:
        slow = watch._looker.models["what"]
        look = slow.look
        slow.look = lambda crops: (time.sleep(0.3), look(crops))[1]  # the zone is entered long before it answers
        end = time.monotonic() + 30
        while watch.state()["cameras"]["belt"]["second_stages"]["what"]["looks"] < 3:
            assert time.monotonic() < end, watch.state()
            time.sleep(0.05)
        state = watch.state()
    found = events(path.parent)
    assert [one["phase"] for one in found][:2] == ["start", "update"]
    assert "what" not in found[0]["data"]["attributes"] and found[1]["data"]["attributes"]["what"]["label"]
    belt = state["cameras"]["belt"]
    assert belt["results"] >= 3 * belt["second_stages"]["what"]["looks"]  # frames went on meanwhile
    assert belt["stages"]["handle"]["p50_ms"] < 150
    assert state["second_stages"]["what"]["stages"]["wait"]["count"] >= 3


def test_a_check_loads_second_stages_too(faces):
    good = CliRunner().invoke(main, ["watch", str(faces(FACES)), "--check", "--json"])
    assert good.exit_code == 0 and json.loads(good.stdout)["second_stages"] == ["who"], good.output
    bad = CliRunner().invoke(main, ["watch", str(faces(FACES, 'gallery = "peeple.npz"\n')), "--check"])
    assert bad.exit_code == 2 and "second_stages.who" in bad.stderr and "edgevision gallery enrol" in bad.stderr


@pytest.mark.slow
def test_from_a_person_to_the_face_to_the_name(faces, shared_data, tmp_path):
    """YOLOX-nano finds people, UltraFace the face in the crop of each, the gallery the name."""
    yolox = shared_data / "models/detection/yolox_nano_coco.onnx"
    adopt(yolox, tmp_path / "yolox", decoder="yolox", labels=read_labels("coco"), layout="NCHW")
    path = faces(FACES)
    text = path.read_text().replace("margin = 0.8\n", 'classes = "person"\n')
    path.write_text(text.replace(f'artifact = "{text.split(chr(34))[1]}"', 'artifact = "yolox"', 1))
    found, _ = run(path)
    assert [(one["rule"], one["label"], one["data"].get("name")) for one in found] == [
        ("friend", "person", "Ada"), ("stranger", "person", None),
    ]  # fmt: skip
