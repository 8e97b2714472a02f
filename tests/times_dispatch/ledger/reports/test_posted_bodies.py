import gzip
import tracemalloc
from typing import Any

import pytest
from redis.asyncio import Redis

from callbacks.stream_reader import StreamReader
from callbacks.streams import BODY, FROM_LINKS, VIA, fields_of, pack, unpack
from times_dispatch.ledger.keys import RECONCILERS, RELAY, RELAYS, REPORTS
from times_dispatch.ledger.reports.posted_bodies import PostedBodies
from times_dispatch.ledger.reports.posted_requests import REQUEST, PostedRequest, pack_request

NUMBER = "919876543210"
NAMING, OTHER = b'[{"from":"9876543210"}]', b'[{"from":"9876543211"}]'
HIDDEN = b'[{"from":"1000000000"}]'


async def test_entries_that_wait_lose_the_number_and_keep_their_other_fields(redis: Redis) -> None:
    bodies = PostedBodies(redis)
    await redis.xadd(REPORTS, fields_of(pack([OTHER, NAMING]), b"1.1 x", from_links=True))
    await redis.xadd(REPORTS, fields_of(pack([OTHER]), b""))
    await redis.xadd(RELAY, fields_of(NAMING, b"1.1 y"))
    assert await bodies.with_number(NUMBER) == [pack([OTHER, NAMING]), NAMING]
    assert await bodies.hide(NUMBER) == (2, 0)
    entries: Any = await redis.xrange(REPORTS)
    (_, other), (_, changed) = entries
    assert unpack(other[BODY]) == [OTHER]
    assert (unpack(changed[BODY]), changed[VIA], changed[FROM_LINKS]) == ([OTHER, HIDDEN], b"1.1 x", b"1")
    relays: Any = await redis.xrange(RELAY)
    ((_, relayed),) = relays
    assert relayed == {BODY: HIDDEN, VIA: b"1.1 y"}
    assert await bodies.hide(NUMBER) == (0, 0)


async def test_requests_with_the_number_are_deleted_and_the_others_stay(redis: Redis) -> None:
    naming, other = (
        pack_request(PostedRequest("POST", content_encoding="gzip", body=gzip.compress(body)))
        for body in (b"to=9876543210", b"to=9876543211")
    )
    requests = pack([other, naming, other])
    await redis.xadd(REPORTS, fields_of(pack([OTHER, OTHER, NAMING]), b"", request=requests))
    await redis.xadd(RELAY, fields_of(OTHER, b"1.1 y", request=naming))
    await redis.xadd(RELAY, fields_of(OTHER, b"1.1 y", request=other))
    assert await PostedBodies(redis).hide(NUMBER) == (2, 0)
    entries: Any = await redis.xrange(REPORTS)
    assert [(unpack(fields[BODY]), unpack(fields[REQUEST])) for _, fields in entries] == [
        ([OTHER, OTHER, HIDDEN], [other, b"", b""])
    ]
    relays: Any = await redis.xrange(RELAY)
    assert [fields for _, fields in relays] == [
        {BODY: OTHER, VIA: b"1.1 y", REQUEST: other},
        {BODY: OTHER, VIA: b"1.1 y"},
    ]
    assert await PostedBodies(redis).hide(NUMBER) == (0, 0)


@pytest.mark.parametrize(("stream", "group", "outcome"), [(REPORTS, RECONCILERS, (0, 1)), (RELAY, RELAYS, (1, 0))])
async def test_an_entry_that_a_reconciler_holds_stays_and_one_that_is_relayed_is_replaced(
    redis: Redis, stream: str, group: str, outcome: tuple[int, int]
) -> None:
    reader = StreamReader(redis, stream, group)
    assert await reader.read(1, block_ms=1) == []  # creates the consumer group
    await redis.xadd(stream, fields_of(pack([NAMING]), b""))
    [held] = await reader.read(1, block_ms=1)
    assert await PostedBodies(redis).hide(NUMBER) == outcome
    await reader.finish([held.id])  # the reader continues with its own copy of the entry
    left = await reader.read(10, block_ms=1)
    assert [unpack(entry.payload) for entry in left] == [[HIDDEN]] * outcome[0]


async def test_long_bodies_are_read_in_pages_of_bounded_memory(redis: Redis) -> None:
    await redis.xadd(REPORTS, fields_of(pack([NAMING]), b""))
    for _ in range(60):
        await redis.xadd(REPORTS, fields_of(pack([b"x" * 1_000_000]), b""))
    await redis.xadd(REPORTS, fields_of(pack([NAMING]), b""))
    tracemalloc.start()
    try:
        assert await PostedBodies(redis).hide(NUMBER) == (2, 0)
        peak_mb = tracemalloc.get_traced_memory()[1] / 1_000_000
    finally:
        tracemalloc.stop()
    print(f"60 MB of reports: {peak_mb:.0f} MB at most")  # noqa: T201  # the figure
    assert peak_mb < 30


async def test_all_pages_of_a_long_stream_are_searched(redis: Redis) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for index in range(450):
            pipe.xadd(REPORTS, fields_of(pack([NAMING if index % 3 == 0 else OTHER]), b""))
        await pipe.execute()
    assert await PostedBodies(redis).hide(NUMBER) == (150, 0)
    assert await redis.xlen(REPORTS) == 450
    assert await PostedBodies(redis).with_number(NUMBER) == []
