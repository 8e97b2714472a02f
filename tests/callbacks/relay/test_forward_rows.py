from typing import Any

import msgspec
import pytest

from callbacks.relay.forward_rows import MAX_TEXT, ForwardRows
from tests.kit.callbacks import ID_KEY, NOW_S, posted
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.provider.reports.reports import parse

META = CorrelationIds(ID_KEY.encode()).make("campaign", 7)


def written(event: str, kinds: tuple[Any, ...] = ("reports", "clicks"), **fields: Any) -> Any:
    """Return the row that is forwarded for a row that the provider posted; None if it is not forwarded."""
    (read,) = parse(posted(event, {"ts": NOW_S, "meta": META, **fields})).events
    row = ForwardRows(kinds).write(read)
    return row and msgspec.json.decode(row)


@pytest.mark.parametrize(
    ("event", "fields", "more"),
    [
        ("delivered", {"description": "to handset"}, {"description": "to handset"}),
        ("failed", {"code": 910, "description": "x"}, {"code": "910", "description": "x"}),
        ("failed_dnd", {}, {"code": "901"}),
        ("failed", {"code": "E7"}, {"code": "900"}),
        ("clicked", {"url": "https://a.example/", "shorturl": "go.brand.in/TIMESM/x", "link": 1}, None),
        ("clicked", {"url": "https://a.example/"}, {"url": "https://a.example/"}),
        ("replied", {"toPhone": 5555, "incomingText": "STOP"}, {"toPhone": "5555", "incomingText": "STOP"}),
        ("replied", {"incomingMessage": "x" * 600}, {"incomingText": "x" * 512}),
    ],
)
def test_a_row_has_the_fields_that_the_provider_documents(event: str, fields: Any, more: Any) -> None:
    if more is None:
        more = {"url": "https://a.example/", "shorturl": "go.brand.in/TIMESM/x"}
    assert written(event, **fields) == {"ts": NOW_S, "meta": META, **more}


@pytest.mark.parametrize("ts", [NOW_S, str(NOW_S), NOW_S * 1000, f"{NOW_S}000"])
def test_the_time_has_seconds_however_it_was_posted(ts: Any) -> None:
    assert written("delivered", ts=ts)["ts"] == NOW_S


@pytest.mark.parametrize("meta", [META, META.upper(), f' "{META}" ', f"{META[:8]}-{META[8:]}"])
def test_the_id_is_written_as_we_sent_it(meta: str) -> None:
    assert written("delivered", meta=meta)["meta"] == META


def test_a_long_description_is_cut_and_a_strange_one_left_out() -> None:
    assert len(written("delivered", description="x" * 9_000)["description"]) == MAX_TEXT
    for strange in (None, True, "", {"a": 1}, ["x"]):
        assert "description" not in written("delivered", description=strange)


@pytest.mark.parametrize(
    ("kinds", "forwarded"),
    [(("reports",), ["delivered", "failed", "replied"]), (("clicks",), ["clicked"]), ((), [])],
)
def test_only_the_kinds_of_the_settings_are_forwarded(kinds: tuple[Any, ...], forwarded: list[str]) -> None:
    events = ["delivered", "failed", "clicked", "replied", "ACCEPTD", "link_previewed", "link_scanned", "link_probed"]
    fields = {"url": "https://a.example/", "incomingText": "x", "code": "912"}
    assert [event for event in events if written(event, kinds, **fields)] == forwarded
