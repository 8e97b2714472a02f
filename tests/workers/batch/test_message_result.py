import random

import pytest

from times_dispatch.ledger.protocol import BackOffPolicy, PushResult
from times_dispatch.ledger.push_results import Consequence
from times_dispatch.ledger.states import Suppression
from times_dispatch.provider.outcomes import BrakeScope, Outcome, Verdict
from workers.batch.message_result import (
    MessageResult,
    are_all_accepted,
    consequence_of,
    ledger_result,
    part_disagreements,
    widest_brake,
)


def _pushed(verdict: Verdict | None, *, parts: int = 1, **fields: object) -> MessageResult:
    outcome = Outcome(verdict=verdict, **fields) if verdict else None  # type: ignore[arg-type]
    return MessageResult(message_index=7, block=3, outcome=outcome, parts=parts, chain_index=0)


RNG = random.Random(1)
ACCEPTED = _pushed(Verdict.ACCEPTED, code=200)
NOT_SENT = _pushed(Verdict.NOT_SENT, code=2, reason="connection refused")
IN_DOUBT = _pushed(Verdict.IN_DOUBT, code=10, reason="no response in time")
UNREADABLE = _pushed(Verdict.IN_DOUBT, code=12, reason="the response cannot be read")
NEVER_BEGUN = _pushed(None)


def _throttled(retry_after_s: float | None = None) -> MessageResult:
    return _pushed(Verdict.THROTTLED, code=429, retry_after_s=retry_after_s, reason="throttled")


def _brake(scope: BrakeScope, code: int = 2070, reason: str = "authentication failure") -> MessageResult:
    return _pushed(Verdict.BRAKE, code=code, scope=scope, reason=reason)


@pytest.mark.parametrize(
    ("verdict", "byte"),
    [
        (Verdict.ACCEPTED, b"a"),
        (Verdict.REJECTED, b"r"),
        (Verdict.BRAKE, b"p"),
        (Verdict.NOT_SENT, b"p"),
        (Verdict.THROTTLED, b"p"),
        (Verdict.IN_DOUBT, b"i"),
        (None, b"b"),
    ],
)
def test_every_verdict_has_its_byte(verdict: Verdict | None, byte: bytes) -> None:
    assert ledger_result(_pushed(verdict)).result == byte


def test_a_suppressed_message_has_a_byte_of_its_own_and_the_reason_as_its_code() -> None:
    recorded = ledger_result(NEVER_BEGUN._replace(suppressed=Suppression.TOO_MANY))
    assert (recorded.result, recorded.code) == (b"u", 32)


def test_no_verdict_was_forgotten() -> None:
    assert {ledger_result(_pushed(verdict)).result for verdict in Verdict} == {b"a", b"r", b"p", b"i"}


def test_a_result_says_which_message_of_which_block_and_what_the_provider_said() -> None:
    recorded = ledger_result(_pushed(Verdict.ACCEPTED, code=200, transaction_id="205538399", parts=2))
    assert (recorded.index, recorded.block, recorded.code, recorded.transaction_id, recorded.parts) == (
        7,
        3,
        200,
        "205538399",
        2,
    )


def test_a_push_that_was_never_begun_has_no_code_and_no_consequence() -> None:
    assert ledger_result(NEVER_BEGUN).code == 0
    assert consequence_of([NEVER_BEGUN], RNG).back_off is BackOffPolicy.NEVER


@pytest.mark.parametrize(
    ("group", "back_off"),
    [
        ([], BackOffPolicy.NEVER),
        ([ACCEPTED], BackOffPolicy.NEVER),
        ([_pushed(Verdict.REJECTED)], BackOffPolicy.NEVER),
        ([ACCEPTED, NOT_SENT], BackOffPolicy.IF_NONE_ACCEPTED),
        ([IN_DOUBT], BackOffPolicy.IF_NONE_ACCEPTED),
        ([UNREADABLE], BackOffPolicy.IF_NONE_READABLE),
        ([UNREADABLE, IN_DOUBT], BackOffPolicy.IF_NONE_ACCEPTED),
        ([NOT_SENT, UNREADABLE], BackOffPolicy.IF_NONE_ACCEPTED),
        ([_throttled()], BackOffPolicy.ALWAYS),
        ([NOT_SENT, _throttled(), IN_DOUBT], BackOffPolicy.ALWAYS),
    ],
)
def test_the_sender_backs_off_when_the_provider_is_away_and_always_when_it_asks_for_it(
    group: list[MessageResult], back_off: str
) -> None:
    assert consequence_of(group, RNG).back_off == back_off


