"""Reports that cannot be applied, reconcilers that die, and a Redis that refuses writes: nothing is lost."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from redis import exceptions
from redis.asyncio import Redis

from callbacks.classifier import ClassifiedReports, ReportClassifier
from callbacks.dead_letters import DeadLetterLimits, DeadLetterReason, DeadLetters
from callbacks.reconciler import GROUP
from callbacks.reconciler_limits import ReconcilerLimits
from callbacks.stream_reader import StreamReader
from callbacks.stream_writer import ReportStreamWriter
from callbacks.streams import REPORTS
from tests.kit.callbacks import ID_KEY, SentCampaign, posted, row
from tests.kit.clock import FakeClock
from tests.kit.reconciler import accept, is_settled, make_reconciler, settle
from times_dispatch.ledger.reports.posted_requests import PostedRequest, pack_request
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportApplier, ReportEffect
from times_dispatch.ledger.states import MessageState
from times_dispatch.provider.correlation_ids import CorrelationIds

pytestmark = pytest.mark.slow

DEFAULTS = ReconcilerLimits()


async def test_entries_of_a_dead_reconciler_are_claimed(redis: Redis, sent: SentCampaign) -> None:
    await accept(redis, posted("delivered", row(sent.meta(0))))
    dead = StreamReader(redis, REPORTS, GROUP, "dead")
    while not await dead.read(10, block_ms=1):
        pass
    await settle(make_reconciler(redis))
    assert not await is_settled(redis)
    await settle(make_reconciler(redis, claim_after_ms=0))
    assert await is_settled(redis)
    assert await sent.count(MessageState.DELIVERED) == 1


class Poisoned(ReportApplier):
    """Fails whenever it is to apply a report about one message."""

    def __init__(self, redis: Redis, index: int, error: Exception) -> None:
        super().__init__(redis)
        self.index = index
        self.error = error

    async def apply(self, reports: Sequence[DeliveryReport]) -> list[ReportEffect]:
        if any(report.index == self.index for report in reports):
            raise self.error
        return await super().apply(reports)


POISON = [
    exceptions.ResponseError("user_script:3: attempt to index a nil value"),
    exceptions.ResponseError("NEW an answer that no list of final errors has"),
    KeyError("a bug"),
]


@pytest.mark.parametrize("error", POISON)
async def test_a_poisonous_row_becomes_a_dead_letter_after_a_few_tries_and_costs_no_other(
    redis: Redis, sent: SentCampaign, error: Exception
) -> None:
    poison = posted("delivered", row(sent.meta(1)))
    await accept(
        redis, posted("delivered", row(sent.meta(0)), row(sent.meta(1))), posted("delivered", row(sent.meta(2)))
    )
    await accept(redis, posted("delivered", row(sent.meta(3))))
    reconciler = make_reconciler(redis, Poisoned(redis, 1, error), claim_after_ms=0)
    await settle(reconciler, steps=2)
    assert await sent.count(MessageState.DELIVERED) == 3
    assert await redis.xlen(REPORTS) == 1
    await settle(reconciler, steps=DEFAULTS.max_deliveries)
    assert await is_settled(redis)
    (kept,) = await DeadLetters(redis).oldest()
    assert (kept.reason, kept.body) == (DeadLetterReason.NOT_APPLIED, poison)
    assert await DeadLetters(redis).replay() == 1
    await settle(make_reconciler(redis))
    assert await sent.count(MessageState.DELIVERED) == 4


class FailingClassifier(ReportClassifier):
    """Fails on each body for which *fails* returns True."""

    def __init__(self, fails: Callable[[bytes], bool]) -> None:
        super().__init__(CorrelationIds(ID_KEY.encode()), relaying=False)
        self._fails = fails

    def classify(
        self, bodies: Iterable[bytes], *, requests: Sequence[bytes] = (), from_links: Sequence[bool] = ()
    ) -> ClassifiedReports:
        bodies = list(bodies)
        if any(map(self._fails, bodies)):
            raise ZeroDivisionError
        return super().classify(bodies, requests=requests, from_links=from_links)


async def test_an_entry_that_cannot_be_classified_is_given_up_whole(redis: Redis, sent: SentCampaign) -> None:
    good = posted("delivered", row(sent.meta(0)))
    reconciler = make_reconciler(redis, classifier=FailingClassifier(lambda _: True), claim_after_ms=0)
    await accept(redis, b"[]", good)
    await settle(reconciler, steps=DEFAULTS.max_deliveries + 2)
    assert [(kept.reason, kept.body) for kept in await DeadLetters(redis).oldest()] == [
        (DeadLetterReason.NOT_APPLIED, b"[]"),
        (DeadLetterReason.NOT_APPLIED, good),
    ]


class Killed(BaseException):
    """The end of a reconciler's process: no code catches this error, and no cleanup runs."""


