from datetime import date

import pytest
from starlette.requests import Request

from console.query_values import QueryInvalid, choice, choices, day, number
from console.visit import Visit


def _visit(query: str) -> Visit:
    request = Request({"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": []})
    return Visit(request=request, resources=None, user=None)  # type: ignore[arg-type]


def test_a_parameter_that_the_address_does_not_have_has_no_value() -> None:
    for query in ("", "state=&code=&since=", "state=%20&code=%20&since=%20"):
        visit = _visit(query)
        assert (choice(visit, "state", ["paused"]), number(visit, "code"), day(visit, "since")) == ("", None, None)
    assert choices("state", [], ["paused"]) == frozenset()


def test_a_value_that_exists_is_returned() -> None:
    visit = _visit("state=paused&code=7&since=31/12/2026&until=2026-12-31")
    assert choice(visit, "state", ["running", "paused"]) == "paused"
    assert number(visit, "code") == 7
    assert day(visit, "since") == day(visit, "until") == date(2026, 12, 31)
    assert choices("state", ["a", "b"], ["a", "b", "c"]) == {"a", "b"}


def test_a_value_that_does_not_exist_is_an_error_that_says_what_is_possible() -> None:
    with pytest.raises(QueryInvalid, match=r"^The address has state=asleep\. Possible: running, paused\.$"):
        choice(_visit("state=asleep"), "state", ["running", "paused"])
    with pytest.raises(QueryInvalid, match=r"^The address has state=b\. Possible: a\.$"):
        choices("state", ["a", "b"], ["a"])
    with pytest.raises(QueryInvalid, match=r"^The address has since=32/1/2026\. Possible: days from 2000 to 2999"):
        day(_visit("since=32/1/2026"), "since")
    with pytest.raises(QueryInvalid, match=f"state={'x' * 40}\\. Possible"):
        choice(_visit(f"state={'x' * 1000}"), "state", ["paused"])


def test_a_number_has_a_bound_and_plain_digits() -> None:
    assert number(_visit("bucket=127"), "bucket", below=128) == 127
    assert number(_visit("code=999999999"), "code") == 999_999_999
    for written in ("128", "-1", "1.5", "x", "²", "१", "1000000000", "0000000001"):
        with pytest.raises(QueryInvalid, match=r"Possible: whole numbers from 0 to 127\.$"):
            number(_visit(f"bucket={written}"), "bucket", below=128)
