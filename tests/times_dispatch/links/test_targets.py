from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.links.targets import MAX_TARGET_LENGTH, compose_target, target_problem, values_problem

SALE = ["https://shop.example/sale?u=", ""]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_value_in_the_query_arrives_unchanged_and_changes_nothing_else(value: str) -> None:
    parts = urlsplit(compose_target(SALE, [value]))

    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("https", "shop.example", "/sale", "")
    assert parse_qs(parts.query, keep_blank_values=True) == {"u": [value]}


@given(st.text(max_size=40))
def test_a_value_in_the_path_is_one_segment(value: str) -> None:
    target = compose_target(["https://shop.example/c/", "/sale"], [value])

    assert target.isascii()
    assert target.isprintable()
    parts = urlsplit(target)
    assert parts.netloc == "shop.example"
    assert parts.path.count("/") == 3
    assert not parts.query


@pytest.mark.parametrize(
    "literals",
    [
        ["https://shop.example"],
        ["http://shop.example:8080/a?b=c#d"],
        ["https://shop.example/", ""],
        ["https://shop.example?u=", "&v=", ""],
    ],
)
def test_an_address_with_values_after_its_domain_can_be_a_target(literals: list[str]) -> None:
    assert target_problem(literals) is None


@pytest.mark.parametrize(
    ("literals", "problem"),
    [
        (["ftp://shop.example/"], "must begin with https://"),
        (["javascript:alert(1)"], "must begin with https://"),
        (["", ".example/"], "must begin with https://"),
        (["https://", "/sale"], "must begin with https://"),
        (["https://shop", ".example/"], "has a placeholder in its domain"),
        (["https://shop.example", "/"], "has a placeholder in its domain"),
        (["https://shop.example:", "/"], "has a placeholder in its domain"),
        (["https://shop.example@", "/"], "must begin with https://"),
        (["https://me:secret@shop.example/"], "must not contain credentials"),
        (["https://shop.example/a b"], "must be ASCII without blanks"),
        (["https://shop.example/\r\nX: 1"], "must be ASCII without blanks"),
        (["https://shop.example/अ"], "must be ASCII without blanks"),
        (["https://shop.example/", "\\evil"], "must be ASCII without blanks"),
        (["https://[shop/"], "is not a URL"),
        (["https://shop.example/" + "a" * MAX_TARGET_LENGTH], "is longer than 2,000 characters"),
    ],
)
def test_no_other_address_can_be_a_target(literals: list[str], problem: str) -> None:
    assert problem in (target_problem(literals) or "")


@pytest.mark.parametrize("value", [".", ".."])
def test_dots_alone_are_no_segment_of_a_path(value: str) -> None:
    assert "dots" in (values_problem(["https://shop.example/c/", "/sale"], [value]) or "")
    assert values_problem(SALE, [value]) is None


def test_a_target_may_have_so_many_characters_and_no_more() -> None:
    room = MAX_TARGET_LENGTH - len(SALE[0])
    assert values_problem(SALE, ["a" * room]) is None
    assert "more than 2,000" in (values_problem(SALE, ["a" * (room + 1)]) or "")
