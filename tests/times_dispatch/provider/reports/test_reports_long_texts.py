"""Texts that are too long for a name or a time are not searched: the search would hold up all threads."""

import json

import pytest

from times_dispatch.provider.reports.field_names import plain_name
from times_dispatch.provider.reports.json_repair import JsonBroken, repair_json
from times_dispatch.provider.reports.reports import parse
from times_dispatch.provider.reports.times import epoch_s


def test_a_time_of_200_characters_is_read_and_a_longer_text_is_no_time() -> None:
    assert epoch_s("2026-11-26T10:30:00Z".rjust(200)) == 1_795_689_000
    assert epoch_s("2026-11-26T10:30:00Z".rjust(201)) is None


def test_the_separators_of_a_long_name_are_not_left_out() -> None:
    assert plain_name("Message_ID") == "messageid"
    assert plain_name("_" * 1_000) == "_" * 1_000


@pytest.mark.parametrize("body", [b"{}" * 3, b"[]\n[]", b'{"a":1,} {}', b"{} x"])
def test_several_documents_are_no_json(body: bytes) -> None:
    with pytest.raises(JsonBroken):
        repair_json(body)


@pytest.mark.parametrize("longer", [False, True])
def test_a_long_row_is_not_searched_for_fields_with_other_names(longer: bool) -> None:
    row = {
        "eventType": "delivered",
        "timestamp": 1_795_689_000,
        "correlationId": "m1",
        "note": "x" * (65_000 + 1_000 * longer),
    }
    parsed = parse(json.dumps([row]).encode())
    assert len(parsed.events) == (0 if longer else 1)
    assert len(parsed.unusable) == (1 if longer else 0)
