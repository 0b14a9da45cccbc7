"""Device strings: what the grammar takes, and what it says about the rest."""

import pytest

from edgevision.device_string import DeviceString, parse_device
from edgevision.errors import DeviceNotFoundError


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("cpu", DeviceString("cpu")),
        ("gpu", DeviceString("gpu")),
        ("gpu:0", DeviceString("gpu", index=0)),
        ("npu:12", DeviceString("npu", index=12)),
        ("dla:1", DeviceString("dla", index=1)),
        ("coral:usb", DeviceString("coral", "usb")),
        ("auto", DeviceString("auto")),
        ("auto:gpu,cpu", DeviceString("auto", members=("gpu", "cpu"))),
        ("hetero:gpu:1,cpu", DeviceString("hetero", members=("gpu:1", "cpu"))),
        ("ssh://pi@box/multi:npu,cpu", DeviceString("multi", host="box", user="pi", members=("npu", "cpu"))),
        ("coral:pci:3", DeviceString("coral", "pci", 3)),
        ("ssh://pi@camera-3:2222/coral:usb:0", DeviceString("coral", "usb", 0, "camera-3", "pi", 2222)),
        ("ssh://10.0.0.7/cpu", DeviceString("cpu", host="10.0.0.7")),
        ("ssh://[fe80::1]/gpu:1", DeviceString("gpu", index=1, host="[fe80::1]")),
    ],
)
def test_devices_parse_and_print_as_they_were(text, parsed):
    assert parse_device(text) == parsed
    assert str(parsed) == text


@pytest.mark.parametrize(
    "text",
    ["", "hetero", "multi:", "hetero:cpu,cpu", "auto:coral:usb", "auto:cpu,", "hetero:dla,gpu", "CPU",
     "cpu:0", "gpu:", "gpu:-1", "gpu:01", "gpu:x", "coral", "coral:usb:", "coral:tcp", "tpu", " cpu",
     "cpu\n", "ssh://host", "ssh://host/", "ssh:///cpu", "ssh://host:0/cpu", "ssh://host:65536/cpu", "ssh://a b/cpu",
     "ssh://host/ssh://other/cpu", "ssh://-oProxyCommand=x@host/cpu", None, 3],
)  # fmt: skip
def test_what_is_no_device_is_refused_with_the_grammar(text):
    with pytest.raises(DeviceNotFoundError, match=r"allowed: cpu, gpu\[:N\]"):
        parse_device(text)


@pytest.mark.parametrize(("text", "nearest"), [("gpuu", "gpu"), ("coral:ubs", "coral:usb"), ("Cpu", "cpu")])
def test_the_nearest_match_is_named(text, nearest):
    with pytest.raises(DeviceNotFoundError, match=rf"did you mean {nearest}\?"):
        parse_device(text)


def test_the_nearest_match_is_named_once():
    with pytest.raises(DeviceNotFoundError) as caught:
        parse_device("cpu:0")
    assert str(caught.value).count("did you mean") == 1
