"""Rows that could not be used: they are kept, counted and replayed."""

from typing import Any, cast

import pytest
from redis.asyncio import Redis

from callbacks.dead_letters import DeadLetter, DeadLetterLimits, DeadLetterReason, DeadLetters
from callbacks.request_body import MAX_BODY_BYTES
from callbacks.streams import BODY, DEAD_LETTER_TOTALS, DEAD_LETTERS, FOREIGN_DEAD_LETTERS, VERSION
from tests.kit.callbacks import stored

LIMITS = DeadLetterLimits()


async def test_rows_are_listed_with_reason_and_bytes(redis: Redis) -> None:
    dead_letters = DeadLetters(redis)
    missing = "fields are missing"
    await dead_letters.add(
        [DeadLetter(DeadLetterReason.UNUSABLE, b"1", missing), DeadLetter(DeadLetterReason.UNKNOWN, b"2")]
    )
    kept = await dead_letters.oldest()
    assert [(row.reason, row.body, row.detail) for row in kept] == [
        (DeadLetterReason.UNUSABLE, b"1", missing),
        (DeadLetterReason.UNKNOWN, b"2", ""),
    ]
    assert kept[0].at_ms > 1_700_000_000_000
    assert [row.body for row in await dead_letters.oldest(reason=DeadLetterReason.UNKNOWN)] == [b"2"]
    assert [row.body for row in await dead_letters.oldest(limit=1)] == [b"1"]


async def test_rows_are_counted_by_reason_now_and_ever(redis: Redis) -> None:
    dead_letters = DeadLetters(redis)
    await dead_letters.add(
        [
            DeadLetter(DeadLetterReason.NOT_OURS, b"1"),
            DeadLetter(DeadLetterReason.NOT_OURS, b"2"),
            DeadLetter(DeadLetterReason.NOT_APPLIED, b"3"),
        ]
    )
    await dead_letters.replay(reason=DeadLetterReason.NOT_OURS)
    assert await dead_letters.count() == {DeadLetterReason.NOT_APPLIED: 1}
    assert await dead_letters.totals() == {DeadLetterReason.NOT_OURS: 2, DeadLetterReason.NOT_APPLIED: 1}


async def test_reasons_are_counted_in_one_order(redis: Redis) -> None:
    dead_letters, reasons = DeadLetters(redis), sorted(DeadLetterReason, reverse=True)
    await dead_letters.add([DeadLetter(reason, b"1") for reason in reasons])
    assert list(await dead_letters.totals()) == list(await dead_letters.count()) == sorted(reasons)


@pytest.mark.parametrize("reason", DeadLetterReason)
def test_each_reason_has_a_text_for_people_that_is_read_as_well(reason: DeadLetterReason) -> None:
    assert reason.text
    assert DeadLetterReason(reason.text) is reason


def test_a_text_that_is_no_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="bored"):
        DeadLetterReason("bored")


async def test_dead_letters_that_were_stored_with_texts_as_their_reasons_are_read(redis: Redis) -> None:
    for reason in ("could not be applied", "fields are missing"):
        await redis.xadd(DEAD_LETTERS, {"reason": reason, "b": b"1"})
        await redis.hincrby(DEAD_LETTER_TOTALS, reason, 1)
    await redis.hincrby(DEAD_LETTER_TOTALS, "not_applied", 2)
    dead_letters = DeadLetters(redis)
    assert [(row.reason, row.detail) for row in await dead_letters.oldest()] == [
        (DeadLetterReason.NOT_APPLIED, ""),
        (DeadLetterReason.UNUSABLE, "fields are missing"),
    ]
    assert await dead_letters.totals() == {DeadLetterReason.NOT_APPLIED: 3, DeadLetterReason.UNUSABLE: 1}