def test_the_longest_wait_that_the_provider_asked_for_holds_and_its_reason_goes_with_it() -> None:
    meaning = consequence_of([NOT_SENT, _throttled(2.0), _throttled(7.5), _throttled(None), IN_DOUBT], RNG)
    assert (meaning.at_least_s, meaning.reason) == (7.5, "throttled")


def test_the_first_reason_to_back_off_is_the_one_that_is_given() -> None:
    assert consequence_of([ACCEPTED, NOT_SENT, IN_DOUBT], RNG).reason == "connection refused"


def test_the_returns_of_workers_are_spread() -> None:
    rng = random.Random(1)
    jitters = {consequence_of([NOT_SENT], rng).jitter for _ in range(50)}
    assert len(jitters) > 25
    assert all(0.5 <= jitter <= 1 for jitter in jitters)


@pytest.mark.parametrize(
    ("scope", "stopped"),
    [(BrakeScope.CAMPAIGN, "campaign"), (BrakeScope.SENDER, "sender"), (BrakeScope.PROVIDER, "sender")],
)
def test_a_brake_stops_its_scope_and_gives_its_reason_with_the_code(scope: BrakeScope, stopped: str) -> None:
    meaning = consequence_of([ACCEPTED, _throttled(3.0), _brake(scope)], RNG)
    assert (meaning.brake, meaning.reason) == (stopped, "authentication failure (2070)")
    assert meaning.back_off is BackOffPolicy.NEVER


def test_of_several_brakes_the_one_that_stops_the_most_is_applied_with_its_own_reason() -> None:
    group = [
        _brake(BrakeScope.CAMPAIGN, 7001, "DLT content id missing"),
        _brake(BrakeScope.PROVIDER, 6001, "insufficient balance"),
        _brake(BrakeScope.SENDER, 2051, "sender id not registered"),
    ]
    assert consequence_of(group, RNG).reason == "insufficient balance (6001)"
    assert consequence_of(group, RNG).brake == "sender"
    widest = widest_brake(group)
    assert widest is not None
    assert widest.scope is BrakeScope.PROVIDER


def test_doubt_that_the_next_messages_would_share_brakes_and_stays_doubt() -> None:
    redirected = Outcome(
        verdict=Verdict.IN_DOUBT, code=302, scope=BrakeScope.PROVIDER, reason="the endpoint redirects elsewhere"
    )
    pushed = MessageResult(0, 1, redirected, 1, 0)
    assert ledger_result(pushed).result is PushResult.IN_DOUBT
    meaning = consequence_of([ACCEPTED, pushed], RNG)
    assert (meaning.brake, meaning.reason) == ("sender", "the endpoint redirects elsewhere (302)")


def test_a_group_without_a_brake_has_none() -> None:
    assert widest_brake([ACCEPTED, NEVER_BEGUN, _throttled()]) is None


@pytest.mark.parametrize(("ours", "theirs", "disagree"), [(1, 1, 0), (1, 2, 1), (2, 1, 1), (2, 0, 0)])
def test_parts_are_compared_with_the_gateways_count_if_it_said_one(ours: int, theirs: int, disagree: int) -> None:
    assert (
        part_disagreements(
            [_pushed(Verdict.ACCEPTED, parts=ours)._replace(outcome=Outcome(verdict=Verdict.ACCEPTED, parts=theirs))]
        )
        == disagree
    )


def test_only_accepted_messages_have_parts_to_compare() -> None:
    rejected = MessageResult(0, 1, Outcome(verdict=Verdict.REJECTED, parts=3), 1, 0)
    assert part_disagreements([rejected, NEVER_BEGUN]) == 0


@pytest.mark.parametrize(
    "other",
    [NOT_SENT, IN_DOUBT, NEVER_BEGUN, _throttled(), _brake(BrakeScope.SENDER), _pushed(Verdict.REJECTED)],
    ids=lambda result: result.label,
)
def test_a_group_with_any_other_result_is_not_all_accepted(other: MessageResult) -> None:
    assert are_all_accepted([ACCEPTED, ACCEPTED])
    assert not are_all_accepted([ACCEPTED, other])


def test_an_accepted_group_has_no_consequence() -> None:
    consequence = consequence_of([ACCEPTED, ACCEPTED], RNG)
    assert consequence._replace(jitter=1.0) == Consequence()
