"""A configuration is right as a whole, or refused with the table and the key."""

import pytest

from edgevision.errors import ConfigError, SourceError
from edgevision.pipeline.config import WatchConfig
from edgevision.pipeline.rules import LineRule, Scheduled, SpeedRule, ZoneRule
from edgevision.pipeline.sinks import JsonLinesSink, MqttSink, WebhookSink

LABELS = ("person", "car")
WHOLE = """
schema = 1
profile = "monitoring"

[model]
artifact = "model"
runtime = "openvino"
threads = 0
score_threshold = 0.4
variants = { small = "other" }

[[cameras]]
name = "gate"
source = "rtsp://admin:{password}@10.0.0.7/1"
password = "env:GATE"
budget_ms = 400
options = { stimeout = 5, low_delay = true }
size = [640, 480]
masks = [[[0, 0], [100, 0], [100, 100]]]

[cameras.timeouts]
read_s = 2

[cameras.motion]
hold_s = 3
cells = 32

[cameras.tracker]
confirm_hits = 3

[cameras.degradation]
down_s = 2
[[cameras.degradation.levels]]
name = "half"
every = 2
[[cameras.degradation.levels]]
name = "small"
model = "small"
gate = true

[[cameras.rules]]
kind = "zone"
name = "yard"
points = [[0, 0], [10, 0], [10, 10.5]]
classes = "person"
dwell_s = 2
[cameras.rules.schedule]
days = ["sat", "sun"]
begin = "22:00"
end = "06:00"
zone = "UTC"

[[cameras.rules]]
kind = "line"
name = "door"
points = [[0, 0], [10, 0]]
direction = "in"

[[cameras.rules]]
kind = "speed"
name = "road"
pixels = [[0, 0], [10, 0], [10, 10], [0, 10]]
metres = [[0, 0], [4, 0], [4, 9], [0, 9]]
above_kmh = 30
classes = ["car"]

[[cameras]]
name = "file"
source = "film.mp4"

[[sinks]]
kind = "json_lines"
path = "events.jsonl"

[[sinks]]
kind = "webhook"
url = "https://example.org/hook"
secret = "env:HOOK"
bearer = "env:BEARER"

[[sinks]]
kind = "mqtt"
host = "broker"
password = "env:GATE"
username = "me"
discovery = "homeassistant"
[sinks.tls]
ca_file = "ca.pem"

[spool]
path = "spool.sqlite"
max_messages = 1000

[recording]
folder = "recorded"
max_days = 7
[recording.clips]
pre_s = 2

[status]
port = 8081
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    for name, value in {"GATE": "hunter/2", "HOOK": "k3y", "BEARER": "t0ken"}.items():
        monkeypatch.setenv(name, value)

    def read(text=WHOLE):
        path = tmp_path / "watch.toml"
        path.write_text(text, encoding="utf-8")
        return WatchConfig.read(path, lambda model: LABELS)

    return read


def test_a_file_with_a_password_lies_beside_the_document(read, tmp_path, monkeypatch):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "gate").write_text("hunter2\n")
    monkeypatch.chdir("/")
    text = WHOLE.replace('password = "env:GATE"\nbudget', 'password = "file:keys/gate"\nbudget')
    assert read(text).cameras[0].password.reveal() == "hunter2"
    (tmp_path / "keys" / "gate").write_text("\n")
    with pytest.raises(ConfigError, match="keys/gate is empty"):
        read(text)


def test_the_password_of_a_camera_is_hidden_wherever_its_address_has_it(read):
    pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")
    address = "http://127.0.0.1:9/{password}/live.mjpg"
    (gate, _) = read(WHOLE.replace("rtsp://admin:{password}@10.0.0.7/1", address)).cameras
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:9/\*\*\*/live") as caught:
        gate.source().open()
    assert "hunter" not in str(caught.value) and "hunter" not in repr(caught.value)


@pytest.mark.parametrize("address", ["nothing.avi", "rstp://10.0.0.7/1", "10.0.0.7/1"])
def test_a_source_that_is_wrong_is_named_with_its_camera(read, address):
    (gate, _) = read(WHOLE.replace("rtsp://admin:{password}@10.0.0.7/1", address + "?{password}")).cameras
    with pytest.raises((ConfigError, SourceError), match=r"^cameras\.gate: ") as caught:
        gate.source()
    assert "hunter" not in str(caught.value)


def test_everything_is_read(read, tmp_path):
    config = read()
    model, (gate, film) = config.model, config.cameras
    assert (model.artifact, model.threads, model.variants) == (
        tmp_path / "model",
        None,
        (("small", tmp_path / "other"),),
    )
    assert (gate.budget_s, gate.timeouts.read_s, gate.timeouts.open_s) == (0.4, 2.0, 5.0)
    assert (gate.motion.hold_s, gate.motion.cells, gate.tracker.confirm_hits) == (3.0, 32, 3)
    assert [(level.name, level.every, level.model, level.gate) for level in gate.degradation.levels] == [
        ("half", 2, None, False), ("small", 1, "small", True),
    ]  # fmt: skip
    assert gate.options == (("low_delay", "true"), ("stimeout", "5"))
    assert [type(rule) for rule in gate.rules()] == [Scheduled, LineRule, SpeedRule]
    assert gate.mask() is not None and film.mask() is None and film.budget_s is None and film.rules() == []
    assert [type(sink) for sink in config.sinks] == [JsonLinesSink, WebhookSink, MqttSink]
    assert config.sinks[2].settings.port == 8883 and config.sinks[2].settings.sources == ("gate", "file")
    assert (config.spool, config.spool_messages) == (tmp_path / "spool.sqlite", 1000)
    assert (config.recording.retention.max_days, config.recording.clips.pre_s) == (7.0, 2.0)
    assert (config.status.host, config.status.port) == ("127.0.0.1", 8081)


def test_rules_are_made_anew_each_time(read):
    (gate, _) = read().cameras
    assert gate.rules()[1] is not gate.rules()[1]


def test_secrets_are_nowhere_but_in_the_connection(read):
    config = read()
    assert "hunter" not in repr(config) and "k3y" not in repr(config) and "t0ken" not in repr(config)
    source = config.cameras[0].source()
    assert source._location.address == "rtsp://admin:hunter%2F2@10.0.0.7/1"


def test_equal_cameras_have_equal_identities(read):
    before, after = read(), read(WHOLE.replace("dwell_s = 2", "dwell_s = 3"))
    assert before.cameras[0].identity == read().cameras[0].identity != after.cameras[0].identity
    assert before.cameras[1].identity == after.cameras[1].identity


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("schema = 1", "schema = 9"), "newer edgevision"),
        (("schema = 1", ""), "no schema number"),
        (('"monitoring"', '"monitorring"'), r"profile: got monitorring.*did you mean monitoring"),
        (("[model]", "[modell]"), r"no table \[model\]"),
        (("threads = 0", "thread = 0"), r"model: unknown key: got thread; allowed: .*did you mean threads"),
        (("threads = 0", "threads = 1.5"), r"model: threads: got float 1.5; allowed: a whole number"),
        (("threads = 0", "threads = true"), "model: threads: got bool"),
        (('name = "file"', 'name = "gate"'), "cameras: two of one name: got gate"),
        (('source = "film.mp4"', 'sauce = "film.mp4"'), r"cameras\.file: no key 'source'"),
        (("budget_ms = 400", "budget_ms = nan"), r"cameras\.gate: budget_ms: got nan"),
        (("budget_ms = 400", f"budget_ms = 1{'0' * 400}"), r"cameras\.gate: budget_ms: got a number of 401 digits"),
        (("[10, 10.5]]", f"[10, 1{'0' * 400}]]"), r"rules\.yard: points: got a number of 401 digits"),
        (('artifact = "model"', 'artifact = "~nobody-of-this-name/m"'), "model: artifact: path: no home folder"),
        (('artifact = "model"', 'artifact = "a\\u0000b"'), "model: artifact: path: no file can have this name"),
        (('{ small = "other" }', '{ small = "~nobody-of-this-name/m" }'), r"model: variants\.small: path: no home"),
        (('"env:HOOK"', '"file:~nobody-of-this-name/k"'), r"sinks\.2: secret: path: no home folder"),
        (('artifact = "model"', 'artifact = "~a\\u0000b"'), "model: artifact: path: no file can have this name"),
        (('"env:HOOK"', '"file:/dev/zero"'), r"sinks\.2: secret: secret: /dev/zero is too long"),
        (("budget_ms = 400", "budget_ms = -1"), r"cameras\.gate: budget_ms: got -1.0; allowed: more than 0"),
        (("read_s = 2", "read_s = 0"), r"timeouts: read_s: got 0.0; allowed: seconds, more than 0"),
        (("read_s = 2", "read_s = 1e300"), r"timeouts: read_s: got 1e\+300; allowed: seconds, .* up to 86400"),
        (('artifact = "model"', 'artifact = " "'), "model: artifact: got ' '; allowed: a path"),
        (('classes = "person"', "classes = []"), r"rules\.yard: classes: an empty list finds nobody"),
        (("hold_s = 3", "hold_s = -3"), "motion: hold_s"),
        (("hold_s = 3", 'hold_s = "3"'), r"cameras\.gate\.motion: hold_s: got str '3'; allowed: a number"),
        (('classes = "person"', 'classes = "persn"'), r"rules\.yard: classes: got persn.*did you mean person"),
        (("dwell_s = 2", "dwel_s = 2"), r"cameras\.gate\.rules\.yard: unknown key: got dwel_s.*did you mean dwell_s"),
        (('kind = "zone"', 'kind = "zoo"'), r"rules\.yard: kind: got zoo"),
        (('kind = "zone"', 'kind = "loitering"'), None),
        (("points = [[0, 0], [10, 0], [10, 10.5]]", "points = [[0, 0], [10]]"), r"rules\.yard: points"),
        (("[10, 0], [10, 10.5]]", "[1e300, 0], [10, 10.5]]"), r"yard: points: got \[1e\+300, 0\]; allowed: -100000 to"),
        (("[10, 0], [10, 10.5]]", "[nan, 0], [10, 10.5]]"), r"yard: points: got \[nan, 0\]"),
        (("[10, 0], [10, 10.5]]", "[1281, 0], [10, 10.5]]"), r"yard: points: x of .* 640 pixels wide: got 0 to 1281"),
        (("[10, 0], [10, 10.5]]", "[1280, 0], [10, -480]]"), None),
        (("points = [[0, 0], [10, 0]]", "points = [[641, 5], [700, 9]]"), r"door: points: x of .*got 641 to 700"),
        (("points = [[0, 0], [10, 0]]", "points = [[-9, 5], [700, 9]]"), None),
        (("pixels = [[0, 0]", "pixels = [[0, -481]"), r"road: pixels: y of .* 480 pixels high: got -481 to 10"),
        (("metres = [[0, 0], [4, 0], [4, 9]", "metres = [[0, 0], [4, 0], [4, 1e9]"), r"road: metres: got \[4, 1e\+09"),
        (("masks = [[[0, 0], [100, 0]", "masks = [[[0, 0], [1e300, 0]"), r"cameras\.gate: masks: got \[1e\+300, 0\]"),
        (("[100, 0], [100, 100]", "[100, 0], [100, 1000]"), r"cameras\.gate: masks: y of .*got 0 to 1000"),
        (("port = 8081", "port = 99999"), "status: port: got 99999; allowed: 0 to 65535"),
        (('host = "broker"', 'host = "broker"\nport = 99999'), "mqtt: port: got 99999; allowed: 1 to 65535"),
        (("example.org/hook", "example.org:99999/hook"), "webhook: url: port: got 99999; allowed: 1 to 65535"),
        (("example.org/hook", "me:hook-pass@example.org:hook-pass/"), "webhook: url: port: got no number; allowed: 1"),
        (("points = [[0, 0], [10, 0]]", "points = [[0, 0]]"), r"rules\.door: points of a line: got 1"),
        (('begin = "22:00"', 'begin = "22 o\'clock"'), "time of day"),
        (("every = 2", "every = 0"), "degradation: every"),
        (('name = "half"', 'name = "small"'), r"degradation\.levels: two of one name: got small"),
        (('model = "small"', 'model = "tiny"'), r"levels\.small: model: got tiny"),
        (("size = [640, 480]\n", ""), "masks are in pixels"),
        (('password = "env:GATE"\nbudget', "budget"), "source and password"),
        (('"env:HOOK"', '"env:MISSING"'), r"sinks\.2: secret: .*no environment variable MISSING"),
        (('"env:HOOK"', '"k3y-in-plain"'), r"sinks\.2: secret: .*allowed: env:NAME, file:PATH"),
        (('kind = "mqtt"', 'kind = "kafka"'), r"sinks\.3: kind: got kafka"),
        (("max_days = 7", "max_days = 0"), "retention: max_days"),
        (("cells = 32", "cells = 3"), r"^cameras\.gate: motion: cells: got 3"),
        (("dwell_s = 2", "dwell_s = -2"), r"^cameras\.gate: yard: dwell_s: got -2"),
        (("[100, 0], [100, 100]", "[100, 0]"), r"^cameras\.gate: privacy mask: corners of a polygon: got 2"),
        (('host = "broker"', 'host = "mqtts://me:hook-pass@broker"'), r"^sinks\.3: mqtt: host: got 'broker';"),
        (('host = "broker"', 'host = "broker:1883"'), r"mqtt: host: got 'broker:1883'; allowed: .*set port"),
        (('host = "broker"', 'host = "me@broker"'), r"mqtt: host: got 'broker'; allowed"),
        (('host = "broker"', 'host = "broker/?key=hook-pass"'), r"mqtt: host: got 'broker/\?key=\*\*\*'"),
        (('host = "broker"', 'host = "[fd00::7]:1883"'), r"mqtt: host: got '\[fd00::7\]:1883'; allowed"),
        (('host = "broker"', 'host = "fd00::7"'), None),
        (("port = 8081", 'port = "8081"'), "status: port"),
        (('profile = "monitoring"', 'profile = "driving"'), "driving does nothing less well"),
        (("max_messages = 1000", "max_messages = 1"), "spool: max_messages: got 1; allowed: 2 or more"),
        (("[spool]", "[spol]"), r"config: unknown key: got spol; allowed: .*did you mean spool"),
    ],
)
def test_what_makes_no_sense_is_named(read, change, said):
    assert change[0] in WHOLE
    text = WHOLE.replace(*change, 1)
    if said is None:
        read(text)
        return
    with pytest.raises(ConfigError, match=said) as caught:
        read(text)
    assert "k3y-in-plain" not in str(caught.value) and "hook-pass" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("ga te", "ga_te"), r"cameras 'ga te' and 'ga_te' would have one MQTT topic: got ga_te"),
        (("ga:te", "ga_te"), r"cameras 'ga:te' and 'ga_te' would have one folder of pictures: got ga_te"),
        ((".gate", "gate"), r"cameras '.gate' and 'gate' would have one folder"),
        (("ga.te", "ga-te"), None),
    ],
)
def test_two_cameras_do_not_share_a_topic_or_a_folder(read, names, said):
    text = WHOLE.replace('name = "gate"', f'name = "{names[0]}"').replace('name = "file"', f'name = "{names[1]}"')
    if said is None:
        assert [camera.name for camera in read(text).cameras] == list(names)
    else:
        with pytest.raises(ConfigError, match=said):
            read(text)
    read(text.split("[[sinks]]")[0])  # nothing is kept or sent


@pytest.mark.parametrize("name", [r"gate\n2", r"a\u0000b", r"\u202e"])
@pytest.mark.parametrize("key", ['name = "gate"', 'name = "yard"'])
def test_names_can_be_printed(read, key, name):
    with pytest.raises(ConfigError, match=r"name: got .*; allowed: characters that can be printed"):
        read(WHOLE.replace(key, f'name = "{name}"', 1))


def test_each_camera_has_a_folder_of_its_own(read):
    film = 'name = "file"'
    for first, second in (("門", "庭"), ("Tür", "Tor")):
        read(WHOLE.replace('name = "gate"', f'name = "{first}"', 1).replace(film, f'name = "{second}"', 1))
    with pytest.raises(ConfigError, match="cameras 'a b' and 'a_b' would have one "):
        read(WHOLE.replace('name = "gate"', 'name = "a b"', 1).replace(film, 'name = "a_b"', 1))
    with pytest.raises(ConfigError, match="no folder can be called so: got xxx"):
        read(WHOLE.replace(film, f'name = "{"x" * 300}"', 1))


def test_driving_has_deadlines(read):
    text = (
        'schema = 1\nprofile = "driving"\n[model]\nartifact = "m"\n[[cameras]]\nname = "front"\nsource = "camera:0"\n'
    )
    with pytest.raises(ConfigError, match=r"cameras\.front: driving needs a deadline"):
        read(text)
    assert read(text + "budget_ms = 100\n").cameras[0].budget_s == 0.1


@pytest.mark.parametrize("text", ["", "schema = 1", "schema = 1\n[model]\nartifact = 'm'", "a = [", "\x00"])
def test_documents_that_are_none(read, text):
    with pytest.raises(ConfigError):
        read(text)


def test_no_such_file(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.toml cannot be read: No such file"):
        WatchConfig.read(tmp_path / "nothing.toml", lambda model: LABELS)


def test_a_zone_rule_is_one(read):
    (gate, _) = read(
        WHOLE.replace(
            '[cameras.rules.schedule]\ndays = ["sat", "sun"]\nbegin = "22:00"\nend = "06:00"\nzone = "UTC"\n', ""
        )
    ).cameras
    assert isinstance(gate.rules()[0], ZoneRule)
