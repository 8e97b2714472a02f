"""Several readers of one stream on a real server."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from redis.asyncio import Redis

from callbacks import stream_reader
from callbacks.stream_reader import CLAIM_AFTER_MS, StreamReader
from callbacks.streams import BODY, REPORTS, VERSION, fields_of, pack, pack_requests
from times_dispatch.ledger.reports.posted_requests import PostedRequest, pack_request

STREAM, GROUP = "some-stream", "readers"


def waiting(ms: int) -> Callable[[int], int]:
    return lambda _: ms


async def add(redis: Redis, *payloads: bytes) -> None:
    for payload in payloads:
        await redis.xadd(STREAM, {BODY: payload})


def reader(redis: Redis, name: str) -> StreamReader:
    return StreamReader(redis, STREAM, GROUP, name)


async def read(from_: StreamReader, count: int = 10) -> list[bytes]:
    """Read payloads; the very first read creates the consumer group and returns nothing."""
    for _ in range(2):
        if entries := await from_.read(count, block_ms=1):
            return [entry.payload for entry in entries]
    return []


async def test_readers_share_what_was_there_before_the_group(redis: Redis) -> None:
    await add(redis, b"1", b"2", b"3")
    ann, bob = reader(redis, "ann"), reader(redis, "bob")
    assert await read(ann, 2) == [b"1", b"2"]
    assert await read(bob) == [b"3"]
    assert await read(ann) == []


async def test_a_read_waits_for_the_first_entry(redis: Redis) -> None:
    ann = reader(redis, "ann")
    await read(ann)
    waiting_read = asyncio.create_task(ann.read(10, block_ms=3000))
    await add(redis, b"late")
    assert [entry.payload for entry in await waiting_read] == [b"late"]


async def test_a_finished_entry_is_held_by_nobody_and_deleted(redis: Redis) -> None:
    await add(redis, b"1", b"2")
    ann = reader(redis, "ann")
    await read(ann, 1)
    (entry,) = await ann.claim(10, waiting(0))
    await ann.finish([entry.id])
    assert await ann.claim(10, waiting(0)) == []
    assert await redis.xlen(STREAM) == 1


async def test_a_dead_readers_entries_are_claimed_with_their_deliveries_counted(redis: Redis) -> None:
    await add(redis, b"1", b"2")
    await read(reader(redis, "dead"))
    heirs = [reader(redis, name) for name in ("ann", "bob", "cid")]
    claimed = [await heir.claim(10, waiting(0)) for heir in heirs]
    assert [[entry.payload for entry in entries] for entries in claimed] == [[b"1", b"2"]] * 3
    assert [{entry.deliveries for entry in entries} for entries in claimed] == [{2}, {3}, {4}]


async def test_a_live_readers_entries_are_not_claimed(redis: Redis) -> None:
    await add(redis, b"1")
    await read(reader(redis, "ann"))
    assert await reader(redis, "bob").claim(10, waiting(60_000)) == []


async def test_of_two_that_claim_at_once_one_gets_it(redis: Redis) -> None:
    await add(redis, b"1")
    dead = reader(redis, "dead")
    await read(dead)
    (entry,) = await dead.claim(10, waiting(0))
    await dead.renew([entry.id], idle_ms=60_000)
    claims = await asyncio.gather(*(reader(redis, f"heir-{n}").claim(10, waiting(50_000)) for n in range(8)))
    assert sorted(map(len, claims)) == [0] * 7 + [1]


async def test_a_claim_finds_an_overdue_entry_behind_many_that_are_not(redis: Redis) -> None:
    await add(redis, *[b"patient"] * 1100, b"due")
    dead = reader(redis, "dead")
    await read(dead, 1100)
    await dead.claim(2000, waiting(0))  # delivered twice
    await read(dead)
    (entry,) = await reader(redis, "ann").claim(10, lambda deliveries: 0 if deliveries == 1 else 60_000)
    assert entry.payload == b"due"


async def test_an_entry_that_was_delivered_too_often_comes_alone_after_the_others(redis: Redis) -> None:
    await add(redis, b"suspect", b"another")
    dead = reader(redis, "dead")
    await read(dead)
    await dead.claim(10, waiting(0))
    await add(redis, b"1", b"2")
    await read(dead)
    ann = reader(redis, "ann")

    async def claimed() -> list[tuple[bytes, int]]:
        entries = await ann.claim(10, waiting(0), alone_after=2)
        return [(entry.payload, entry.deliveries) for entry in entries]

    assert await claimed() == [(b"1", 2), (b"2", 2)]
    assert await claimed() == [(b"suspect", 3)]
    assert await claimed() == [(b"suspect", 4)]


async def test_renewing_makes_entries_young_and_counts_no_delivery(redis: Redis) -> None:
    await add(redis, b"1")
    ann = reader(redis, "ann")
    await read(ann)
    (entry,) = await ann.claim(10, waiting(0))
    await ann.renew([entry.id], idle_ms=60_000)
    assert len(await redis.xpending_range(STREAM, GROUP, "-", "+", 10, idle=60_000)) == 1
    await ann.renew([entry.id])
    assert await reader(redis, "bob").claim(10, waiting(30_000)) == []
    (again,) = await reader(redis, "bob").claim(10, waiting(0))
    assert again.deliveries == entry.deliveries + 1


async def test_an_entry_that_was_deleted_while_held_is_no_obstacle(redis: Redis) -> None:
    await add(redis, b"1", b"2")
    await read(reader(redis, "dead"))
    await redis.xtrim(STREAM, maxlen=1, approximate=False)
    assert [entry.payload for entry in await reader(redis, "ann").claim(10, waiting(0))] == [b"2"]


async def test_a_flushed_server_gets_its_group_again(redis: Redis) -> None:
    ann = reader(redis, "ann")
    await read(ann)
    await redis.flushall()
    await add(redis, b"new")
    assert await ann.claim(10, waiting(0)) == []
    assert await read(ann) == [b"new"]
    await redis.flushall()
    await ann.finish([b"1-1"])
    await ann.release([b"1-1"])


async def test_a_reader_that_hands_back_stays_known_while_it_holds_something(redis: Redis) -> None:
    await add(redis, b"1")
    ann = reader(redis, "ann")
    await read(ann)
    (entry,) = await ann.claim(10, waiting(0))
    await ann.release([entry.id])
    (handed_back,) = await reader(redis, "bob").claim(10, waiting(15_000))
    assert handed_back.payload == b"1"
    await ann.release()
    assert [consumer["name"] for consumer in await redis.xinfo_consumers(STREAM, GROUP)] == [b"bob"]


async def test_the_names_of_readers_that_died_long_ago_leave_the_group_and_their_entries_do_not(redis: Redis) -> None:
    await add(redis, b"1")
    for name in ("ann", "bob", "cyd"):
        await read(reader(redis, name))
    eve = reader(redis, "eve")
    assert await eve.forget_dead(after_ms=60_000) == 0

    assert await eve.forget_dead(after_ms=0) == 2
    (kept,) = await redis.xinfo_consumers(STREAM, GROUP)
    assert (kept["name"], kept["pending"]) == (b"ann", 1)
    (entry,) = await eve.claim(10, waiting(0))
    assert entry.payload == b"1"


async def test_a_reader_forgets_the_dead_once_when_it_begins(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def note(self: StreamReader) -> int:
        asked.append(self.name)
        return 0

    await read(reader(redis, "ann"))
    monkeypatch.setattr(StreamReader, "forget_dead", note)
    bob = reader(redis, "bob")
    await read(bob)
    await read(bob)
    assert asked == ["bob"]


async def test_an_entry_without_a_hidden_number_is_not_copied(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hide(contents: Sequence[bytes]) -> list[bytes]:
        return list(contents)

    payload, request = pack([b"[1]"]), pack_requests([pack_request(PostedRequest("PUT"))])
    reader = StreamReader(redis, REPORTS, "group", hide=hide)
    await reader.read(1, block_ms=1)
    await redis.xadd(REPORTS, fields_of(payload, b"", request=request))
    monkeypatch.setattr(stream_reader, "pack", None)  # a copy of each entry would take twice the memory
    (entry,) = await reader.read(1, block_ms=1)
    assert (entry.payload, entry.request) == (payload, request)


async def test_entries_of_a_newer_version_are_left_to_newer_readers_as_if_they_were_never_delivered(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(redis, b"1")
    await redis.xadd(STREAM, {BODY: b"newer", VERSION: b"2"})
    await add(redis, b"3")
    old = reader(redis, "old")
    assert await read(old) == [b"1", b"3"]
    for _ in range(20):  # an entry with so many deliveries would be given up
        assert [entry.payload for entry in await old.claim(10, waiting(CLAIM_AFTER_MS))] == []
        other = reader(redis, "other old")
        assert [entry.payload for entry in await other.claim(10, waiting(CLAIM_AFTER_MS))] == []
    monkeypatch.setattr(stream_reader, "is_known", lambda _: True)
    (entry,) = await reader(redis, "new").claim(10, waiting(CLAIM_AFTER_MS))
    assert (entry.payload, entry.deliveries) == (b"newer", 1)


async def test_entries_of_a_newer_version_do_not_keep_a_reader_from_the_entries_of_dead_readers(redis: Redis) -> None:
    for number in range(5):
        await redis.xadd(STREAM, {BODY: str(number).encode(), VERSION: b"2"})
    await add(redis, b"ours")
    dead, old = reader(redis, "dead"), reader(redis, "old")
    await read(dead)
    claimed = [entry.payload for _ in range(3) for entry in await old.claim(2, waiting(0))]
    assert claimed == [b"ours"]
