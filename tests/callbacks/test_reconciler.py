"""Reports from the stream into a real ledger."""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from redis import exceptions
from redis.asyncio import Redis
from structlog.testing import capture_logs

from callbacks import reconciler as module
from callbacks.reconciler import GROUP, LAST_DELIVERY, Reconciler, reconcile
from callbacks.set_aside import Reason, SetAside
from callbacks.streams import BODY, CLAIM_AFTER_MS, RELAY, REPORTS, Reader, pack
from callbacks.triage import Triage
from campaigns.connection import connect
from campaigns.embedded import EmbeddedServer
from campaigns.optouts import OptOuts
from campaigns.reported import Applied, Report, Reported
from campaigns.states import MessageState
from campaigns.trials import TrialReport, Trials
from tests.callbacks.conftest import ID_KEY, SECRET, Processes, Sent, eventually, payloads, posted, row, send_campaign
from timesmobile.ids import TRIAL_CAMPAIGN, CorrelationIds


async def accept(redis: Redis, *bodies: bytes) -> None:
    """Put bodies into the stream as one entry, as the receiver does."""
    await redis.xadd(REPORTS, {BODY: pack(bodies)})


def make(
    redis: Redis,
    reported: Reported | None = None,
    *,
    relaying: bool = False,
    stop_words: Sequence[str] = ("STOP",),
    **more: Any,
) -> Reconciler:
    triage = Triage(CorrelationIds(ID_KEY.encode()), relaying=relaying, stop_words=stop_words)
    return Reconciler(redis, reported or Reported(redis), triage, **more)


async def settle(*reconcilers: Reconciler, steps: int = 3) -> None:
    """Let reconcilers step; the very first step of all makes the group."""
    for _ in range(steps):
        for reconciler in reconcilers:
            await reconciler.step(block_ms=1)


async def is_settled(redis: Redis) -> bool:
    return await redis.xlen(REPORTS) == 0


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The log's lines, of reconcilers that look for the dead at every step."""
    monkeypatch.setattr(module, "LOOK_FOR_DEAD_EVERY_S", 0.0)
    with capture_logs() as said:
        yield said


async def test_reports_reach_the_ledger_and_leave_the_stream(redis: Redis, sent: Sent, lines: list[Any]) -> None:
    await accept(
        redis,
        posted("delivered", row(sent.meta(0)), row(sent.meta(11))),
        posted("failed", row(sent.meta(1), code="910")),
    )
    await accept(redis, posted("clicked", row(sent.meta(0), url="https://example.test")))
    await accept(redis, posted("replied", row(sent.meta(0), incomingText="STOP")))
    await settle(make(redis))
    assert await sent.count(MessageState.DELIVERED) == 2
    assert await sent.count(MessageState.FAILED) == 1
    assert await sent.stat("clicked") == await sent.stat("replied") == 1
    assert await is_settled(redis)
    assert (await redis.xpending(REPORTS, GROUP))["pending"] == 0
    assert [line["applied"] for line in lines if line["event"] == "reports reconciled"] == [3]
    assert "STOP" not in repr(lines)
    assert "example.test" not in repr(lines)


async def opted_out(redis: Redis) -> list[str]:
    return sorted([number async for numbers in OptOuts(redis).iterate() for number in numbers])


async def test_who_replies_with_a_stop_word_is_put_on_the_opt_out_list(
    redis: Redis, sent: Sent, lines: list[Any]
) -> None:
    await accept(
        redis,
        posted("replied", row(sent.meta(3), incomingText="stop!"), row(sent.meta(4), incomingText="Thanks, stop")),
        posted("replied", row(sent.meta(17), incomingText="Stop please")),
        posted("delivered", row(sent.meta(5))),
    )
    await settle(make(redis))
    assert await opted_out(redis) == ["919876500003", "919876500007"]
    assert await sent.stat("replied") == 3
    assert await is_settled(redis)
    assert [line["stops"] for line in lines if line["event"] == "reports reconciled"] == [2]
    assert "9876500003" not in repr(lines)
    assert "please" not in repr(lines)


