import pytest

from times_dispatch.provider.reports.event_kinds import EventKind, kind_of, means_dnd


@pytest.mark.parametrize("kind", EventKind)
def test_each_kind_but_intermediate_is_the_name_of_an_event(kind: EventKind) -> None:
    assert kind_of(kind.value) is (None if kind is EventKind.INTERMEDIATE else kind)


@pytest.mark.parametrize("event", ["Not Delivered", "not-delivered", " NOT_DELIVERED "])
def test_case_blanks_and_hyphens_do_not_matter(event: str) -> None:
    assert kind_of(event) is EventKind.FAILED


@pytest.mark.parametrize(("event", "kind"), [("UNKNOWN", EventKind.FAILED), ("unknown", None), ("", None)])
def test_unknown_is_a_failure_only_as_smpp_writes_it(event: str, kind: EventKind | None) -> None:
    assert kind_of(event) is kind


@pytest.mark.parametrize(("event", "is_dnd"), [("Failed-DND", True), ("dnd", True), ("failed", False)])
def test_dnd_is_in_the_name(event: str, is_dnd: bool) -> None:
    assert means_dnd(event) is is_dnd
