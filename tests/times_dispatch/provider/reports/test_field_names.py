import pytest

from times_dispatch.provider.reports.field_names import by_known_name, event_name, is_known, may_be_row


@pytest.mark.parametrize("name", ["errCode", "ERR-CODE", "error_code", " Error Code ", "Code"])
def test_case_and_separators_do_not_matter(name: str) -> None:
    assert by_known_name({name: "912"}) == {"code": "912"}


def test_the_first_name_with_a_value_counts() -> None:
    assert by_known_name({"meta": "", "clientRef": "m", "timestamp": 2, "ts": 1, "x": 3}) == {"meta": "m", "ts": 1}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"Delivery Status": "DELIVRD"}, "DELIVRD"),
        ({"status": {"id": 5, "name": "DELIVERED"}}, "DELIVERED"),
        ({"status": 0}, "0"),
        ({"status": True, "state": "x"}, "x"),
        ({"status": 1, "deliveryStatus": "DELIVRD"}, "DELIVRD"),
        ({"status": {"name": 5}, "state": "DELIVRD"}, "DELIVRD"),
        ({"status": None}, None),
        ({}, None),
    ],
)
def test_the_event_has_several_names(fields: dict[str, object], name: str | None) -> None:
    assert event_name(fields) == name


@pytest.mark.parametrize(
    ("fields", "expected"), [({"TS": 1}, True), ({"client-ref": 1}, True), ({"id": 1}, False), ({}, False)]
)
def test_an_id_or_a_time_makes_a_row(fields: dict[str, object], expected: bool) -> None:
    assert may_be_row(fields) is expected


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ([{"event": "failed", "ts": 1, "meta": "m"}], False),
        ([5, {"event": "failed", "data": [{"ts": 1, "meta": "m"}]}], False),
        ([{"status": "sent", "timestamp": 1}], True),
        ([{"ts": 1, "meta": "m"}], True),
        ([], True),
        ({"event": "failed", "ts": 1, "meta": "m"}, True),
    ],
)
def test_a_wrapper_of_whole_reports_is_no_row(inner: object, expected: bool) -> None:
    assert may_be_row({"status": "delivered", "timestamp": 1, "reference": "batch7", "reports": inner}) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("TS", True), ("client-ref", True), ("Status", True), ("code", True), ("tag", False), ("", False)],
)
def test_a_field_of_a_report_is_known_in_any_case(name: str, expected: bool) -> None:
    assert is_known(name) is expected