async def test_a_reply_that_is_settled_twice_opts_out_once(redis: Redis, sent: Sent) -> None:
    reply = posted("replied", row(sent.meta(3), incomingText="STOP"))
    await accept(redis, reply, reply)
    await accept(redis, reply)
    await settle(make(redis))
    assert await opted_out(redis) == ["919876500003"]


async def test_without_stop_words_nobody_is_opted_out(redis: Redis, sent: Sent) -> None:
    await accept(redis, posted("replied", row(sent.meta(3), incomingText="STOP")))
    await settle(make(redis, stop_words=()))
    assert await opted_out(redis) == []
    assert await is_settled(redis)


async def test_a_stop_for_a_message_that_the_ledger_does_not_know_opts_nobody_out(redis: Redis, sent: Sent) -> None:
    await accept(redis, posted("replied", row(sent.meta(20), incomingText="STOP")))
    await accept(
        redis, posted("replied", row(CorrelationIds(ID_KEY.encode()).make("0nowhere", 1), incomingText="STOP"))
    )
    await settle(make(redis))
    assert await opted_out(redis) == []
    assert (await SetAside(redis).count())[Reason.UNKNOWN] == 2


async def test_an_entry_leaves_the_stream_only_when_its_stops_are_on_the_list(
    redis: Redis, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(self: OptOuts, numbers: Sequence[str]) -> int:
        raise exceptions.ConnectionError("away")

    await accept(redis, posted("replied", row(sent.meta(3), incomingText="STOP")))
    reconciler = make(redis)
    with monkeypatch.context() as broken:
        broken.setattr(OptOuts, "add", away)
        with pytest.raises(exceptions.ConnectionError):
            await reconciler.step(block_ms=1)
    assert not await is_settled(redis)
    await settle(reconciler)
    assert await opted_out(redis) == ["919876500003"]
    assert await sent.stat("replied") == 1
    assert await is_settled(redis)


async def test_a_stop_whose_batch_is_damaged_is_set_aside(redis: Redis, sent: Sent) -> None:
    await redis.set(f"{{TIMESM}}:c:{sent.campaign}:p:0", b"damaged")
    await accept(redis, posted("replied", row(sent.meta(3), incomingText="STOP")))
    await settle(make(redis))
    assert await opted_out(redis) == []
    assert (await SetAside(redis).count())[Reason.POISON] == 1
    assert await is_settled(redis)


async def test_reports_of_trial_messages_wait_for_whoever_sent_them(redis: Redis, sent: Sent) -> None:
    trial = CorrelationIds(ID_KEY.encode()).make(TRIAL_CAMPAIGN, 7)
    await accept(redis, posted("delivered", row(trial), row(sent.meta(0))))
    await settle(make(redis))
    (report,) = await Trials(redis).of(7)
    assert isinstance(report, TrialReport)
    assert report.kind == "delivered"
    assert await is_settled(redis)
    assert await SetAside(redis).totals() == {}


async def test_doubled_and_reordered_reports_change_nothing_more(redis: Redis, sent: Sent) -> None:
    bodies = [
        posted("delivered", row(sent.meta(0))),
        posted("failed", row(sent.meta(0), code="901")),
        posted("delivered", row(sent.meta(0))),
        posted("clicked", row(sent.meta(0), url="u")),
        posted("clicked", row(sent.meta(0), url="u")),
    ]
    await accept(redis, *bodies, *reversed(bodies))
    await settle(make(redis))
    assert await sent.count(MessageState.DELIVERED) == 1
    assert await sent.count(MessageState.ACCEPTED) == sent.total - 1
    assert await sent.stat("clicked") == 1


async def test_two_reconcilers_share_the_work(redis: Redis, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_AT_ONCE", 2)
    for index in range(sent.total):
        await accept(redis, posted("delivered", row(sent.meta(index))))
    ann, bob = make(redis, name="ann"), make(redis, name="bob")
    await settle(ann, bob, steps=2)
    assert 0 < await redis.xlen(REPORTS) < sent.total
    await settle(ann, bob, steps=5)
    assert await sent.count(MessageState.DELIVERED) == sent.total
    assert await sent.stat("duplicate_reports") == 0


async def test_a_group_is_cut_at_its_size_and_none_is_left_out(
    redis: Redis, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "APPLIED_AT_ONCE", 300)
    for index in range(sent.total):
        await accept(redis, posted("delivered", row(sent.meta(index), description="x" * (index * 40))))
    await settle(make(redis), steps=sent.total + 2)
    assert await sent.count(MessageState.DELIVERED) == sent.total


async def test_what_is_not_ours_forged_unknown_or_bad_is_set_aside_and_ours_is_applied(
    redis: Redis, sent: Sent
) -> None:
    forged = sent.meta(0)[:-1] + "-"
    forged = forged.replace("-", "0" if sent.meta(0)[-1] != "0" else "1")
    ids = CorrelationIds(ID_KEY.encode())
    await accept(
        redis,
        posted("delivered", row("theirs"), row(forged), row(ids.make("zzzzzzzz", 1)), row(sent.meta(3))),
        posted("delivered", row(sent.meta(999)), {"ts": 1}),
        b"no json",
    )
    await redis.xadd(REPORTS, {BODY: posted("delivered", row(sent.meta(4)))})  # by hand, as people do
    await redis.xadd(REPORTS, {"x": "y"})
    await settle(make(redis))
    assert await sent.count(MessageState.DELIVERED) == 2
    assert await SetAside(redis).count() == {
        Reason.NOT_OURS: 1,
        Reason.FORGED: 1,
        Reason.UNKNOWN: 2,
        Reason.UNREADABLE: 2,
        "fields are missing": 1,
    }
    assert await is_settled(redis)


async def test_what_was_unknown_is_applied_when_it_is_replayed_later(redis: Redis, ids: CorrelationIds) -> None:
    sent = await send_campaign(redis, ids)
    everything: dict[Any, Any] = {key: await redis.dump(key) for key in await redis.keys()}
    await redis.flushall()
    await accept(redis, posted("delivered", row(sent.meta(0))))
    await settle(make(redis))
    assert await SetAside(redis).count() == {Reason.UNKNOWN: 1}
    for key, value in everything.items():
        await redis.restore(key, 0, value)
    assert await SetAside(redis).replay() == 1
    await settle(make(redis))
    assert await sent.count(MessageState.DELIVERED) == 1
    assert await SetAside(redis).count() == {}


async def test_foreign_rows_are_queued_for_the_relay_if_there_is_one(redis: Redis, sent: Sent) -> None:
    foreign = b'[ {"event" : "delivered", "data": {"ts": 1, "meta": "theirs"}} ]'
    await accept(redis, foreign, posted("delivered", row(sent.meta(0))))
    await settle(make(redis, relaying=True))
    assert await payloads(redis, RELAY) == [foreign]
    assert await sent.count(MessageState.DELIVERED) == 1
    assert await SetAside(redis).count() == {}


async def test_what_a_dead_reconciler_left_is_claimed(redis: Redis, sent: Sent) -> None:
    await accept(redis, posted("delivered", row(sent.meta(0))))
    dead = Reader(redis, REPORTS, GROUP, "dead")
    while not await dead.read(10, block_ms=1):
        pass
    await settle(make(redis))
    assert not await is_settled(redis)
    await settle(make(redis, claim_after_ms=0))
    assert await is_settled(redis)
    assert await sent.count(MessageState.DELIVERED) == 1


class Poisoned(Reported):
    """A ledger that always fails on one message."""

    def __init__(self, redis: Redis, index: int, error: Exception) -> None:
        super().__init__(redis)
        self.index = index
        self.error = error

    async def apply(self, reports: Sequence[Report]) -> list[Applied]:
        if any(report.index == self.index for report in reports):
            raise self.error
        return await super().apply(reports)


POISON = [exceptions.ResponseError("user_script:3: attempt to index a nil value"), KeyError("a bug")]


@pytest.mark.parametrize("error", POISON)
async def test_a_poison_row_is_set_aside_after_a_few_tries_and_costs_no_other(
    redis: Redis, sent: Sent, error: Exception
) -> None:
    poison = posted("delivered", row(sent.meta(1)))
    await accept(
        redis, posted("delivered", row(sent.meta(0)), row(sent.meta(1))), posted("delivered", row(sent.meta(2)))
    )
    await accept(redis, posted("delivered", row(sent.meta(3))))
    reconciler = make(redis, Poisoned(redis, 1, error), claim_after_ms=0)
    await settle(reconciler, steps=2)
    assert await sent.count(MessageState.DELIVERED) == 3
    assert await redis.xlen(REPORTS) == 1
    await settle(reconciler, steps=LAST_DELIVERY)
    assert await is_settled(redis)
    (kept,) = await SetAside(redis).kept()
    assert (kept.reason, kept.body) == (Reason.POISON, poison)
    assert await SetAside(redis).replay() == 1
    await settle(make(redis))
    assert await sent.count(MessageState.DELIVERED) == 4


async def test_an_entry_that_cannot_be_sorted_is_given_up_whole(
    redis: Redis, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconciler = make(redis, claim_after_ms=0)
    good = posted("delivered", row(sent.meta(0)))
    await accept(redis, b"[]", good)
    monkeypatch.setattr("callbacks.triage.parse", lambda _: 1 / 0)
    await settle(reconciler, steps=LAST_DELIVERY + 2)
    assert [(kept.reason, kept.body) for kept in await SetAside(redis).kept()] == [
        (Reason.POISON, b"[]"),
        (Reason.POISON, good),
    ]


async def test_what_killed_reconcilers_again_and_again_is_not_looked_into(redis: Redis, sent: Sent) -> None:
    await accept(redis, posted("delivered", row(sent.meta(0))))
    dying = Reader(redis, REPORTS, GROUP, "dying")
    while not await dying.read(10, block_ms=1):
        pass
    for _ in range(LAST_DELIVERY - 1):
        await dying.claim(10, lambda _: 0)
    await accept(redis, posted("delivered", row(sent.meta(1))))
    await settle(make(redis, claim_after_ms=0))
    assert await SetAside(redis).count() == {Reason.POISON: 1}
    assert await sent.count(MessageState.DELIVERED) == 1
    assert await is_settled(redis)


async def test_trouble_keeps_everything_in_hand_and_counts_as_no_delivery(
    redis: Redis, sent: Sent, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEP_EVERY_S", 0.0)
    reconciler = make(redis, claim_after_ms=0)
    await settle(reconciler)
    await accept(redis, posted("delivered", row(sent.meta(0))))
    await redis.config_set("maxmemory", 1)
    try:
        for _ in range(LAST_DELIVERY + 3):
            with pytest.raises(exceptions.OutOfMemoryError):
                await reconciler.step(block_ms=1)
    finally:
        await redis.config_set("maxmemory", 0)
    assert [line["event"] for line in lines if line["log_level"] == "error"] == []
    await settle(reconciler)
    assert await sent.count(MessageState.DELIVERED) == 1
    assert await SetAside(redis).count() == {}


async def test_one_that_is_stopped_in_trouble_hands_back_what_it_holds(redis: Redis, sent: Sent) -> None:
    await accept(redis, posted("delivered", row(sent.meta(0))))
    stop = asyncio.Event()

    class Stopping(Reported):
        async def apply(self, reports: Sequence[Report]) -> list[Applied]:
            if reports:
                stop.set()
                raise exceptions.ConnectionError
            return []

    await asyncio.wait_for(reconcile(make(redis, Stopping(redis)), stop), 5)
    await settle(make(redis))  # which claims after the usual 15 s
    assert await sent.count(MessageState.DELIVERED) == 1


async def test_a_flushed_server_is_no_end(redis: Redis, ids: CorrelationIds) -> None:
    reconciler = make(redis)
    await settle(reconciler)
    await redis.flushall()
    sent = await send_campaign(redis, ids)
    await accept(redis, posted("delivered", row(sent.meta(0))))
    await settle(reconciler)
    assert await sent.count(MessageState.DELIVERED) == 1


@pytest.mark.processes
async def test_one_killed_between_applying_and_saying_so_does_no_harm(
    redis: Redis, redis_url: str, sent: Sent, processes: Processes
) -> None:
    await accept(redis, posted("delivered", *(row(sent.meta(index)) for index in range(sent.total))))
    await accept(redis, posted("clicked", row(sent.meta(0), url="u")))
    script = str(Path(__file__).with_name("dying_reconciler.py"))
    dying = processes.start(script, redis_url, ID_KEY, redis_url=redis_url)
    assert await asyncio.to_thread(dying.wait, 10) == -signal.SIGKILL
    assert await sent.count(MessageState.DELIVERED) == sent.total
    assert not await is_settled(redis)
    await settle(make(redis, claim_after_ms=0))
    assert await is_settled(redis)
    assert await sent.count(MessageState.DELIVERED) == sent.total
    assert await sent.stat("clicked") == 1


@pytest.mark.processes
async def test_every_acknowledged_report_is_applied_through_kills_and_restarts_of_everything(
    ids: CorrelationIds, processes: Processes
) -> None:
    total = 300
    with EmbeddedServer(appendonly=True, appendfsync="always") as server:
        async with connect(server.url) as redis:
            sent = await send_campaign(redis, ids, total=total, batch_size=50)
            reconcilers = [processes.reconciler(server.url) for _ in range(2)]
            _, url = processes.receiver(server.url)
            http = httpx.AsyncClient(base_url=url, timeout=15)

            async def deliver(index: int) -> None:
                """Post until it is acknowledged, as a provider does."""

                async def is_acknowledged() -> bool:
                    body = posted("delivered", row(sent.meta(index)))
                    return (await http.post(f"/callbacks/{SECRET}", content=body)).status_code == 200

                await eventually(is_acknowledged)

            async def all_started() -> bool:
                return processes.logs().count("reconciler started") == len(reconcilers)

            async def all_delivered() -> bool:
                return await sent.count(MessageState.DELIVERED) == total and await is_settled(redis)

            async with http:
                await eventually(all_started)
                await asyncio.gather(*map(deliver, range(100)))
                reconcilers[0].kill()
                await asyncio.gather(*map(deliver, range(100, 150)))
                server.restart()
                await asyncio.gather(*map(deliver, range(150, 250)))
                reconcilers.append(processes.reconciler(server.url))
                await asyncio.gather(*map(deliver, range(250, total)))

            held: Any = await redis.xpending_range(REPORTS, GROUP, "-", "+", 1000)
            # As if the time had passed after which what the dead hold is claimed.
            await Reader(redis, REPORTS, GROUP, "dead").keep(
                [one["message_id"] for one in held], idle_ms=CLAIM_AFTER_MS
            )
            await eventually(all_delivered, within_s=25)
            await eventually(all_started)
            for process in reconcilers[1:]:
                process.send_signal(signal.SIGTERM)
            assert [await asyncio.to_thread(process.wait, 10) for process in reconcilers[1:]] == [0, 0]
            assert await SetAside(redis).count() == {}


@pytest.mark.processes
async def test_sigterm_ends_it_within_seconds_also_while_redis_is_away(processes: Processes) -> None:
    with EmbeddedServer(appendonly=False) as server:
        process = processes.reconciler(server.url, DISPATCH_CALLBACKS_RELAY_URL="http://127.0.0.1:1/x?account=hidden")
        async with connect(server.url) as redis:

            async def has_joined() -> bool:
                return bool(await redis.exists(REPORTS))

            await eventually(has_joined)
        server.send(signal.SIGSTOP)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0
        server.send(signal.SIGCONT)
    assert "hidden" not in processes.logs()
    json_lines = [msgspec.json.decode(line) for line in processes.logs().splitlines() if line]
    assert json_lines[0]["event"] == "reconciler started"