async def test_a_replay_moves_every_row_back_once(redis: Redis) -> None:
    dead_letters = DeadLetters(redis, limits=DeadLetterLimits(page=3))
    await dead_letters.add(
        [DeadLetter(DeadLetterReason.FORGED if n % 2 else DeadLetterReason.UNKNOWN, b"%d" % n) for n in range(12)]
    )
    assert await dead_letters.replay() == 12
    assert sorted(await stored(redis), key=int) == [b"%d" % n for n in range(12)]
    assert await dead_letters.count() == {}
    assert await dead_letters.replay() == 0


async def test_a_replay_leaves_rows_of_a_newer_version(redis: Redis) -> None:
    dead_letters = DeadLetters(redis)
    await dead_letters.add([DeadLetter(DeadLetterReason.UNKNOWN, b"1")])
    await redis.xadd(DEAD_LETTERS, {"reason": DeadLetterReason.UNKNOWN.value, BODY: b"newer", VERSION: b"2"})
    assert await dead_letters.replay() == 1
    assert await stored(redis) == [b"1"]
    assert [(row.body, row.is_newer) for row in await dead_letters.oldest()] == [(b"newer", True)]


async def test_a_replay_of_one_reason_leaves_the_others(redis: Redis) -> None:
    dead_letters = DeadLetters(redis)
    await dead_letters.add(
        [
            DeadLetter(DeadLetterReason.UNKNOWN, b"1"),
            DeadLetter(DeadLetterReason.NOT_APPLIED, b"2"),
            DeadLetter(DeadLetterReason.UNKNOWN, b"3"),
        ]
    )
    assert await dead_letters.replay(reason=DeadLetterReason.UNKNOWN) == 2
    assert await stored(redis) == [b"1", b"3"]
    assert [row.body for row in await dead_letters.oldest()] == [b"2"]


async def test_the_longest_row_is_kept_and_one_byte_more_leaves_only_its_reason(redis: Redis) -> None:
    dead_letters = DeadLetters(redis)
    await dead_letters.add(
        [
            DeadLetter(DeadLetterReason.NOT_APPLIED, b"x" * LIMITS.max_row_bytes),
            DeadLetter(DeadLetterReason.NOT_APPLIED, b"x" * (LIMITS.max_row_bytes + 1)),
        ]
    )
    kept = await dead_letters.oldest()
    assert sorted((len(row.body), row.too_long) for row in kept) == [
        (0, LIMITS.max_row_bytes + 1),
        (LIMITS.max_row_bytes, 0),
    ]
    assert await dead_letters.replay() == 1
    assert [row.too_long for row in await dead_letters.oldest()] == [LIMITS.max_row_bytes + 1]


async def test_whatever_the_receiver_accepts_is_kept_whole(redis: Redis) -> None:
    dead_letters = DeadLetters(redis)
    await dead_letters.add([DeadLetter(DeadLetterReason.NOT_APPLIED, b"x" * MAX_BODY_BYTES)])
    assert [len(row.body) for row in await dead_letters.oldest()] == [MAX_BODY_BYTES]


async def test_long_rows_are_few_and_push_no_short_one_out(redis: Redis) -> None:
    dead_letters = DeadLetters(redis, limits=DeadLetterLimits(max_long_rows=3))
    await dead_letters.add([DeadLetter(DeadLetterReason.NOT_APPLIED, b"x" * LIMITS.long_bytes)])
    await dead_letters.add(
        [DeadLetter(DeadLetterReason.NOT_APPLIED, b"%d" % n + b"x" * LIMITS.long_bytes) for n in range(5)]
    )
    await dead_letters.add([DeadLetter(DeadLetterReason.RELAY_FULL, b"x" * (LIMITS.long_bytes + 1))] * 5)
    kept = await dead_letters.oldest(reason=DeadLetterReason.NOT_APPLIED)
    assert sorted(row.body[:1] for row in kept) == [b"2", b"3", b"4", b"x"]
    assert await dead_letters.count() == {DeadLetterReason.NOT_APPLIED: 4, DeadLetterReason.RELAY_FULL: 3}
    assert await dead_letters.totals() == {DeadLetterReason.NOT_APPLIED: 6, DeadLetterReason.RELAY_FULL: 5}


