import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.provider.description.json_template import (
    MAX_DEPTH,
    JsonTemplateInvalid,
    Number,
    Object,
    keys,
    parse,
    strings,
)

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def plain(node: object) -> object:
    match node:
        case Object(pairs):
            return {key: plain(value) for key, value in pairs}
        case list():
            return [plain(value) for value in node]
        case Number():
            return json.loads(node)
    return node


@given(st.lists(documents, max_size=3))
def test_any_document_is_read_as_json_reads_it(document: list[object]) -> None:
    assert plain(parse(json.dumps(document))) == document


def test_numbers_stay_as_they_are_written() -> None:
    assert parse("[1.50, -0, 1E2]") == ["1.50", "-0", "1E2"]


def test_every_string_that_is_a_value_is_found_with_its_key() -> None:
    document = parse('{"a": "x", "b": [{"c": "y"}, "z", 1, true, null], "d": {"e": {}}}')
    assert list(strings(document)) == [("a", "x"), ("c", "y"), ("b", "z")]
    assert list(keys(document)) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not JSON: expecting value in line 1"),
        ("{\n'a': 1}", "is not JSON: expecting property name enclosed in double quotes in line 2"),
        ('{"to": $$To}', "is not JSON: expecting value in line 1; write it in quotes"),
        ('{"a": NaN}', "holds NaN, which is not JSON"),
        ('"$$To"', "must be a JSON object or array"),
        ("5", "must be a JSON object or array"),
        ('{"a": {"b": 1, "b": 2}}', "has the key 'b' twice"),
        ("[" * 1_500 + "]" * 1_500, "is nested more than 50 levels deep"),
        ('{"a":' * 30_000 + "1" + "}" * 30_000, "is nested more than 50 levels deep"),
    ],
)
def test_a_template_that_is_no_document_is_refused_without_its_values(text: str, reason: str) -> None:
    with pytest.raises(JsonTemplateInvalid) as invalid:
        parse(text)
    assert str(invalid.value) == reason


@pytest.mark.parametrize(("before", "after"), [("[", "]"), ('{"a":', "}")])
def test_a_template_may_be_nested_to_a_bound_on_every_version_of_python(before: str, after: str) -> None:
    document = parse(before * MAX_DEPTH + '"$$To"' + after * MAX_DEPTH)
    assert [text for _, text in strings(document)] == ["$$To"]
    with pytest.raises(JsonTemplateInvalid, match="is nested more than 50 levels deep"):
        parse(before * (MAX_DEPTH + 1) + '"$$To"' + after * (MAX_DEPTH + 1))
