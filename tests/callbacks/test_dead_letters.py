"""What could not be used: kept, counted, tried again."""

import asyncio

import pytest
from redis.asyncio import Redis

from callbacks import dead_letters as set_aside
from callbacks.dead_letters import LONG, LONGEST_KEPT, DeadLetterRow, DeadLetters, Reason
from callbacks.request_body import LONGEST_BODY
from callbacks.streams import FOREIGN, REJECTED
from tests.callbacks.conftest import stored


async def test_rows_are_listed_with_reason_and_bytes(redis: Redis) -> None:
    aside = DeadLetters(redis)
    await aside.add([DeadLetterRow("fields are missing", b"1"), DeadLetterRow(Reason.UNKNOWN, b"2")])
    kept = await aside.kept()
    assert [(row.reason, row.body) for row in kept] == [("fields are missing", b"1"), (Reason.UNKNOWN, b"2")]
    assert kept[0].at_ms > 1_700_000_000_000
    assert [row.body for row in await aside.kept(reason=Reason.UNKNOWN)] == [b"2"]
    assert [row.body for row in await aside.kept(most=1)] == [b"1"]


async def test_rows_are_counted_by_reason_now_and_ever(redis: Redis) -> None:
    aside = DeadLetters(redis)
    await aside.add(
        [DeadLetterRow(Reason.NOT_OURS, b"1"), DeadLetterRow(Reason.NOT_OURS, b"2"), DeadLetterRow(Reason.POISON, b"3")]
    )
    await aside.replay(reason=Reason.NOT_OURS)
    assert await aside.count() == {Reason.POISON: 1}
    assert await aside.totals() == {Reason.NOT_OURS: 2, Reason.POISON: 1}


async def test_a_replay_moves_every_row_back_once(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_aside, "PAGE", 3)
    aside = DeadLetters(redis)
    await aside.add([DeadLetterRow(Reason.FORGED if n % 2 else Reason.UNKNOWN, b"%d" % n) for n in range(12)])
    assert await aside.replay() == 12
    assert sorted(await stored(redis), key=int) == [b"%d" % n for n in range(12)]
    assert await aside.count() == {}
    assert await aside.replay() == 0


async def test_a_replay_of_one_reason_leaves_the_others(redis: Redis) -> None:
    aside = DeadLetters(redis)
    await aside.add(
        [DeadLetterRow(Reason.UNKNOWN, b"1"), DeadLetterRow(Reason.POISON, b"2"), DeadLetterRow(Reason.UNKNOWN, b"3")]
    )
    assert await aside.replay(reason=Reason.UNKNOWN) == 2
    assert await stored(redis) == [b"1", b"3"]
    assert [row.body for row in await aside.kept()] == [b"2"]


async def test_the_longest_row_is_kept_and_one_byte_more_leaves_only_its_reason(redis: Redis) -> None:
    aside = DeadLetters(redis)
    await aside.add(
        [DeadLetterRow(Reason.POISON, b"x" * LONGEST_KEPT), DeadLetterRow(Reason.POISON, b"x" * (LONGEST_KEPT + 1))]
    )
    kept = await aside.kept()
    assert sorted((len(row.body), row.too_long) for row in kept) == [(0, LONGEST_KEPT + 1), (LONGEST_KEPT, 0)]
    assert await aside.replay() == 1
    assert [row.too_long for row in await aside.kept()] == [LONGEST_KEPT + 1]


async def test_whatever_the_receiver_takes_is_kept_whole(redis: Redis) -> None:
    aside = DeadLetters(redis)
    await aside.add([DeadLetterRow(Reason.POISON, b"x" * LONGEST_BODY)])
    assert [len(row.body) for row in await aside.kept()] == [LONGEST_BODY]


async def test_long_rows_are_few_and_push_no_short_one_out(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_aside, "MOST_LONG_KEPT", 3)
    aside = DeadLetters(redis)
    await aside.add([DeadLetterRow(Reason.POISON, b"x" * LONG)])
    await aside.add([DeadLetterRow(Reason.POISON, b"%d" % n + b"x" * LONG) for n in range(5)])
    await aside.add([DeadLetterRow(Reason.RELAY_FULL, b"x" * (LONG + 1))] * 5)
    kept = await aside.kept(reason=Reason.POISON)
    assert sorted(row.body[:1] for row in kept) == [b"2", b"3", b"4", b"x"]
    assert await aside.count() == {Reason.POISON: 4, Reason.RELAY_FULL: 3}
    assert await aside.totals() == {Reason.POISON: 6, Reason.RELAY_FULL: 5}


async def test_long_and_short_rows_are_listed_oldest_first(redis: Redis) -> None:
    aside = DeadLetters(redis)
    lengths = [LONG + 1, 1, LONG + 2, 2, LONG + 3]
    for length in lengths:
        await aside.add([DeadLetterRow(Reason.NOT_OURS if length == 1 else Reason.POISON, b"x" * length)])
        await asyncio.sleep(0.002)
    assert [len(row.body) for row in await aside.kept()] == lengths
    assert [len(row.body) for row in await aside.kept(most=3)] == lengths[:3]
    assert await aside.replay() == 5
    assert sorted(len(body) for body in await stored(redis)) == sorted(lengths)


async def test_a_flood_of_foreign_rows_is_bounded_and_pushes_no_other_row_out(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_aside, "MOST_KEPT", 100)
    aside = DeadLetters(redis)
    await aside.add([DeadLetterRow(Reason.UNKNOWN, b"precious")])
    await aside.add([DeadLetterRow(Reason.NOT_OURS, b"theirs")] * 1000)
    assert await redis.xlen(FOREIGN) < 300
    assert await redis.xlen(REJECTED) == 1
    assert (await aside.totals())[Reason.NOT_OURS] == 1000
