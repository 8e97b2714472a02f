"""Frequency caps: messages to one number over all campaigns of a sender, and frequency_caps that are taken back."""

import struct
from collections.abc import Sequence
from typing import Any

import pytest

from tests.kit.ledger import SENDER, Ledger
from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.frequency_cap import FrequencyCaps, FrequencyLimit, Mark, fingerprint
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.leases import Lease, new_operation
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.states import Suppression

HALF_AN_HOUR = FrequencyLimit(repeat_after_s=1800)
TWO_A_DAY = FrequencyLimit(max_messages=2, period_s=86_400)
TEXT = "Dear {#var#}"
RECENT_TEXTS = f"{hash_tag(SENDER)}:recent_texts"
TOO_MANY, SAME_TEXT = Suppression.TOO_MANY, Suppression.SAME_TEXT
NUMBERS = ("919800000000", "919800000001", "919800000002")


class Asker:
    """A worker that asks the frequency cap about blocks of one campaign."""

    def __init__(self, ledger: Ledger, lease: Lease) -> None:
        self.lease = lease
        self.frequency_caps = FrequencyCaps(ledger.redis)
        self.block = 0
        self.marks: list[Mark] = []

    async def ask(
        self, frequency: FrequencyLimit, numbers: Sequence[str] = NUMBERS, *, word: str = "hi", attempt: int = 0
    ) -> list[Suppression | None]:
        self.block += 1
        return await self.again(frequency, numbers, word=word, attempt=attempt)

    async def again(
        self, frequency: FrequencyLimit, numbers: Sequence[str] = NUMBERS, *, word: str = "hi", attempt: int = 0
    ) -> list[Suppression | None]:
        marks = [Mark(to, fingerprint(to, word), attempt) for to in numbers]
        at_s, reasons = await self.frequency_caps.check(self.lease, self.block, frequency, TEXT, marks)
        self.marks = [mark._replace(at_s=at_s) for mark, reason in zip(marks, reasons, strict=True) if not reason]
        return reasons

    async def take_back(self, frequency: FrequencyLimit, operation: str = "") -> None:
        await self.frequency_caps.undo(self.lease, operation or new_operation(), frequency, TEXT, self.marks)


async def asker(ledger: Ledger, campaign: str, **changes: Any) -> Asker:
    claimed = await ledger.submit(3, campaign=campaign, **changes)
    (ref,) = [ref for ref in await ledger.issue(changes.get("sender", SENDER)) if ref.campaign == claimed]
    return Asker(ledger, await ledger.take(ref))


async def let_pass(ledger: Ledger, campaign: str, seconds: int) -> None:
    """Move a campaign's recent texts into the past."""
    members: Any = await ledger.redis.zrange(RECENT_TEXTS, 0, -1, withscores=True)
    for member, until in members:
        digest, owner, created, buckets = text(member).split(":")
        if owner == campaign:
            await ledger.redis.zrem(RECENT_TEXTS, member)
            moved = f"{digest}:{owner}:{int(created) - seconds}:{buckets}"
            await ledger.redis.zadd(RECENT_TEXTS, {moved: until - seconds})


async def test_the_same_text_to_the_same_number_from_another_campaign_is_refused(ledger: Ledger) -> None:
    first, second = await asker(ledger, "diwali01"), await asker(ledger, "diwali02")
    assert await first.ask(HALF_AN_HOUR, NUMBERS[:2]) == [None, None]
    assert await second.ask(HALF_AN_HOUR) == [SAME_TEXT, SAME_TEXT, None]
    assert await first.ask(HALF_AN_HOUR, NUMBERS[2:]) == [SAME_TEXT]


async def test_another_text_or_another_sender_may(ledger: Ledger) -> None:
    first, second = await asker(ledger, "diwali01"), await asker(ledger, "diwali02")
    other = await asker(ledger, "others01", sender="OTHERS")
    await first.ask(HALF_AN_HOUR)
    assert await second.ask(HALF_AN_HOUR, word="hello") == [None] * 3
    assert await other.ask(HALF_AN_HOUR) == [None] * 3


@pytest.mark.parametrize(("seconds", "reason"), [(1798, SAME_TEXT), (1800, None), (1801, None)])
async def test_it_may_go_again_when_the_time_is_over(ledger: Ledger, seconds: int, reason: Suppression | None) -> None:
    first, second = await asker(ledger, "diwali01"), await asker(ledger, "diwali02")
    await first.ask(HALF_AN_HOUR)
    await let_pass(ledger, "diwali01", seconds)
    assert await second.ask(HALF_AN_HOUR) == [reason] * 3