async def _next_millisecond(redis: Redis) -> None:
    """Return when Redis' clock shows another millisecond: rows of two streams are listed by the time of their ids."""
    seconds, microseconds = await redis.time()
    while await redis.time() < (seconds, microseconds + 1_000):
        pass


async def test_long_and_short_rows_are_listed_oldest_first(redis: Redis) -> None:
    dead_letters = DeadLetters(redis)
    lengths = [LIMITS.long_bytes + 1, 1, LIMITS.long_bytes + 2, 2, LIMITS.long_bytes + 3]
    for length in lengths:
        await dead_letters.add(
            [DeadLetter(DeadLetterReason.NOT_OURS if length == 1 else DeadLetterReason.NOT_APPLIED, b"x" * length)]
        )
        await _next_millisecond(redis)
    assert [len(row.body) for row in await dead_letters.oldest()] == lengths
    assert [len(row.body) for row in await dead_letters.oldest(limit=3)] == lengths[:3]
    assert await dead_letters.replay() == 5
    assert sorted(len(body) for body in await stored(redis)) == sorted(lengths)


async def test_a_flood_of_foreign_rows_is_bounded_and_pushes_no_other_row_out(redis: Redis) -> None:
    dead_letters = DeadLetters(redis, limits=DeadLetterLimits(max_rows=100))
    await dead_letters.add([DeadLetter(DeadLetterReason.UNKNOWN, b"precious")])
    await dead_letters.add([DeadLetter(DeadLetterReason.NOT_OURS, b"theirs")] * 1000)
    assert await redis.xlen(FOREIGN_DEAD_LETTERS) < 300
    assert await redis.xlen(DEAD_LETTERS) == 1
    assert (await dead_letters.totals())[DeadLetterReason.NOT_OURS] == 1000


async def test_the_oldest_rows_are_deleted_when_a_stream_takes_too_many_bytes(redis: Redis) -> None:
    dead_letters = DeadLetters(redis, limits=DeadLetterLimits(max_bytes=100_000))
    for number in range(40):
        rows = [DeadLetter(DeadLetterReason.UNKNOWN, b"%d:%d " % (number, at) + 500 * b"x") for at in range(20)]
        await dead_letters.add(rows)
        assert int(await redis.memory_usage("reports:rejected") or 0) < 120_000
    kept = await dead_letters.oldest(limit=1_000)
    assert 50 < len(kept) < 300
    assert kept[-1].body.startswith(b"39:19 ")
    assert await dead_letters.totals() == {DeadLetterReason.UNKNOWN: 800}


async def test_entries_that_the_receivers_user_in_redis_may_write_keep_nobody_from_the_others(redis: Redis) -> None:
    """An entry with any fields in any encoding is listed or counted, and a copy that cannot be read stays."""
    letters = DeadLetters(redis)
    refused = DeadLetterReason.FORWARD_REFUSED.value
    for fields in (
        {"reason": b"\xff", "body": b"\xff", "detail": b"\xed"},
        {"reason": refused, "body": b"["},
        {"reason": refused, "body": b'[{"event":"x","data":[{"meta":"\xff"}]}]'},
        {"reason": refused, "body": b"[" * 100_000},
        {"reason": "unreadable", "body": b"", "too_long_bytes": "9" * 5_000},
        {"x": "y"},
    ):
        await redis.xadd(DEAD_LETTERS, cast("Any", fields))
    await redis.hincrby(DEAD_LETTER_TOTALS, cast("Any", b"\xff"), 3)
    listed = await letters.oldest()
    totals = await letters.totals()
    replayed = await letters.replay(reason=DeadLetterReason.FORWARD_REFUSED)
    print(f"{len(listed)} listed, {sum(totals.values())} counted, {replayed} replayed")  # noqa: T201  # the figure
    assert (len(listed), sum(totals.values()), replayed) == (6, 3, 0)
    assert len(await letters.oldest()) == 6
