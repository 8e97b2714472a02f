import pytest

from times_dispatch.provider.reports.event_kinds import EventKind, is_outcome, is_report, kind_of, means_dnd


@pytest.mark.parametrize("kind", EventKind)
def test_each_kind_but_intermediate_is_the_name_of_an_event(kind: EventKind) -> None:
    assert kind_of(kind.value) is (None if kind is EventKind.INTERMEDIATE else kind)


@pytest.mark.parametrize("event", ["Not Delivered", "not-delivered", " NOT_DELIVERED "])
def test_case_blanks_and_hyphens_do_not_matter(event: str) -> None:
    assert kind_of(event) is EventKind.FAILED


@pytest.mark.parametrize(("event", "kind"), [("UNKNOWN", EventKind.FAILED), ("unknown", None), ("", None)])
def test_unknown_is_a_failure_only_as_smpp_writes_it(event: str, kind: EventKind | None) -> None:
    assert kind_of(event) is kind


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("Message Delivered Successfully", EventKind.DELIVERED),
        ("'DELIVRD'", EventKind.DELIVERED),
        *[(event, EventKind.FAILED) for event in ("DLT_REJECTED", "Rejected-DLT", "cancelled", "Canceled")],
        *[(event, EventKind.FAILED) for event in ("Failed Delivery", "DLR_FAILED", "MSG_EXPIRED", "hard_bounce")],
        *[(event, EventKind.INTERMEDIATE) for event in ("SUBMIT_SUCCESS", "AWAITING_DLR", "Awaited-DLR")],
        *[(event, EventKind.CLICKED) for event in ("link_clicked", "URL Clicked")],
        *[(event, None) for event in ("success", "in progress", "skipped", "opt-out", "unsubscribed", "delivered?")],
    ],
)
def test_words_of_gateways_are_read_where_they_are_certain(event: str, kind: EventKind | None) -> None:
    assert kind_of(event) is kind


@pytest.mark.parametrize(("event", "is_dnd"), [("Failed-DND", True), ("dnd", True), ("failed", False)])
def test_dnd_is_in_the_name(event: str, is_dnd: bool) -> None:
    assert means_dnd(event) is is_dnd


@pytest.mark.parametrize("event", ["dlr", "DLR", "Delivery Report", "message.status"])
def test_a_name_that_says_only_report_is_no_kind(event: str) -> None:
    assert is_report(event)
    assert kind_of(event) is None


@pytest.mark.parametrize(
    ("event", "expected"), [("DELIVRD", True), ("undeliv", True), ("sent", True), ("clicked", False), ("dlr", False)]
)
def test_a_click_is_no_outcome(event: str, expected: bool) -> None:
    assert is_outcome(event) is expected


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("SUBMITD", EventKind.INTERMEDIATE),
        ("SUBMITED", EventKind.INTERMEDIATE),
        ("DELIVRED", EventKind.DELIVERED),
        ("deliverd", EventKind.DELIVERED),
        ("UNDELIVRED", EventKind.FAILED),
        ("EXPIRD", EventKind.FAILED),
        ("FAILD", EventKind.FAILED),
        ("submit", None),
        *((word, None) for word in ("field", "filled", "FILED", "fold", "flooded")),
        ("delayed", None),
        ("filed report", None),
        ("not deliverd", None),
        ("resubmitted", None),
    ],
)
def test_a_misspelt_state_is_known_by_its_consonants(event: str, kind: EventKind | None) -> None:
    assert kind_of(event) is kind
