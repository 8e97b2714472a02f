"""Whether the row of a report is about our message, or another system's."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbacks.classifier import MAX_REACTIONS, ReportClassifier, join
from callbacks.dead_letters import DeadLetter, DeadLetterReason
from tests.kit.callbacks import ID_KEY, NOW_S, posted, row
from times_dispatch.ledger.reports.test_sends import SendTestReport
from times_dispatch.provider.correlation_ids import SEND_TEST_CAMPAIGN, CorrelationIds
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
    classified = alone().classify([posted("failed", row(OURS, code="910"))])
    (report,) = classified.reports
    assert (report.campaign, report.index, report.attempt, report.kind) == ("abcdefgh", 7, 1, "failed")
    assert (report.code, report.ts, report.digest) == (910, NOW_S, b"")
    assert classified.dead_letters == []


def test_a_report_keeps_its_row_as_a_body_of_its_own() -> None:
    classified = alone().classify([posted("delivered", row(OURS, description="x"), row(OURS))])
    assert len(classified.events) == len(classified.reports) == 2
    assert alone().classify([classified.events[0].raw]).reports == classified.reports[:1]


def test_clicks_a_thousand_seconds_apart_have_different_digests() -> None:
    clicks = [posted("clicked", row(OURS, url="x", ts=NOW_S + number * MAX_REACTIONS)) for number in range(50)]

    digests = {report.digest for report in alone().classify(clicks).reports}

    assert len(digests) > 40  # some of fifty numbers below a thousand may be equal


def test_the_same_click_has_the_same_digest_and_another_has_another() -> None:
    click = row(OURS, url="https://example.test/a")
    bodies = [
        posted("clicked", click),
        posted("clicked", {**click, "shorturl": "s"}),
        posted("clicked", {**click, "ts": NOW_S + 1}),
        posted("clicked", {**click, "url": "https://example.test/b"}),
        posted("clicked", {**click, "meta": IDS.make("abcdefgh", 8, 1)}),
    ]
    first, same, *others = [report.digest for report in alone().classify(bodies).reports]
    assert len(first) == 8
    assert same == first
    assert len({first, *others}) == 4


def test_a_reply_is_told_from_a_click() -> None:
    replied, clicked = (
        alone().classify([posted(event, row(OURS, url="x", incomingText="x"))]).reports[0].digest
        for event in ("replied", "clicked")
    )
    assert replied != clicked


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ("somebody-elses", DeadLetterReason.NOT_OURS),
        (UUID, DeadLetterReason.NOT_OURS),
        (OURS + "0", DeadLetterReason.NOT_OURS),
        (FORGED.upper(), DeadLetterReason.NOT_OURS),
        (FORGED, DeadLetterReason.FORGED),
    ],
)
def test_without_a_relay_what_is_not_ours_is_a_dead_letter(meta: str, reason: DeadLetterReason) -> None:
    classified = alone().classify([posted("delivered", row(meta))])
    assert classified.reports == []
    assert [letter.reason for letter in classified.dead_letters] == [reason]
    assert parse(classified.dead_letters[0].body).events[0].meta == meta
    assert classified.foreign_bodies == []


def test_a_wholly_foreign_body_is_relayed_in_its_original_bytes() -> None:
    body = b' [ {"data" : [{"meta":"theirs", "ts": 1, "more": [1 ,2]}, {"ts": 5}], "event":"delivered"} ]\n'
    classified = relaying().classify([body])
    assert classified.foreign_bodies == [body]
    assert classified.dead_letters == []


def test_of_a_mixed_body_only_the_foreign_rows_are_relayed() -> None:
    theirs = b'{ "ts":1, "meta" : "theirs", "x":1.50 }'
    body = b'[{"event":"delivered","data":[%s,%s]},{"event":"failed","data":[{"ts":1,"meta":"%s"}]}]' % (
        theirs,
        msgspec.json.encode(row(OURS)),
        FORGED.encode(),
    )
    classified = relaying().classify([body])
    assert [report.index for report in classified.reports] == [7]
    (relayed,) = classified.foreign_bodies
    assert theirs in relayed
    assert [event.meta for event in parse(relayed).events] == ["theirs", FORGED]
    assert OURS.encode() not in relayed


def test_a_bad_row_beside_ours_is_a_dead_letter_with_the_parsers_reason() -> None:
    bad = {"ts": NOW_S, "code": "1"}
    classified = relaying().classify([posted("delivered", row(OURS), bad)])
    assert len(classified.reports) == 1
    (unusable,) = parse(posted("delivered", bad)).unusable
    assert [(letter.reason, letter.detail) for letter in classified.dead_letters] == [
        (DeadLetterReason.UNUSABLE, unusable.reason)
    ]


def test_a_body_that_cannot_be_read_is_a_dead_letter_as_a_whole() -> None:
    classified = relaying().classify([b"no json", posted("delivered", row(OURS))])
    reason = "the body is not a JSON array or object"
    assert classified.dead_letters == [DeadLetter(DeadLetterReason.UNREADABLE, b"no json", reason)]
    assert len(classified.reports) == 1


metas = st.one_of(st.integers(0, 99).map(lambda index: IDS.make("abcdefgh", index)), st.text(min_size=1, max_size=40))


@given(st.lists(st.lists(metas, max_size=5), max_size=5), st.booleans())
def test_every_row_goes_exactly_one_way(batches: list[list[str]], has_relay: bool) -> None:
    bodies = [posted("delivered", *(row(meta) for meta in batch)) for batch in batches if batch]
    classified = ReportClassifier(IDS, relaying=has_relay).classify(bodies)
    reported = [IDS.make(report.campaign, report.index, report.attempt) for report in classified.reports]
    elsewhere = [*classified.foreign_bodies, *(letter.body for letter in classified.dead_letters)]
    others = [event.meta for body in elsewhere for event in parse(body).events]
    assert sorted(reported + others) == sorted(meta for batch in batches for meta in batch)
    assert all(IDS.parse(meta) is None for meta in others)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_joined_rows_are_read_back_as_they_were(texts: list[str]) -> None:
    rows = [posted("replied", row("theirs", incomingText=text)) for text in texts]
    assert [event.incoming_text for event in parse(join(rows)).events] == texts


TEST_MESSAGE = IDS.make(SEND_TEST_CAMPAIGN, 1_234_567)


def test_a_report_of_a_test_message_is_for_no_campaign() -> None:
    classified = relaying().classify(
        [posted("failed", row(TEST_MESSAGE, code="910")), posted("delivered", row(TEST_MESSAGE))]
    )
    assert classified.test_sends == [
        (1_234_567, SendTestReport("failed", 910, NOW_S)),
        (1_234_567, SendTestReport("delivered", 0, NOW_S)),
    ]
    assert (classified.reports, classified.events, classified.foreign_bodies, classified.dead_letters) == (
        [],
        [],
        [],
        [],
    )
    assert (classified.counts["ours"], classified.counts["test_sends"]) == (2, 2)


def test_a_report_of_a_test_message_is_ours_among_others() -> None:
    classified = relaying().classify([posted("delivered", row(TEST_MESSAGE), row(OURS), row("somebody-elses"))])
    assert (len(classified.test_sends), len(classified.reports)) == (1, 1)
    assert [parse(body).events[0].meta for body in classified.foreign_bodies] == ["somebody-elses"]
