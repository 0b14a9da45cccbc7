"""Addresses are shown without what is secret in them."""

import pytest

from edgevision.pipeline.sources import Location
from edgevision.secret import Secret

SECRET = "hunter2"


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://admin:hunter2@10.0.0.7:554/1",
        "rtsp://admin:p@hunter2@10.0.0.7/1",
        "rtsp://hunter2@10.0.0.7/1",
        "rtsp://admin:a/hunter2@10.0.0.7/1",
        "rtsp://admin:a?hunter2@10.0.0.7/1",
        "HTTP://admin:hunter2@[fe80::1]/video",
        "http://10.0.0.7/video?user=admin&password=hunter2&x=1",
        "http://10.0.0.7/video?Token=hunter2",
        "rtsp://10.0.0.7/user=admin_password=hunter2_channel=1_stream=0.sdp",
        "http://10.0.0.7/videostream.cgi?loginuse=admin&loginpas=hunter2",
        "http://10.0.0.7/snapshot.jpg?usr=admin&pw=hunter2",
        "http://10.0.0.7/?u=admin&p=hunter2",
        "http://10.0.0.7/cgi?psw=hunter2&pin=hunter2",
        "http://10.0.0.7/cgi?userpw=hunter2&login_pw=hunter2&pswd=hunter2&loginpwd=hunter2",
        "srt://10.0.0.7:9000?passphrase=hunter2",
        "rtspsrc location=rtsp://10.0.0.7/1 user-id=admin user-pw=hunter2 ! rtph264depay",
        "rtspsrc location=rtsp://10.0.0.7/1 user-pw=(string)hunter2 ! rtph264depay",
        'rtspsrc user-pw="hunter2 and more" location=rtsp://10.0.0.7/1 ! rtph264depay',
        "souphttpsrc proxy-pw=hunter2 ! jpegdec",
    ],
)
def test_secrets_are_nowhere(address):
    location = Location(address)
    for text in (str(location), repr(location), f"{location}", location.shown, location.clean(f"no {address} today")):
        assert SECRET not in text
    assert location.address == address
    assert location.clean(f"Connection refused: '{address}'").startswith(f"Connection refused: '{location.shown}")


@pytest.mark.parametrize(
    "address", ["http://cam/{}/live.mjpg", "http://cam/?p={}", "rtsp://admin:80/{}@cam/", "x y={} ! z"]
)
def test_a_secret_that_is_known_is_hidden_wherever_it_stands(address):
    location = Location(address.format("hunter2%2F3"), Secret("hunter2/3"))
    for text in (str(location), repr(location), location.clean("404 for hunter2/3 and hunter2%2F3")):
        assert SECRET not in text and "hunter" not in text


def test_secrets_in_other_words_are_found():
    location = Location("rtsp://admin:a%2Fb%40c@10.0.0.7/1")
    assert "a/b@c" not in location.clean("401 for a/b@c") and "a%2Fb%40c" not in location.clean("a%2Fb%40c")


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://10.0.0.7:554/user@cam",
        "/dev/video0",
        "C:/videos/a@b.mp4",
        "http://10.0.0.7/video?size=1",
        "rtsp://10.0.0.7/cam/realmonitor?channel=1&subtype=main",
        "http://10.0.0.7/video?fps=5&ps=1&mode=up",
        "rtsp://[::1]:8554/a",
    ],
)
def test_what_is_no_secret_stays(address):
    assert Location(address).shown == address
    assert Location(address).clean(f"{address} is lost") == f"{address} is lost"
