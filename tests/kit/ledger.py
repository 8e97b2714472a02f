"""The whole ledger for tests: all its classes on one Redis, short calls, and a check of the counters."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from tests.kit.balance import assert_balanced
from tests.kit.redis_clock import STOPPED_AT
from tests.kit.waiting import eventually
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.leases import BatchLeases, Lease
from times_dispatch.ledger.maintenance import Maintenance
from times_dispatch.ledger.model import BatchRef, CampaignId, CampaignView, Plan, Recipients, SenderId
from times_dispatch.ledger.openings import Block, Opened, new_operation
from times_dispatch.ledger.push_results import Consequence, Result
from times_dispatch.ledger.queries import LaneQueries, MessageView, Queries
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportApplier, ReportEffect
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.statistics.recount import Recount
from times_dispatch.ledger.submission import BrakeRule, Submissions

Answer = TypeVar("Answer")

_READERS: dict[bytes, Callable[[Pipeline, str], object]] = {
    b"string": Pipeline.get,
    b"hash": Pipeline.hgetall,
    b"set": Pipeline.smembers,
    b"zset": lambda pipe, key: pipe.zrange(key, 0, -1, withscores=True),
    b"list": lambda pipe, key: pipe.lrange(key, 0, -1),
    b"stream": Pipeline.xrange,
}
"""For each type of key, a function that reads the whole value."""

SENDER = SenderId("TIMESM")
PROVIDER = "times"
CAMPAIGN = CampaignId("diwali01")
YEAR_2100_MS = 4_102_444_800_000
CODES = {b"a": 200, b"r": 2054, b"i": 10, b"p": 429, b"b": 0, b"u": 31}


def plan(**changes: Any) -> Plan:
    """Return a plan without limits that is valid until 2100; *changes* replace fields of the plan."""
    fields: dict[str, Any] = {
        "name": "diwali-sale",
        "sender": SENDER,
        "provider": PROVIDER,
        "template": "greeting",
        "content_id": "1107160000000000001",
        "text": "Dear {#var#}",
        "category": "service",
        "valid_until_ms": YEAR_2100_MS,
    }
    return Plan(**{**fields, **changes})


def recipients(first: int, count: int, parts: Sequence[int] | None = None) -> Recipients:
    """Return a batch whose phone numbers, lines and names are computed from the index."""
    indexes = range(first, first + count)
    return Recipients(
        first=first,
        to=[f"9198{index:08}" for index in indexes],
        lines=[index + 2 for index in indexes],
        slots=[[f"name {index}" for index in indexes]],
        parts=list(parts) if parts else [1] * count,
    )


class Ledger:
    """All classes of the ledger on one Redis, and short calls for tests."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.submissions = Submissions(redis)
        self.leases = BatchLeases(redis)
        self.report_applier = ReportApplier(redis)
        self.control = Control(redis)
        self.maintenance = Maintenance(redis)
        self.queries = Queries(redis)
        self.records_are_as_scripts_wrote = True
        """Whether the statistics must equal the records; a test that changes times in records sets this to False."""

    async def submit(
        self,
        messages: int = 3,
        *,
        batch_size: int = 3,
        campaign: str = CAMPAIGN,
        sealed: bool = True,
        parts: Sequence[int] | None = None,
        brake: BrakeRule | None = None,
        price_micros: int = 0,
        opted_out: Sequence[int] = (),
        **changes: Any,
    ) -> CampaignId:
        """Submit a whole campaign, as a producer does.

        Args:
            messages: Number of messages.
            batch_size: Messages of a full batch.
            campaign: The campaign's id, which is also its fingerprint.
            sealed: Whether the campaign is sealed.
            parts: SMS parts of each message; one each by default.
            brake: The rule of the campaign's automatic brake; no rule by default.
            price_micros: The price of a part, in millionths of a rupee.
            opted_out: Indexes of messages whose numbers have opted out.
            changes: Fields of the plan.
        """
        campaign_plan = plan(**changes)
        claimed = await self.submissions.claim(campaign, campaign_plan.sender, CampaignId(campaign))
        await self.submissions.begin(
            claimed, campaign_plan, batch_size=batch_size, brake=brake, price_micros=price_micros
        )
        batches = -(-messages // batch_size)
        for number in range(batches):
            first = number * batch_size
            size = min(batch_size, messages - first)
            batch_parts = parts[first : first + size] if parts else None
            suppressed = [index - first for index in opted_out if first <= index < first + size]
            await self.submissions.add_batch(
                claimed, campaign_plan.sender, number, recipients(first, size, batch_parts), opted_out=suppressed
            )
        if sealed:
            await self.submissions.seal(claimed, campaign_plan.sender, total=messages, batches=batches)
        return claimed

    async def issue(self, sender: SenderId = SENDER) -> list[BatchRef]:
        return [ready.ref for ready in await self.leases.issue(sender)]

    async def take(self, ref: BatchRef | None = None) -> Lease:
        """Take a batch; by default issue batches and take the first."""
        lease = await self.leases.take(ref or (await self.issue())[0])
        assert lease, "another worker has the batch, or the batch was not issued"
        return lease

    async def open_block(self, lease: Lease, max_messages: int = 100) -> Opened:
        return await self.leases.open_block(lease, max_messages=max_messages, operation=new_operation())

    async def open(self, lease: Lease, max_messages: int = 100) -> Block:
        opened = await self.open_block(lease, max_messages)
        assert isinstance(opened, Block), opened
        return opened

    async def record(
        self, lease: Lease, block: Block, letters: bytes, consequence: Consequence | None = None, **more: Any
    ) -> int:
        """Record results of a block: one letter (a ``PushResult``) for each message, or one letter for all messages."""
        if len(letters) == 1:
            letters *= len(block.messages)
        results = [
            Result(index, block.number, bytes([letter]), CODES[bytes([letter])], str(1000 + index), 1)
            for (index, _), letter in zip(block.messages, letters, strict=True)
        ]
        chain = (await self.leases.plan(lease.ref.sender, lease.ref.campaign)).chain
        return await self.leases.record(lease, results, consequence, provider=chain[block.chain_index], **more)

    async def push(self, results: bytes = b"a", lease: Lease | None = None) -> Lease:
        """Open all messages of a batch (by default of the next batch), record the results, and keep the lease."""
        lease = lease or await self.take()
        await self.record(lease, await self.open(lease), results)
        return lease

    async def send_all(self, results: bytes = b"a") -> None:
        """Send all batches that are issued; every push gets the same results."""
        while refs := await self.issue():
            for ref in refs:
                await self.leases.release(await self.push(results, await self.take(ref)))

    async def report(
        self, *kinds: Any, index: int = 0, attempt: int = 0, code: int = 901, ts: int = 1_795_000_000
    ) -> list[ReportEffect]:
        """Apply reports of these kinds about one message in one call, in this order."""
        reports = [
            DeliveryReport(CAMPAIGN, index, attempt, kind, code if kind == "failed" else 0, ts + offset)
            for offset, kind in enumerate(kinds)
        ]
        return await self.report_applier.apply(reports)

    async def view(self, campaign: CampaignId = CAMPAIGN) -> CampaignView:
        return await self.queries.campaign(campaign)

    async def messages(self, campaign: CampaignId = CAMPAIGN) -> list[MessageView]:
        return [message async for message in self.queries.messages(campaign)]

    async def states(self, campaign: CampaignId = CAMPAIGN) -> str:
        """Return the states of all messages, one letter each."""
        return "".join(message.record.state for message in await self.messages(campaign))

    async def state(self, campaign: CampaignId = CAMPAIGN) -> CampaignState:
        return (await self.view(campaign)).state

    async def stat(self, name: str) -> int:
        return (await self.view()).stats.get(name, 0)

    async def field(self, name: str, campaign: CampaignId = CAMPAIGN) -> str:
        return text(await self.redis.hget(campaign_key(SENDER, campaign), name) or b"")

    async def sender_field(self, name: str) -> float:
        return float(await self.redis.hget(f"{hash_tag(SENDER)}:sender", name) or 0)

    async def now_ms(self) -> int:
        """Return the time of the scripts' clock: the time of Redis, unless the test stopped the clock."""
        stopped_us = await self.redis.get(STOPPED_AT)
        if stopped_us is not None:
            return int(stopped_us) // 1000
        seconds, microseconds = await self.redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def seconds_until(self, key: str, member: str) -> float:
        """Return the seconds from now until the time that is the score of a member of a sorted set."""
        at_ms = await self.redis.zscore(key, member)
        assert at_ms is not None
        return (at_ms - await self.now_ms()) / 1000

    async def expire_leases(self, *refs: BatchRef) -> None:
        """Move the deadlines of leases into the past."""
        for ref in refs:
            await self.redis.zadd(f"{hash_tag(ref.sender)}:leases", {f"{ref.campaign}:{ref.number}": 1}, xx=True)

    async def end_back_off(self, provider: str = PROVIDER) -> None:
        """Move the end of a provider's back-off, and the time of its next probe, into the past."""
        await self.redis.hset(
            f"{hash_tag(SENDER)}:sender", mapping={f"back_off_until_us@{provider}": 1, f"probe_us@{provider}": 1}
        )
        for campaign in await self.redis.zrange(f"{hash_tag(SENDER)}:blocked", 0, -1):
            await self.redis.zadd(f"{hash_tag(SENDER)}:blocked", {text(campaign): 1})

    async def close_send_window(self, *, in_ms: int = 0, campaign: CampaignId = CAMPAIGN) -> None:
        """Let the daily send window end in *in_ms* milliseconds."""
        closes_ms = await self.now_ms() + in_ms
        await self.redis.hset(campaign_key(SENDER, campaign), "send_window_closes_ms", closes_ms)
        await self.redis.zadd(f"{hash_tag(SENDER)}:send_windows", {campaign: closes_ms})

    async def move_start(self, in_ms: int, campaign: CampaignId = CAMPAIGN) -> None:
        """Move the start of a waiting campaign to *in_ms* milliseconds from now."""
        start_ms = await self.now_ms() + in_ms
        await self.redis.hset(campaign_key(SENDER, campaign), "start_ms", start_ms)
        await self.redis.zadd(f"{hash_tag(SENDER)}:waiting", {campaign: start_ms}, xx=True)

    async def issue_eventually(self) -> list[BatchRef]:
        """Issue batches until at least one is issued."""
        refs: list[BatchRef] = await eventually(self.issue)
        return refs

    async def end_day(self) -> None:
        """Change the date of today's counts to yesterday."""
        key = f"{hash_tag(SENDER)}:sender"
        for field in ("day", "full_day"):
            if await self.redis.hexists(key, field):
                await self.redis.hincrby(key, field, -1)

    async def end_validity(self, campaign: CampaignId = CAMPAIGN) -> None:
        """Move the end of the validity into the past, and make all batches due."""
        until_ms = await self.now_ms() - 1
        await self.redis.hset(campaign_key(SENDER, campaign), "until_ms", until_ms)
        await self.redis.zadd(f"{hash_tag(SENDER)}:validity_ends", {campaign: until_ms})
        await self.make_all_due()

    async def end_report_wait(self, campaign: CampaignId = CAMPAIGN) -> None:
        """Set the wait for reports so that every missing report is overdue."""
        await self.redis.hset(campaign_key(SENDER, campaign), "report_wait_ms", -1)
        await self.make_all_due()

    async def make_all_due(self) -> None:
        """Make every batch due that upkeep would settle at some time."""
        for member in await self.redis.zrange(f"{hash_tag(SENDER)}:settle_due", 0, -1):
            await self.redis.zadd(f"{hash_tag(SENDER)}:settle_due", {text(member): 1})

    async def dump(self) -> dict[str, Any]:
        """Return the values of all keys."""
        keys = sorted(text(key) for key in await self.redis.keys())
        async with self.redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.type(key)
            kinds: list[bytes] = await pipe.execute()
            for key, kind in zip(keys, kinds, strict=True):
                _READERS[kind](pipe, key)
            values: list[Any] = await pipe.execute()
        return {
            key: [fields for _, fields in value] if kind == b"stream" else value
            for key, kind, value in zip(keys, kinds, values, strict=True)
        }

    async def assert_counters_add_up(self) -> None:
        """Fail unless all counters of all campaigns and senders equal the sums over the records."""
        await assert_balanced(self.redis, await LaneQueries(self.redis).campaigns())
        if self.records_are_as_scripts_wrote:
            recounted = await Recount(self.redis).all()
            assert not recounted.differences, recounted.differences
            assert not recounted.moving
