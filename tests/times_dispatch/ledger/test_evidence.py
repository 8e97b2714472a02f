"""A signed report, or a worker's own outcome, proves a push of which the ledger lost the record.

A power cut (``appendfsync everysec``) or a failover may lose the last second of the ledger. A test simulates this loss:
the test restores an earlier copy of some keys.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.openings import BatchClosed, Block, new_operation
from times_dispatch.ledger.protocol import CloseReason, ControlAction
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportEffect
from times_dispatch.ledger.states import CampaignState, MessageState

KEY = campaign_key(SENDER, CAMPAIGN)
A, D, S, U = ReportEffect.APPLIED, ReportEffect.DUPLICATE, ReportEffect.STALE, ReportEffect.UNKNOWN

kinds = pytest.mark.parametrize(("kind", "state"), [("delivered", "d"), ("failed", "f"), ("clicked", "a")])


class Snapshot:
    """A copy of every key of the ledger at one moment, like a copy on the disk."""

    def __init__(self, ledger: Ledger) -> None:
        self._redis = ledger.redis
        self._dumps: dict[Any, Any] = {}

    async def take(self) -> "Snapshot":
        self._dumps = {key: await self._redis.dump(key) for key in await self._redis.keys()}
        return self

    async def put_back(self) -> None:
        await self._redis.flushdb()
        for key, dump in self._dumps.items():
            await self._redis.restore(key, 0, dump)


async def _snapshot(ledger: Ledger) -> Snapshot:
    return await Snapshot(ledger).take()


async def _open(ledger: Ledger, lease: Lease, last_block: int, max_messages: int = 100) -> Block | BatchClosed:
    opened = await ledger.leases.open_block(
        lease, max_messages=max_messages, operation=new_operation(), last_block=last_block
    )
    assert isinstance(opened, Block | BatchClosed)
    return opened


async def _resent(ledger: Ledger, messages: int = 3) -> None:
    """Submit messages, of which the first is pending with its second correlation id."""
    await ledger.submit(messages)
    await ledger.send_all(b"i" + b"a" * (messages - 1))
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 1


# Reports of messages that the ledger does not know as sent


@kinds
async def test_a_report_proves_the_push_of_a_message_whose_batch_was_never_taken(
    ledger: Ledger, kind: str, state: str
) -> None:
    await ledger.submit(3, parts=[2, 2, 2])
    assert await ledger.report(kind, index=1) == [A]
    assert await ledger.states() == f"p{state}p"
    assert (await ledger.view()).counters_add_up
    assert ((await ledger.view()).parts, await ledger.field("parts_out")) == (2, "2")
    assert (await ledger.open(await ledger.take())).messages == [(0, 0), (2, 0)]


@kinds
async def test_a_report_of_a_later_attempt_than_recorded_is_adopted(ledger: Ledger, kind: str, state: str) -> None:
    await ledger.submit(2)
    await ledger.send_all(b"i")
    assert await ledger.report(kind, attempt=2) == [A]
    assert await ledger.states() == f"{state}i"
    assert (await ledger.messages())[0].record.attempt == 2
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 1


async def test_after_a_later_attempt_is_adopted_a_failure_of_the_recorded_one_does_not_count(ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.send_all(b"i")
    assert await ledger.report("clicked", attempt=1) == [A]
    assert await ledger.report("failed", attempt=0) == [S]
    assert await ledger.report("failed", attempt=1) == [A]
    assert await ledger.states() == "f"


@kinds
@pytest.mark.parametrize("ending", ["cancel", "expire", "suppress"])
async def test_a_report_corrects_a_message_that_the_ledger_says_was_never_sent(
    ledger: Ledger, ending: str, kind: str, state: str
) -> None:
    await ledger.submit(1, opted_out=[0] if ending == "suppress" else [])
    if ending == "cancel":
        await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    elif ending == "expire":
        await ledger.end_validity()
    await ledger.maintenance.end_pending(SENDER)
    assert await ledger.states() in {"x", "e", "u"}
    assert await ledger.report(kind) == [A]
    assert await ledger.states() == state
    assert await ledger.field("parts_out") == "1"
    assert not [code for code in (await ledger.view()).codes if code.startswith("suppressed")]


async def test_a_rejection_is_only_overruled_by_a_delivery_or_by_a_later_attempt(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.send_all(b"r")
    assert await ledger.report("failed", index=0) == [D]
    assert await ledger.report("failed", index=1, attempt=1) == [A]
    assert await ledger.report("delivered", index=2) == [A]
    assert await ledger.states() == "rfd"
    assert (await ledger.view()).parts == 2


async def test_an_adopted_message_waits_for_its_report_from_now_on(ledger: Ledger) -> None:
    await ledger.submit(1, report_wait_s=3_600)
    await ledger.report("clicked")
    assert (await ledger.messages())[0].record.sent_ms == pytest.approx(
        await ledger.now_ms() - (await ledger.view()).created_ms, abs=1_000
    )
    assert await ledger.seconds_until("{TIMESM}:settle_due", f"{CAMPAIGN}:0") == pytest.approx(3_600, abs=2)


async def test_a_report_about_a_batch_that_the_campaign_does_not_have_is_unknown(ledger: Ledger) -> None:
    await ledger.submit(3)
    before = await ledger.dump()
    assert await ledger.report("delivered", index=3) == [U]
    assert await ledger.dump() == before


# The attempt of the newest push


@pytest.mark.parametrize("kind", ["intermediate", "clicked", "replied"])
async def test_a_failure_counts_of_the_attempt_that_stopped_a_resend(ledger: Ledger, kind: str) -> None:
    await _resent(ledger)
    assert await ledger.report(kind, attempt=0) == [A]
    assert await ledger.report("failed", attempt=0) == [A]
    assert await ledger.states() == "faa"


@pytest.mark.parametrize("together", [True, False])
async def test_a_failure_counts_that_comes_with_the_report_that_stopped_a_resend(
    ledger: Ledger, together: bool
) -> None:
    await _resent(ledger)
    if together:
        assert await ledger.report("intermediate", "failed", attempt=0) == [A, A]
    else:
        await ledger.report("intermediate", attempt=0)
        await ledger.report("failed", attempt=0)
    assert await ledger.states() == "faa"
    assert (await ledger.messages())[0].record.code == 901


async def test_a_failure_of_the_first_attempt_counts_when_the_second_was_on_its_way_and_not_sent(
    ledger: Ledger,
) -> None:
    await _resent(ledger)
    lease = await ledger.take()
    block = await ledger.open(lease)
    await ledger.report("clicked", attempt=0)
    assert await ledger.record(lease, block, b"p") == 0
    assert await ledger.field("parts_out") == "3"
    assert await ledger.record(lease, block, b"p") == 0
    assert await ledger.field("parts_out") == "3"
    assert (await ledger.messages())[0].record.attempt == 0
    assert await ledger.report("failed", attempt=0) == [A]
    assert await ledger.states() == "faa"


@pytest.mark.parametrize(("result", "code"), [(b"r", "push:2054"), (b"u", "suppressed:31")])
async def test_a_message_that_ends_at_its_second_attempt_is_given_up_because_the_first_is_in_doubt(
    ledger: Ledger, result: bytes, code: str
) -> None:
    await _resent(ledger)
    await ledger.send_all(result)
    assert await ledger.states() == "gaa"
    assert (await ledger.view()).codes == {code: 1}
    assert await ledger.report("failed", attempt=0) == [A]
    assert (await ledger.view()).codes == {"report:901": 1}
    assert (await ledger.view()).counters_add_up


async def test_a_message_that_is_pending_again_when_its_campaign_is_cancelled_is_given_up(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.leases.release(await ledger.push(b"iap"))
    await ledger.control.resolve(SENDER, CAMPAIGN, "resend")
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    assert await ledger.maintenance.end_pending(SENDER) == 2
    assert await ledger.states() == "gax"
    assert await ledger.report("failed", attempt=0) == [A]
    assert await ledger.states() == "fax"
    assert (await ledger.view()).codes == {"report:901": 1, "retry:429": 1}


# SMS parts that count as accepted


async def test_parts_of_messages_in_doubt_count_when_they_turn_out_accepted(ledger: Ledger) -> None:
    await ledger.submit(4, parts=[2] * 4, batch_size=4)
    await ledger.send_all(b"i")
    await ledger.report("failed", index=0)
    await ledger.report("delivered", index=1)
    await ledger.report("clicked", index=2)
    await ledger.control.resolve(SENDER, CAMPAIGN, "sent")
    assert await ledger.states() == "fdaa"
    assert ((await ledger.view()).parts, await ledger.field("parts_out")) == (8, "8")


async def test_parts_count_once_when_the_report_is_faster_than_the_answer(ledger: Ledger) -> None:
    await ledger.submit(1)
    lease = await ledger.take()
    block = await ledger.open(lease)
    await ledger.report("delivered")
    await ledger.record(lease, block, b"a")
    assert (await ledger.view()).parts == 1


# Blocks that the ledger lost


@pytest.mark.parametrize(("result", "state"), [(b"a", "a"), (b"i", "i"), (b"r", "r"), (b"p", "p"), (b"b", "p")])
async def test_an_outcome_of_a_lost_block_counts_for_the_message_that_the_ledger_thinks_pending(
    ledger: Ledger, result: bytes, state: str
) -> None:
    await ledger.submit(1)
    lease = await ledger.take()
    before = await _snapshot(ledger)
    lost = await ledger.open(lease)
    await before.put_back()
    for _ in range(2):
        await ledger.record(lease, lost, result)
        assert await ledger.states() == state
        view = await ledger.view()
        assert (view.counters_add_up, view.parts) == (True, int(state == "a"))
        assert await ledger.field("parts_out") == str(int(state in "ai"))


async def test_a_worker_whose_blocks_were_lost_gets_no_other_under_its_lease(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    before = await _snapshot(ledger)
    lost = await _open(ledger, lease, 0, max_messages=1)
    assert isinstance(lost, Block)
    await before.put_back()
    assert await _open(ledger, lease, lost.number) == BatchClosed(CloseReason.BLOCKS_LOST)
    await ledger.record(lease, lost, b"a")
    await ledger.leases.release(lease)
    assert (await ledger.open(await ledger.take())).messages == [(1, 0), (2, 0)]


@pytest.mark.parametrize("last_block", [0, 1, 32_000, 65_535])
async def test_a_worker_that_lost_no_block_opens_the_next_also_where_the_numbers_begin_again(
    ledger: Ledger, last_block: int
) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.redis.hset(f"{KEY}:b:0", "last_block", last_block)
    opened = await _open(ledger, lease, last_block, max_messages=1)
    assert isinstance(opened, Block)
    following = await _open(ledger, lease, opened.number, max_messages=1)
    assert isinstance(following, Block)
    assert following.number == (last_block + 2) % 65_536


async def test_an_outcome_of_a_lost_block_never_reaches_a_message_that_another_block_holds(ledger: Ledger) -> None:
    await ledger.submit(1)
    lease = await ledger.take()
    before = await _snapshot(ledger)
    lost = await ledger.open(lease)
    await before.put_back()
    assert isinstance(await _open(ledger, lease, lost.number), BatchClosed)
    await ledger.leases.release(lease)
    new_lease = await ledger.take()
    await ledger.open(new_lease)
    with pytest.raises(Exception, match="lease"):
        await ledger.record(lease, lost, b"b")
    assert await ledger.states() == "s"


# Damaged records


@pytest.mark.parametrize("length", [0, 39, 40, 40 + 22 * 30, 40 + 22 * 40 + 1])
async def test_nothing_is_written_where_the_records_of_a_batch_are_damaged(ledger: Ledger, length: int) -> None:
    await ledger.submit(40, batch_size=40)
    lease = await ledger.take()
    block = await ledger.open(lease, max_messages=20)
    records: Any = await ledger.redis.get(f"{KEY}:m:0")
    await ledger.redis.set(f"{KEY}:m:0", (records + b"x")[:length])
    before = await ledger.dump()
    reports = [DeliveryReport(CAMPAIGN, index, 0, "delivered", 0, 1_795_000_000) for index in (0, 1, 2, 35)]
    if length:
        with pytest.raises(Exception, match="DAMAGED"):
            await ledger.report_applier.apply(reports)
        with pytest.raises(Exception, match="DAMAGED"):
            await ledger.open(lease)
    with pytest.raises(Exception):  # noqa: B017, PT011 - a missing string is another error of Redis
        await ledger.record(lease, block, b"a")
    assert await ledger.dump() == before
    await ledger.redis.set(f"{KEY}:m:0", records)


# Moments far from the creation of the campaign


async def test_the_moment_of_a_push_is_known_also_when_the_campaign_was_created_a_year_before(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=3)
    age_ms = 400 * 86_400_000
    await ledger.redis.hset(KEY, "created_ms", await ledger.now_ms() - age_ms)
    await ledger.send_all()
    sent: Sequence[int] = [message.record.sent_ms for message in await ledger.messages()]
    assert sent == pytest.approx([age_ms] * 6, abs=2_000)
    await ledger.make_all_due()
    await ledger.maintenance.settle_overdue(SENDER)
    assert await ledger.states() == "aaaaaa"


async def test_parts_of_an_old_campaign_that_were_not_sent_return_to_the_daily_cap(ledger: Ledger) -> None:
    await ledger.submit(10, batch_size=10)
    await ledger.control.configure_daily_cap(SENDER, 30)
    await ledger.redis.hset(KEY, "created_ms", await ledger.now_ms() - 60 * 86_400_000)
    lease = await ledger.take()
    for _ in range(4):
        await ledger.record(lease, await ledger.open(lease), b"b")
    assert (await ledger.queries.sender(SENDER)).parts_today == 0


async def test_a_moment_that_no_record_can_hold_is_refused_before_anything_is_written(ledger: Ledger) -> None:
    await ledger.submit(1)
    lease = await ledger.take()
    await ledger.redis.hset(KEY, "created_ms", await ledger.now_ms() - 2**40)
    before = await ledger.dump()
    with pytest.raises(Exception, match="too long ago"):
        await ledger.open(lease)
    assert await ledger.dump() == before


async def test_a_clock_that_was_set_back_before_the_creation_of_a_campaign_makes_no_wild_moment(ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.redis.hset(KEY, "created_ms", await ledger.now_ms() + 600_000)
    await ledger.send_all()
    assert (await ledger.messages())[0].record.sent_ms == 0


async def test_each_resend_gives_the_validity_once_more_and_not_twice(ledger: Ledger) -> None:
    ledger.records_are_as_scripts_wrote = False  # shortly after midnight, the moved times lie in the day before
    await ledger.submit(1, valid_until_ms=await ledger.now_ms() + 3_600_000)
    await ledger.send_all(b"i")
    for _ in range(3):
        for name in ("sealed_ms", "created_ms", "until_ms"):
            await ledger.redis.hincrby(KEY, name, -3_600_000 - 1_000)
        if int(await ledger.field("until_ms")) > await ledger.now_ms():
            await ledger.redis.hset(KEY, "until_ms", await ledger.now_ms() - 1)
        assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 1
        assert int(await ledger.field("until_ms")) - await ledger.now_ms() == pytest.approx(3_600_000, abs=5_000)
        await ledger.send_all(b"i")
    assert (await ledger.view()).counts[MessageState.IN_DOUBT] == 1
    assert await ledger.state() is CampaignState.FINISHED
