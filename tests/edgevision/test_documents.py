import pytest

from edgevision.documents import canonical_json, check_fields, check_schema, digest, pretty_json
from edgevision.errors import ArtifactError, ConfigError


def test_the_text_does_not_depend_on_the_order_of_keys():
    assert canonical_json({"b": 1, "a": [1.5, None]}) == '{"a":[1.5,null],"b":1}'
    assert pretty_json({"b": 1, "a": 2}) == pretty_json({"a": 2, "b": 1})
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1}) != digest({"a": 2})


def test_nan_is_not_json():
    with pytest.raises(ValueError, match="JSON"):
        pretty_json({"a": float("nan")})


def test_fields_are_strict():
    assert check_fields("doc", {"a": 1, "b": 2}, required=("a",), optional=("b",)) == {"a": 1, "b": 2}
    with pytest.raises(ArtifactError, match=r"doc: unknown key: got taks; allowed: task, b \(did you mean task\?\)"):
        check_fields("doc", {"taks": 1}, required=("task",), optional=("b",), error=ArtifactError)
    with pytest.raises(ConfigError, match="doc: no key 'a': got b"):
        check_fields("doc", {"b": 1}, required=("a",), optional=("b",))
    with pytest.raises(ConfigError, match="not a mapping: got list"):
        check_fields("doc", [], required=())


@pytest.mark.parametrize("document", [{}, {"schema": "1"}, {"schema": True}, {"schema": 0}, []])
def test_a_document_without_a_schema_number_is_refused(document):
    with pytest.raises(ConfigError, match="no schema number"):
        check_schema("report", document, 1)


def test_a_newer_schema_is_refused_and_an_older_accepted():
    assert check_schema("report", {"schema": 1}, 2) == 1
    with pytest.raises(ArtifactError, match="newer edgevision: got schema 3; allowed: up to 2; upgrade"):
        check_schema("report", {"schema": 3}, 2, ArtifactError)
