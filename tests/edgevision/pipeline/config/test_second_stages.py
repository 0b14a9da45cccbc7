"""Second stages in a configuration: right as a whole, or refused with the table and the key."""

import pytest

from edgevision.errors import ConfigError
from edgevision.pipeline.config import WatchConfig
from edgevision.pipeline.rules import Attributed, KnownFaceRule, UnknownFaceRule
from edgevision.pipeline.second import labels_of

LABELS = ("person", "sign")
ZONE = 'kind = "zone"\nname = "stops"\npoints = [[0, 0], [10, 0], [10, 10]]\n'
WHOLE = f"""
schema = 1
[model]
artifact = "model"

[[second_stages]]
name = "sign"
kind = "classify"
artifact = "signs"
runtime = "tflite"
threads = 0
classes = ["sign"]
min_px = 16
min_score = 0.4
min_sharpness = 2
margin = 0.2
looks = 2
refresh_s = 0
max_batch = 4
budget_ms = 200
threshold = 0.7

[[second_stages]]
name = "who"
kind = "identify"
artifact = "arcface"
faces = "yunet"
gallery = "people.npz"
classes = "person"
min_face_px = 40

[[cameras]]
name = "gate"
source = "a.mp4"
[[cameras.rules]]
{ZONE}attribute = {{ stage = "sign", labels = ["stop"], min_score = 0.9 }}
[[cameras.rules]]
kind = "known_face"
name = "friend"
names = ["Ada"]
attempts = 4
[[cameras.rules]]
kind = "unknown_face"
name = "stranger"
stage = "who"

[[cameras]]
name = "road"
source = "b.mp4"
second_stages = ["sign"]
"""


def known(stage):
    return ("Ada", "Ben") if stage.kind == "identify" else ("stop", "yield")


@pytest.fixture
def read(tmp_path):
    def read(text=WHOLE, stage_labels=known):
        path = tmp_path / "watch.toml"
        path.write_text(text, encoding="utf-8")
        return WatchConfig.read(path, lambda model: LABELS, stage_labels)

    return read


def test_everything_is_read(read, tmp_path):
    config = read()
    sign, who = config.second_stages
    assert (sign.artifact, sign.runtime, sign.threads, sign.classes) == (tmp_path / "signs", "tflite", None, {1})
    assert (sign.min_px, sign.min_score, sign.min_sharpness, sign.margin) == (16, 0.4, 2, 0.2)
    assert (sign.looks, sign.refresh_s, sign.max_batch, sign.budget_s, sign.threshold) == (2, None, 4, 0.2, 0.7)
    assert (who.faces, who.gallery, who.min_face_px) == (tmp_path / "yunet", tmp_path / "people.npz", 40)
    assert (who.looks, who.refresh_s, who.threshold) == (3, 5.0, 0.35)
    gate, road = config.cameras
    assert (gate.second_stages, road.second_stages) == ((sign, who), (sign,))
    assert [type(rule) for rule in gate.rules()] == [Attributed, KnownFaceRule, UnknownFaceRule]
    assert read(WHOLE.replace('second_stages = ["sign"]', "second_stages = []")).cameras[1].second_stages == ()


def test_another_stage_makes_another_camera(read):
    before, after = read(), read(WHOLE.replace("min_face_px = 40", "min_face_px = 41"))
    assert before.cameras[0].identity != after.cameras[0].identity
    assert before.cameras[1].identity == after.cameras[1].identity


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("min_px = 16", "min_pix = 16"), r"second_stages\.sign: unknown key: got min_pix.*did you mean min_px"),
        (('kind = "classify"', 'kind = "clasify"'), r"second_stages\.sign: kind: got clasify.*did you mean classify"),
        (('classes = ["sign"]', 'classes = ["sing"]'), r"second_stages\.sign: classes: got sing"),
        (("min_px = 16", "min_px = -1"), r"second_stages\.sign: min_px: got -1"),
        (("max_batch = 4", "max_batch = 0"), r"second_stages\.sign: max_batch: got 0; allowed: 1 or more"),
        (("budget_ms = 200", "budget_ms = 0"), r"second_stages\.sign: budget_ms: got 0.0; allowed: more than 0"),
        (("threshold = 0.7", "threshold = 7"), r"second_stages\.sign: threshold: got 7"),
        (("threshold = 0.7", 'gallery = "x.npz"'), r"second_stages\.sign: unknown key: got gallery"),
        (('gallery = "people.npz"\n', ""), r"second_stages\.who: no key 'gallery'"),
        (('name = "who"', 'name = "sign"'), "second_stages: two of one name: got sign"),
        (('second_stages = ["sign"]', 'second_stages = ["sing"]'), r"cameras\.road: second_stages: got sing"),
        (('stage = "sign"', 'stage = "sing"'), r"rules\.stops\.attribute: stage: got sing"),
        (('labels = ["stop"]', 'labels = ["stopp"]'), r"attribute: labels: got stopp.*did you mean stop"),
        (('labels = ["stop"], min', "labels = [], min"), "no labels"),
        (("min_score = 0.9", "min_scor = 0.9"), r"attribute: unknown key: got min_scor"),
        (('names = ["Ada"]', 'names = ["Adda"]'), r"rules\.friend: names: got Adda; allowed: Ada, Ben"),
        (('stage = "who"', 'stage = "sign"'), r"rules\.stranger: stage: got sign; allowed: who"),
        (("attempts = 4", "attempts = 0"), "attempts: got 0"),
    ],
)
def test_what_makes_no_sense_is_named(read, change, said):
    assert change[0] in WHOLE
    with pytest.raises(ConfigError, match=said):
        read(WHOLE.replace(*change, 1))


def test_faces_need_a_stage_that_identifies_and_one_alone_unless_told(read):
    one = '\n[[cameras.rules]]\nkind = "unknown_face"\nname = "nobody"\n'
    with pytest.raises(ConfigError, match=r"rules\.nobody: nothing identifies anybody; declare it"):
        read(WHOLE + one)
    second = WHOLE.replace("[[cameras]]", '[[second_stages]]\nname = "too"\nkind = "identify"\nartifact = "a"\n'
                           'gallery = "g.npz"\n[[cameras]]', 1)  # fmt: skip
    with pytest.raises(ConfigError, match="which stage identifies"):
        read(second)
    none = f'schema = 1\n[model]\nartifact = "m"\n[[cameras]]\nname = "a"\nsource = "a.mp4"\n[[cameras.rules]]\n{ZONE}'
    with pytest.raises(ConfigError, match="the camera has no second stage"):
        read(none + 'attribute = { stage = "sign", labels = "stop" }\n')


def test_what_a_stage_may_say_is_asked_of_its_files(read):
    with pytest.raises(ConfigError, match=r"second_stages\.sign: .*signs"):
        read(stage_labels=labels_of)
