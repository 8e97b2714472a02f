import pytest

from times_dispatch.sms.rules import dlt_ids


@pytest.mark.parametrize(
    ("length", "entity", "content"), [(3, 0, 0), (4, 0, 1), (11, 0, 1), (12, 1, 1), (19, 1, 1), (20, 0, 0)]
)
def test_ids_are_digits_of_some_length(length: int, entity: int, content: int) -> None:
    digits = "1" * length

    assert (dlt_ids.entity_problem(digits) is None) is bool(entity)
    assert (dlt_ids.content_problem(digits) is None) is bool(content)


def test_fewer_digits_than_were_ever_seen_are_a_warning() -> None:
    assert dlt_ids.warning("1" * 18) == "has 18 digits, every known one has 19"
    assert dlt_ids.warning("1" * 19) is None
    assert dlt_ids.warning("") is None


@pytest.mark.parametrize("mangled", ["1.20716E+18", "1,20716E+18", "1207161786534400000.0", "1.2e18"])
def test_an_id_changed_by_a_spreadsheet_is_recognised(mangled: str) -> None:
    assert "a spreadsheet made a number of it" in (dlt_ids.content_problem(mangled) or "")