class Deadly(ReportApplier):
    """Kills every reconciler that is to apply a report about one message."""

    def __init__(self, redis: Redis, index: int) -> None:
        super().__init__(redis)
        self.index = index

    async def apply(self, reports: Sequence[DeliveryReport]) -> list[ReportEffect]:
        if any(report.index == self.index for report in reports):
            raise Killed
        return await super().apply(reports)


async def outlive(redis: Redis, applier: ReportApplier) -> int:
    """Start a reconciler after each death, until all reports are settled; return the number of deaths."""
    deaths = 0
    reconciler = make_reconciler(redis, applier, claim_after_ms=0)
    for _ in range(100):
        try:
            await reconciler.step()
        except Killed:
            deaths += 1
            reconciler = make_reconciler(redis, applier, claim_after_ms=0)
        if await is_settled(redis):
            return deaths
    raise AssertionError(f"not settled after {deaths} deaths")


async def hand_out(redis: Redis, *, deliveries: int) -> None:
    """Deliver all entries of the stream *deliveries* times to readers that die for another reason."""
    dying = StreamReader(redis, REPORTS, GROUP, "dying")
    while not await dying.read(100, block_ms=1):
        pass
    for _ in range(deliveries - 1):
        await dying.claim(100, lambda _: 0)


@pytest.mark.parametrize(
    "deliveries", [DEFAULTS.max_deliveries, DEFAULTS.max_deliveries + 1, DEFAULTS.max_deliveries_alone - 1]
)
async def test_a_good_entry_whose_reconcilers_were_killed_is_applied(
    redis: Redis, sent: SentCampaign, deliveries: int
) -> None:
    long = posted("delivered", *(row(sent.meta(index), description="x" * 18 * 1024) for index in range(4)))
    assert len(long) > DeadLetterLimits().long_bytes
    await accept(redis, long)
    await accept(redis, posted("clicked", row(sent.meta(5), url="u")))
    await hand_out(redis, deliveries=deliveries)
    await settle(make_reconciler(redis, claim_after_ms=0))
    assert await sent.count(MessageState.DELIVERED) == 4
    assert await sent.stat("clicked") == 1
    assert await sent.stat("duplicate_reports") == 0
    assert await is_settled(redis)
    assert await DeadLetters(redis).totals() == {}


async def test_a_row_that_kills_every_reconciler_is_given_up_and_costs_no_other(
    redis: Redis, sent: SentCampaign
) -> None:
    await accept(redis, posted("delivered", row(sent.meta(0))))
    deadly = posted("delivered", row(sent.meta(1)))
    await accept(redis, deadly)
    for index in range(2, sent.total):
        await accept(redis, posted("delivered", row(sent.meta(index))))
    assert await outlive(redis, Deadly(redis, 1)) == DEFAULTS.max_deliveries_alone
    assert await sent.count(MessageState.DELIVERED) == sent.total - 1
    assert await sent.stat("duplicate_reports") == 0
    assert [(kept.reason, kept.body) for kept in await DeadLetters(redis).oldest()] == [
        (DeadLetterReason.NOT_APPLIED, deadly)
    ]


async def test_new_reports_are_applied_between_two_deaths_over_a_row_that_kills_every_reconciler(
    redis: Redis, sent: SentCampaign
) -> None:
    await accept(redis, posted("delivered", row(sent.meta(1))))
    await hand_out(redis, deliveries=DEFAULTS.max_deliveries)
    await accept(redis, posted("delivered", row(sent.meta(2))))
    clock = FakeClock()
    reconciler = make_reconciler(redis, Deadly(redis, 1), clock=clock, claim_after_ms=0, claim_every_s=5.0)
    await reconciler.step()
    assert await sent.count(MessageState.DELIVERED) == 1
    await clock.advance(5.0)
    with pytest.raises(Killed):
        await reconciler.step()


