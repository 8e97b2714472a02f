from datetime import date

import pytest
from starlette.requests import Request

from console.visit import QueryInvalid, Visit, check_known


def _visit(query: str) -> Visit:
    request = Request({"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": []})
    return Visit(request=request, resources=None, user=None)  # type: ignore[arg-type]


def test_a_parameter_that_the_address_does_not_have_has_no_value() -> None:
    for query in ("", "state=&code=&since=", "state=%20&code=%20&since=%20"):
        visit = _visit(query)
        assert (visit.choice("state", ["paused"]), visit.number("code"), visit.day("since")) == ("", None, None)
    check_known("state", [], ["paused"])


def test_a_value_that_exists_is_returned() -> None:
    visit = _visit("state=paused&code=7&since=31/12/2026&until=2026-12-31")
    assert visit.choice("state", ["running", "paused"]) == "paused"
    assert visit.number("code") == 7
    assert visit.day("since") == visit.day("until") == date(2026, 12, 31)
    check_known("state", ["a", "b"], ["a", "b", "c"])


def test_a_value_that_does_not_exist_is_an_error_that_says_what_is_possible() -> None:
    with pytest.raises(QueryInvalid, match=r"^The address has state=asleep\. Possible: running, paused\.$"):
        _visit("state=asleep").choice("state", ["running", "paused"])
    with pytest.raises(QueryInvalid, match=r"^The address has state=b\. Possible: a\.$"):
        check_known("state", ["a", "b"], ["a"])
    with pytest.raises(QueryInvalid, match=r"^The address has since=32/1/2026\. Possible: days from 2000 to 2999"):
        _visit("since=32/1/2026").day("since")
    with pytest.raises(QueryInvalid, match=f"state={'x' * 40}\\. Possible"):
        _visit(f"state={'x' * 1000}").choice("state", ["paused"])


def test_a_number_has_a_bound_and_plain_digits() -> None:
    assert _visit("bucket=127").number("bucket", below=128) == 127
    assert _visit("code=999999999").number("code") == 999_999_999
    for written in ("128", "-1", "1.5", "x", "²", "१", "1000000000", "0000000001"):
        with pytest.raises(QueryInvalid, match=r"Possible: whole numbers from 0 to 127\.$"):
            _visit(f"bucket={written}").number("bucket", below=128)
