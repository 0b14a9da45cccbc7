import json
import logging
import pickle

import pytest

from edgevision.errors import ConfigError
from edgevision.secret import Secret, scrub, without_credentials

PASSWORD = "p@ss w/rd:7"


def test_it_is_shown_by_nothing(caplog):
    secret = Secret(PASSWORD)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("x").info("%s %r %s", secret, secret, {"key": [secret]})
    shown = [str(secret), repr(secret), f"{secret:>20}", "%s" % secret, str(vars_of(secret)), caplog.text]  # noqa: UP031
    assert not any(PASSWORD in text for text in shown)
    for refused in (pickle.dumps, json.dumps):
        with pytest.raises(TypeError) as caught:
            refused(secret)
        assert PASSWORD not in str(caught.value)
    assert secret.reveal() == PASSWORD


def vars_of(secret):
    return getattr(secret, "__dict__", {})


def test_two_of_one_text_are_equal():
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a" and len({Secret("a"), Secret("a")}) == 1


def test_where_it_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("CAMERA_PASSWORD", PASSWORD)
    assert Secret.read("env:CAMERA_PASSWORD").reveal() == PASSWORD
    (tmp_path / "key").write_text(PASSWORD + "\n")
    assert Secret.read(f"file:{tmp_path / 'key'}").reveal() == PASSWORD


@pytest.mark.parametrize("place", ["env:NOT_THERE", "file:/not/there", PASSWORD])
def test_what_is_not_there_is_refused_without_telling(place):
    with pytest.raises(ConfigError) as caught:
        Secret.read(place)
    assert PASSWORD not in str(caught.value)
    with pytest.raises(ConfigError, match="empty"):
        Secret("")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:hunter2@10.0.0.7:554/live", "rtsp://***@10.0.0.7:554/live"),
        ("rtsp://admin:hun@ter2@cam/live", "rtsp://***@cam/live"),
        ("rtsp://admin@cam/live", "rtsp://***@cam/live"),
        ("http://cam/cgi?user=admin&password=hunter2&channel=1", "http://cam/cgi?user=***&password=***&channel=1"),
        ("https://h/x?access_token=hunter2#part", "https://h/x?access_token=***#part"),
        ("https://h/x?X-Amz-Signature=hunter2", "https://h/x?X-Amz-Signature=***"),
        ("two: http://a:hunter2@b and mqtt://c:hunter2@d:1883", "two: http://***@b and mqtt://***@d:1883"),
        ("http://cam/mail@example", "http://cam/mail@example"),
        ("nothing here", "nothing here"),
    ],
)
def test_urls_are_shown_without_credentials(text, shown):
    assert without_credentials(text) == shown


def test_what_others_say_is_scrubbed():
    said = f"401 for {PASSWORD}, p%40ss%20w/rd%3A7 and p%40ss%20w%2Frd%3A7 at http://u:v@w/"
    assert scrub(repr("a\tb"), [Secret("a\tb")]) == "'***'"
    assert scrub(said, [Secret(PASSWORD)]) == "401 for ***, *** and *** at http://***@w/"
