import pytest

from times_dispatch.sms.rules import categories, headers, ids
from times_dispatch.sms.rules.categories import Category


@pytest.mark.parametrize("header", ["TIMESM", "timesm", "TiMeSm", "567890"])
def test_a_header_is_six_letters_or_six_digits(header: str) -> None:
    assert headers.problem(header) is None


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("TIMESM-S", "write TIMESM"),
        ("567890-P", "write 567890"),
        ("VM-TIMESM", "write TIMESM"),
        ("AD-567890-P", "write 567890"),
        ("TIMES", "a header is 6 letters, or 6 digits"),
        ("TIMESMS", "a header is 6 letters, or 6 digits"),
        ("TIME5M", "a header is 6 letters, or 6 digits"),
        ("५६७८९०", "a header is 6 letters, or 6 digits"),
        ("", "a header is 6 letters, or 6 digits"),
    ],
)
def test_what_operators_add_is_told_from_what_is_wrong(header: str, reason: str) -> None:
    assert reason in (headers.problem(header) or "")


def test_digits_prove_a_category_and_letters_none() -> None:
    assert headers.category_problem("567890", "service") == "a header of digits is promotional, and this says service"
    assert headers.category_problem("567890", "promotional") is None
    assert headers.category_problem("TIMESM", "promotional") is None


@pytest.mark.parametrize(
    ("length", "entity", "content"), [(3, 0, 0), (4, 0, 1), (11, 0, 1), (12, 1, 1), (19, 1, 1), (20, 0, 0)]
)
def test_ids_are_digits_of_some_length(length: int, entity: int, content: int) -> None:
    digits = "1" * length

    assert (ids.entity_problem(digits) is None) is bool(entity)
    assert (ids.content_problem(digits) is None) is bool(content)


def test_fewer_digits_than_were_ever_seen_are_a_doubt() -> None:
    assert ids.doubt("1" * 18) == "has 18 digits, every known one has 19"
    assert ids.doubt("1" * 19) is None
    assert ids.doubt("") is None


@pytest.mark.parametrize("mangled", ["1.20716E+18", "1,20716E+18", "1207161786534400000.0", "1.2e18"])
def test_an_id_that_a_spreadsheet_spoilt_is_recognised(mangled: str) -> None:
    assert "a spreadsheet made a number of it" in (ids.content_problem(mangled) or "")


@pytest.mark.parametrize(
    ("word", "category"),
    [
        ("Transactional", "transactional"),
        ("Service - Implicit", "service"),
        ("SERVICE_IMPLICIT", "service"),
        ("Service Inferred", "service"),
        ("Service Explicit", "promotional"),
        ("Promotional", "promotional"),
        ("Government", "government"),
        ("SE", "promotional"),
        ("TEXT", None),
        ("UNICODE", None),
        ("Banking/Insurance", None),
        ("", None),
    ],
)
def test_portals_words_for_categories_are_known(word: str, category: Category | None) -> None:
    assert categories.from_portal(word) == category


def test_a_promotional_template_is_promotional_whoever_sends_it() -> None:
    assert categories.effective("service", "promotional") == "promotional"
    assert categories.effective("promotional", "service") == "promotional"
    assert categories.effective("transactional", "service") == "transactional"
    assert categories.effective("government", None) == "government"
