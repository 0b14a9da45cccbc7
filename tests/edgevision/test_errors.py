import pickle

import pytest

from edgevision import errors
from edgevision.errors import ConfigError, EdgeVisionError, InputError, check_choice


def test_a_message_has_what_got_allowed_next_step():
    error = InputError("image: wrong shape", got=[3, 4], allowed="(H, W, 3)", next_step="convert it to RGB")
    assert str(error) == "image: wrong shape: got [3, 4]; allowed: (H, W, 3); convert it to RGB"
    assert str(EdgeVisionError("no model")) == "no model"


def test_a_near_miss_is_suggested_and_a_far_one_is_not():
    with pytest.raises(ConfigError, match=r"got Strech; allowed: stretch, letterbox \(did you mean stretch\?\)$"):
        check_choice("resize", "Strech", ("stretch", "letterbox"))
    with pytest.raises(ConfigError, match=r"allowed: stretch, letterbox$"):
        check_choice("resize", "q", ("stretch", "letterbox"))
    check_choice("resize", "stretch", ("stretch",))
    with pytest.raises(ConfigError, match=r"names: got Ada; allowed: nothing, for there is none$"):
        check_choice("names", "Ada", ())


def test_an_empty_value_is_visible():
    with pytest.raises(ConfigError, match="got ''"):
        check_choice("resize", "", ("stretch",))
    with pytest.raises(ConfigError, match="got None"):
        check_choice("resize", None, ("stretch",))


def test_usage_errors_exit_with_2_and_all_others_with_1():
    tree = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, EdgeVisionError)]
    assert {item.__name__: item.exit_code for item in tree if item.exit_code != 1} == {"ConfigError": 2}
    for item in tree:
        assert item.__name__ in (errors.__doc__ or ""), "the tree in the docstring is complete"


def test_errors_cross_process_borders():
    error = pickle.loads(pickle.dumps(InputError("bad", got=1, allowed=["a", "b"], next_step="stop")))
    assert str(error) == "bad: got 1; allowed: a, b; stop"