async def test_of_bodies_stored_together_only_the_one_that_kills_is_given_up(redis: Redis, sent: SentCampaign) -> None:
    deadly = posted("delivered", row(sent.meta(1)))
    await accept(redis, posted("delivered", row(sent.meta(0))), deadly, posted("delivered", row(sent.meta(2))))
    assert await outlive(redis, Deadly(redis, 1)) == 2 * DEFAULTS.max_deliveries_alone
    assert await sent.count(MessageState.DELIVERED) == 2
    assert [kept.body for kept in await DeadLetters(redis).oldest()] == [deadly]


async def test_a_long_body_that_was_given_up_is_applied_when_it_is_replayed(redis: Redis, sent: SentCampaign) -> None:
    long = posted("delivered", *(row(sent.meta(index), description="x" * 18 * 1024) for index in range(4)))
    await accept(redis, long)
    await outlive(redis, Deadly(redis, 1))
    assert [kept.body for kept in await DeadLetters(redis).oldest()] == [long]
    assert await DeadLetters(redis).replay() == 1
    await settle(make_reconciler(redis))
    assert await sent.count(MessageState.DELIVERED) == 4
    assert await DeadLetters(redis).count() == {}
    assert await is_settled(redis)


async def test_a_body_that_cannot_be_classified_costs_none_that_was_stored_with_it(
    redis: Redis, sent: SentCampaign
) -> None:
    await accept(redis, posted("delivered", row(sent.meta(0))), b"[]", posted("delivered", row(sent.meta(1))))
    reconciler = make_reconciler(redis, classifier=FailingClassifier(lambda body: body == b"[]"), claim_after_ms=0)
    await settle(reconciler, steps=DEFAULTS.max_deliveries + 2)
    assert await sent.count(MessageState.DELIVERED) == 2
    assert [(kept.reason, kept.body) for kept in await DeadLetters(redis).oldest()] == [
        (DeadLetterReason.NOT_APPLIED, b"[]")
    ]


async def test_an_entry_that_takes_long_row_by_row_is_renewed_meanwhile(redis: Redis, sent: SentCampaign) -> None:
    clock = FakeClock()
    held_ms: list[int] = []

    class Slow(ReportApplier):
        async def apply(self, reports: Sequence[DeliveryReport]) -> list[ReportEffect]:
            held: Any
            (held,) = await redis.xpending_range(REPORTS, GROUP, "-", "+", 1)
            held_ms.append(held["time_since_delivered"])
            await StreamReader(redis, REPORTS, GROUP, "slow").renew([held["message_id"]], idle_ms=6_000)
            await clock.advance(6.0)
            return await super().apply(reports)

    await accept(redis, posted("delivered", *(row(sent.meta(index)) for index in range(6))))
    await hand_out(redis, deliveries=DEFAULTS.max_deliveries + 1)
    await settle(make_reconciler(redis, Slow(redis), name="slow", clock=clock, claim_after_ms=0))
    assert len(held_ms) == 6
    assert max(held_ms) < 6_000


async def test_a_full_redis_still_applies_reports(redis: Redis, sent: SentCampaign) -> None:
    reconciler = make_reconciler(redis)
    await settle(reconciler)
    await accept(redis, posted("delivered", row(sent.meta(0))))
    await redis.config_set("maxmemory", 1)
    try:
        await settle(reconciler)
    finally:
        await redis.config_set("maxmemory", 0)
    assert await sent.count(MessageState.DELIVERED) == 1
    assert await redis.xlen("reports") == 0


async def test_a_full_redis_keeps_an_entry_whose_dead_letter_does_not_fit(
    redis: Redis, sent: SentCampaign, lines: list[Any]
) -> None:
    reconciler = make_reconciler(redis, claim_after_ms=0, renew_every_s=0.0)
    await settle(reconciler)
    await accept(redis, posted("delivered", row(sent.meta(0)), row("not ours")))
    await redis.config_set("maxmemory", 1)
    try:
        for _ in range(DEFAULTS.max_deliveries + 3):
            with pytest.raises(exceptions.OutOfMemoryError):
                await reconciler.step()
    finally:
        await redis.config_set("maxmemory", 0)
    assert [line["event"] for line in lines if line["log_level"] == "error"] == []
    await settle(reconciler)
    assert await sent.count(MessageState.DELIVERED) == 1
    assert await DeadLetters(redis).count() == {DeadLetterReason.NOT_OURS: 1}


