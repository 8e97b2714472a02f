"""Whose a row is."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbacks.classifier import ReportClassifier, join
from callbacks.dead_letters import Reason
from tests.callbacks.conftest import ID_KEY, NOW_S, posted, row
from times_dispatch.ledger.testsends import SendTestReport
from times_dispatch.provider.ids import TRIAL_CAMPAIGN, CorrelationIds
from times_dispatch.provider.reports.reports import parse

IDS = CorrelationIds(ID_KEY.encode())
OURS = IDS.make("abcdefgh", 7, 1)
FORGED = OURS[:-1] + ("z" if OURS[-1] != "z" else "y")
UUID = "9f86d081884c7d659a2feaa0c55ad015"


def relaying() -> ReportClassifier:
    return ReportClassifier(IDS, relaying=True)


def alone() -> ReportClassifier:
    return ReportClassifier(IDS, relaying=False)


def test_a_row_of_ours_becomes_a_report() -> None:
    pile = alone().sort([posted("failed", row(OURS, code="910"))])
    (report,) = pile.reports
    assert (report.campaign, report.index, report.attempt, report.kind) == ("abcdefgh", 7, 1, "failed")
    assert (report.code, report.ts, report.digest) == (910, NOW_S, b"")
    assert pile.aside == []


def test_a_report_keeps_its_row_as_a_body_of_its_own() -> None:
    pile = alone().sort([posted("delivered", row(OURS, description="x"), row(OURS))])
    assert len(pile.events) == len(pile.reports) == 2
    assert alone().sort([pile.events[0].raw]).reports == pile.reports[:1]


def test_the_same_click_has_the_same_digest_and_another_has_another() -> None:
    click = row(OURS, url="https://example.test/a")
    bodies = [
        posted("clicked", click),
        posted("clicked", {**click, "shorturl": "s"}),
        posted("clicked", {**click, "ts": NOW_S + 1}),
        posted("clicked", {**click, "url": "https://example.test/b"}),
        posted("clicked", {**click, "meta": IDS.make("abcdefgh", 8, 1)}),
    ]
    first, same, *others = [report.digest for report in alone().sort(bodies).reports]
    assert len(first) == 8
    assert same == first
    assert len({first, *others}) == 4


def test_a_reply_is_told_from_a_click() -> None:
    replied, clicked = (
        alone().sort([posted(event, row(OURS, url="x", incomingText="x"))]).reports[0].digest
        for event in ("replied", "clicked")
    )
    assert replied != clicked


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ("somebody-elses", Reason.NOT_OURS),
        (UUID, Reason.NOT_OURS),
        (OURS + "0", Reason.NOT_OURS),
        (OURS.upper(), Reason.NOT_OURS),
        (FORGED, Reason.FORGED),
    ],
)
def test_without_a_relay_what_is_not_ours_is_set_aside(meta: str, reason: Reason) -> None:
    pile = alone().sort([posted("delivered", row(meta))])
    assert pile.reports == []
    assert [aside.reason for aside in pile.aside] == [reason]
    assert parse(pile.aside[0].body).events[0].meta == meta
    assert pile.foreign == []


def test_a_wholly_foreign_body_is_relayed_in_its_original_bytes() -> None:
    body = b' [ {"data" : [{"meta":"theirs", "ts": 1, "more": [1 ,2]}, {"ts": 5}], "event":"delivered"} ]\n'
    pile = relaying().sort([body])
    assert pile.foreign == [body]
    assert pile.aside == []


def test_of_a_mixed_body_only_the_foreign_rows_are_relayed() -> None:
    theirs = b'{ "ts":1, "meta" : "theirs", "x":1.50 }'
    body = b'[{"event":"delivered","data":[%s,%s]},{"event":"failed","data":[{"ts":1,"meta":"%s"}]}]' % (
        theirs,
        msgspec.json.encode(row(OURS)),
        FORGED.encode(),
    )
    pile = relaying().sort([body])
    assert [report.index for report in pile.reports] == [7]
    (relayed,) = pile.foreign
    assert theirs in relayed
    assert [event.meta for event in parse(relayed).events] == ["theirs", FORGED]
    assert OURS.encode() not in relayed


def test_a_bad_row_beside_ours_is_set_aside_with_the_parsers_reason() -> None:
    bad = {"ts": NOW_S, "code": "1"}
    pile = relaying().sort([posted("delivered", row(OURS), bad)])
    assert len(pile.reports) == 1
    assert [aside.reason for aside in pile.aside] == [parse(posted("delivered", bad)).rejected[0].reason]


def test_a_body_that_cannot_be_read_is_set_aside_whole() -> None:
    pile = relaying().sort([b"no json", posted("delivered", row(OURS))])
    assert pile.aside == [(Reason.UNREADABLE, b"no json")]
    assert len(pile.reports) == 1


metas = st.one_of(st.integers(0, 99).map(lambda index: IDS.make("abcdefgh", index)), st.text(min_size=1, max_size=40))


@given(st.lists(st.lists(metas, max_size=5), max_size=5), st.booleans())
def test_every_row_goes_exactly_one_way(batches: list[list[str]], has_relay: bool) -> None:
    bodies = [posted("delivered", *(row(meta) for meta in batch)) for batch in batches if batch]
    pile = ReportClassifier(IDS, relaying=has_relay).sort(bodies)
    reported = [IDS.make(report.campaign, report.index, report.attempt) for report in pile.reports]
    elsewhere = [*pile.foreign, *(aside.body for aside in pile.aside)]
    others = [event.meta for body in elsewhere for event in parse(body).events]
    assert sorted(reported + others) == sorted(meta for batch in batches for meta in batch)
    assert all(IDS.parse(meta) is None for meta in others)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_joined_rows_are_read_back_as_they_were(texts: list[str]) -> None:
    rows = [posted("replied", row("theirs", incomingText=text)) for text in texts]
    assert [event.incoming_text for event in parse(join(rows)).events] == texts


TRIAL = IDS.make(TRIAL_CAMPAIGN, 1_234_567)


def test_a_report_of_a_trial_message_is_for_no_campaign() -> None:
    pile = relaying().sort([posted("failed", row(TRIAL, code="910")), posted("delivered", row(TRIAL))])
    assert pile.trials == [
        (1_234_567, SendTestReport("failed", 910, NOW_S)),
        (1_234_567, SendTestReport("delivered", 0, NOW_S)),
    ]
    assert (pile.reports, pile.events, pile.foreign, pile.aside) == ([], [], [], [])
    assert (pile.tally["ours"], pile.tally["trials"]) == (2, 2)


def test_a_report_of_a_trial_message_is_ours_among_others() -> None:
    pile = relaying().sort([posted("delivered", row(TRIAL), row(OURS), row("somebody-elses"))])
    assert (len(pile.trials), len(pile.reports)) == (1, 1)
    assert [parse(body).events[0].meta for body in pile.foreign] == ["somebody-elses"]