async def test_each_message_has_a_time_of_its_own(ledger: Ledger) -> None:
    first, second = await asker(ledger, "diwali01"), await asker(ledger, "diwali02")
    await first.ask(HALF_AN_HOUR, NUMBERS[:1])
    (bucket,) = await ledger.redis.keys(f"{RECENT_TEXTS}:*")
    await ledger.redis.hset(bucket, fingerprint(NUMBERS[1], "hi"), -1801)
    assert await second.ask(HALF_AN_HOUR, NUMBERS[:2]) == [SAME_TEXT, None]


async def test_a_resend_in_its_own_campaign_is_not_stopped_by_its_first_mark(ledger: Ledger) -> None:
    first = await asker(ledger, "diwali01")
    await first.ask(HALF_AN_HOUR)
    assert await first.ask(HALF_AN_HOUR, attempt=1) == [None] * 3
    await first.take_back(HALF_AN_HOUR)  # the first attempt may have been sent
    assert await (await asker(ledger, "diwali02")).ask(HALF_AN_HOUR) == [SAME_TEXT] * 3


async def test_a_number_gets_so_many_messages_in_a_period_from_all_campaigns(ledger: Ledger) -> None:
    first, second, third = [await asker(ledger, f"diwali0{number}") for number in (1, 2, 3)]
    assert await first.ask(TWO_A_DAY) == [None] * 3
    assert await second.ask(TWO_A_DAY, NUMBERS[1:]) == [None] * 2
    assert await third.ask(TWO_A_DAY) == [None, TOO_MANY, TOO_MANY]
    assert await third.ask(TWO_A_DAY) == [TOO_MANY] * 3


@pytest.mark.parametrize(("ago_s", "counts"), [(86_398, True), (86_400, False)])
async def test_what_is_older_than_the_period_does_not_count(ledger: Ledger, ago_s: int, counts: bool) -> None:
    now_s = await ledger.now_ms() // 1000
    recent_numbers = f"{hash_tag(SENDER)}:recent_numbers:{(now_s - ago_s) // 86_400}:9198000"
    await ledger.redis.hset(recent_numbers, "00000", struct.pack(">II", now_s - ago_s, now_s - ago_s))
    first = await asker(ledger, "diwali01")
    assert await first.ask(TWO_A_DAY, NUMBERS[:1]) == [TOO_MANY if counts else None]


async def test_recent_numbers_expire_by_themselves(ledger: Ledger) -> None:
    await (await asker(ledger, "diwali01")).ask(TWO_A_DAY)
    (recent_numbers,) = await ledger.redis.keys(f"{hash_tag(SENDER)}:recent_numbers:*")
    assert 86_400 <= await ledger.redis.ttl(recent_numbers) <= 2 * 86_400


async def test_the_same_block_gets_the_same_answer_again_and_counts_once(ledger: Ledger) -> None:
    both = FrequencyLimit(1800, 2, 86_400)
    first, second = await asker(ledger, "diwali01"), await asker(ledger, "diwali02")
    assert await first.ask(both, NUMBERS[:1]) == [None]
    before = await ledger.dump()
    for _ in range(3):
        assert await first.again(both, NUMBERS[:1]) == [None]
    assert await ledger.dump() == before
    assert await second.ask(both, NUMBERS[:1]) == [SAME_TEXT]
    assert await second.ask(both, NUMBERS[:1], word="hello") == [None]
    assert await second.ask(both, NUMBERS[:1], word="bye") == [TOO_MANY]


@pytest.mark.parametrize(
    "frequency", [HALF_AN_HOUR, FrequencyLimit(max_messages=1, period_s=60), FrequencyLimit(1800, 1, 60)]
)
async def test_what_was_not_sent_may_be_sent_by_another_campaign(ledger: Ledger, frequency: FrequencyLimit) -> None:
    first, second = await asker(ledger, "diwali01"), await asker(ledger, "diwali02")
    await first.ask(frequency)
    first.marks = first.marks[:2]
    await first.take_back(frequency, "same")
    reason = SAME_TEXT if frequency.repeat_after_s else TOO_MANY
    assert await second.ask(frequency) == [None, None, reason]
    await first.take_back(frequency, "same")  # a repeated call, whose answer was lost, takes nothing more back
    assert await first.ask(frequency) == [reason, reason, None if frequency.max_messages != 1 else TOO_MANY]