async def test_an_entry_that_a_full_redis_cannot_settle_holds_up_no_other(redis: Redis, sent: SentCampaign) -> None:
    reconciler = make_reconciler(redis, claim_after_ms=0, read_entries=2)
    await settle(reconciler)
    for index in range(10):
        others = [row("not ours")] if index in {0, 3, 4, 9} else []
        await accept(redis, posted("delivered", row(sent.meta(index)), *others))
    await redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(exceptions.OutOfMemoryError):
            await settle(reconciler, steps=40)
        assert await sent.count(MessageState.DELIVERED) == 10
        assert await redis.xlen("reports") == 4
    finally:
        await redis.config_set("maxmemory", 0)
    await settle(reconciler, steps=10)
    assert await redis.xlen("reports") == 0
    assert await DeadLetters(redis).count() == {"not_ours": 4}


async def test_while_redis_is_full_a_reconciler_holds_no_more_entries_than_its_limit(
    redis: Redis, sent: SentCampaign
) -> None:
    reconciler = make_reconciler(redis, claim_after_ms=0, read_entries=2, max_waiting_entries=4)
    await settle(reconciler)
    for index in range(10):
        await accept(redis, posted("delivered", row(sent.meta(index)), row("not ours")))
    await redis.config_set("maxmemory", 1)
    try:
        for _ in range(3):
            with pytest.raises(exceptions.OutOfMemoryError):
                await settle(reconciler, steps=40)
        assert (await redis.xpending("reports", GROUP))["pending"] == 4
    finally:
        await redis.config_set("maxmemory", 0)
    await settle(reconciler, steps=20)
    assert await redis.xlen("reports") == 0


async def test_an_unknown_answer_of_a_server_that_refuses_all_writes_is_no_fault_of_the_reports(
    redis: Redis, sent: SentCampaign
) -> None:
    applier = Poisoned(redis, 0, exceptions.ResponseError("NEW an answer that no list of final errors has"))
    reconciler = make_reconciler(redis, applier, claim_after_ms=0)
    await settle(reconciler)
    await accept(redis, posted("delivered", row(sent.meta(0))))
    await redis.config_set("maxmemory", 1)
    try:
        for _ in range(DEFAULTS.max_deliveries + 3):
            with pytest.raises(exceptions.ResponseError, match="NEW"):
                await reconciler.step()
    finally:
        await redis.config_set("maxmemory", 0)
    assert await DeadLetters(redis).count() == {}
    applier.index = -1
    await settle(reconciler)
    assert await sent.count(MessageState.DELIVERED) == 1


async def test_a_reconciler_that_is_stopped_while_redis_is_away_hands_back_what_it_holds(
    redis: Redis, sent: SentCampaign
) -> None:
    await accept(redis, posted("delivered", row(sent.meta(0))))
    stop = asyncio.Event()

    class Stopping(ReportApplier):
        async def apply(self, reports: Sequence[DeliveryReport]) -> list[ReportEffect]:
            if reports:
                stop.set()
                raise exceptions.ConnectionError
            return []

    await asyncio.wait_for(make_reconciler(redis, Stopping(redis)).run(stop), 30)
    await settle(make_reconciler(redis))  # this reconciler claims entries after the usual 15 s
    assert await sent.count(MessageState.DELIVERED) == 1


async def test_a_body_that_is_given_up_keeps_its_request(redis: Redis, sent: SentCampaign) -> None:
    packed = pack_request(PostedRequest("POST", content_type="text/plain"))
    deadly = posted("delivered", row(sent.meta(1)))
    await ReportStreamWriter(redis).put(deadly, request=packed)
    await outlive(redis, Deadly(redis, 1))
    await ReportStreamWriter(redis).put(b"[]", request=packed)
    reconciler = make_reconciler(redis, classifier=FailingClassifier(lambda body: body == b"[]"), claim_after_ms=0)
    await settle(reconciler, steps=DEFAULTS.max_deliveries + 2)
    assert [(kept.body, kept.request) for kept in await DeadLetters(redis).oldest()] == [
        (deadly, packed),
        (b"[]", packed),
    ]