async def test_what_was_not_sent_is_taken_back_also_when_redis_is_full(ledger: Ledger) -> None:
    """Also a number whose other message stays counted, for which Redis has to store the rest."""
    first, second = await asker(ledger, "diwali01"), await asker(ledger, "diwali02")
    await first.ask(TWO_A_DAY, NUMBERS[:1])
    await second.ask(TWO_A_DAY, NUMBERS[:1])
    await ledger.redis.config_set("maxmemory", 1)
    await second.take_back(TWO_A_DAY)
    await ledger.redis.config_set("maxmemory", 0)
    assert await first.ask(TWO_A_DAY, NUMBERS[:1]) == [None]
    assert await first.ask(TWO_A_DAY, NUMBERS[:1]) == [TOO_MANY]


async def test_a_worker_without_the_lease_admits_nothing_and_takes_nothing_back(ledger: Ledger) -> None:
    first = await asker(ledger, "diwali01")
    await first.ask(HALF_AN_HOUR)
    await ledger.leases.release(first.lease)
    with pytest.raises(LeaseLost):
        await first.ask(HALF_AN_HOUR)
    with pytest.raises(LeaseLost):
        await first.take_back(HALF_AN_HOUR)


async def test_recent_texts_are_dropped_when_their_time_is_over_and_not_before(ledger: Ledger) -> None:
    first, second = await asker(ledger, "diwali01"), await asker(ledger, "diwali02")
    await first.ask(HALF_AN_HOUR)
    await second.ask(HALF_AN_HOUR, word="hello")
    await ledger.maintenance.drop_recent_texts(SENDER)
    assert len(await ledger.redis.keys(f"{RECENT_TEXTS}*")) == 3
    await let_pass(ledger, "diwali01", 1801)
    await ledger.maintenance.drop_recent_texts(SENDER)
    left = [text(key) for key in await ledger.redis.keys(f"{RECENT_TEXTS}:*")]
    assert [key.split(":")[3] for key in left] == ["diwali02"]
    assert await ledger.redis.zcard(RECENT_TEXTS) == 1


async def test_recent_texts_of_a_large_campaign_are_dropped_over_several_calls(ledger: Ledger) -> None:
    digest, created = "0badcafe", 1_700_000_000
    await ledger.redis.zadd(
        RECENT_TEXTS, {f"{digest}:diwali01:{created}:2500": created, f"{digest}:diwali02:{created}:1": 9e9}
    )
    for bucket in (0, 999, 1000, 2499):
        await ledger.redis.hset(f"{RECENT_TEXTS}:{digest}:diwali01:{bucket}", "abcdef", 1)
    await ledger.maintenance.drop_recent_texts(SENDER, max_calls=1)
    assert len(await ledger.redis.keys(f"{RECENT_TEXTS}:{digest}:*")) == 2
    await ledger.maintenance.drop_recent_texts(SENDER)
    assert await ledger.redis.keys(f"{RECENT_TEXTS}:*") == []
    assert await ledger.redis.zcard(RECENT_TEXTS) == 1


@pytest.mark.parametrize("frequency", [HALF_AN_HOUR, FrequencyLimit(max_messages=3, period_s=86_400)])
async def test_a_mark_takes_a_few_bytes(ledger: Ledger, frequency: FrequencyLimit) -> None:
    numbers = [f"919{number * 7_919 % 10**9:09}" for number in range(50_000)]
    first = await asker(ledger, "diwali01")
    await ledger.redis.hset(campaign_key(SENDER, first.lease.ref.campaign), "total", len(numbers))
    before = (await ledger.redis.info("memory"))["used_memory"]
    for first_index in range(0, len(numbers), 500):
        await first.ask(frequency, numbers[first_index : first_index + 500])
    taken = (await ledger.redis.info("memory"))["used_memory"] - before
    await ledger.redis.hset(campaign_key(SENDER, first.lease.ref.campaign), "total", 3)
    # The size of recent numbers depends on how many numbers share a prefix: here few do.
    assert taken / len(numbers) < (17 if frequency.repeat_after_s else 64)
