"""The contents of an entry of a stream, and the errors of pipelines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import DecodeError
from redis import exceptions
from redis.asyncio import Redis

from callbacks.streams import (
    BODY,
    VERSION,
    MeasuredStream,
    fields_of,
    is_known,
    pack,
    raise_first,
    store_one_by_one,
    unpack,
)
from tests.kit.callbacks import payloads
from tests.kit.clock import FakeClock


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_bodies_come_out_of_an_entry_as_they_went_in(bodies: list[bytes]) -> None:
    assert unpack(pack(bodies)) == bodies


@pytest.mark.parametrize("payload", [b"", b"[]", b"\xc1", pack([b"a", b"b"])[:-1]])
def test_a_payload_that_nobody_packed_is_refused(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        unpack(payload)


async def test_bodies_are_stored_one_by_one_in_their_order(redis: Redis) -> None:
    await store_one_by_one(redis, [b"1", b"2"], [b"", b""])
    assert [unpack(payload) for payload in await payloads(redis, "reports")] == [[b"1"], [b"2"]]


async def test_an_error_in_a_pipeline_does_not_quote_the_command(redis: Redis) -> None:
    await redis.set("text", "x")
    async with redis.pipeline(transaction=False) as pipe:
        pipe.xadd("text", {BODY: b"what somebody wrote"})
        replies = await pipe.execute(raise_on_error=False)
    with pytest.raises(exceptions.ResponseError) as raised:
        raise_first(replies)
    assert "somebody" not in str(raised.value)


def test_the_entries_of_this_version_carry_no_version_and_can_be_read() -> None:
    fields = fields_of(b"body", b"via", from_links=True, request=b"request")
    assert VERSION not in fields
    assert is_known(fields)
    assert is_known({BODY: b"body", VERSION: b"1"})


@pytest.mark.parametrize("version", [b"2", b"10", b"", b"new"])
def test_any_other_version_is_not_read(version: bytes) -> None:
    assert not is_known({BODY: b"body", VERSION: version})


async def test_a_stream_with_many_entries_is_measured_from_time_to_time(
    redis: Redis,
) -> None:
    clock = FakeClock()
    stream = MeasuredStream(redis, "s", few_entries=1, measure_every_s=5, clock=clock)

    async def has_room(added: int, entries: int) -> bool:
        return await stream.has_room(added, entries=entries, max_bytes=200_000)

    assert await has_room(200_000, 0)
    # Redis may round the memory of an entry up by some ten per cent.
    await redis.xadd("s", {BODY: b"x" * 50_000})
    assert (await has_room(138_000, 1), await has_room(151_000, 1)) == (True, False)
    await redis.xadd("s", {BODY: b"x" * 100_000})
    stream.add(7_000)
    assert (await has_room(132_000, 2), await has_room(144_000, 2)) == (True, False)
    await clock.advance(4)
    assert await has_room(132_000, 2)
    await clock.advance(1)
    assert not await has_room(50_000, 2)


async def test_a_stream_that_seems_to_be_full_is_measured_each_second(redis: Redis) -> None:
    clock = FakeClock()
    stream = MeasuredStream(redis, "s", few_entries=1, measure_every_s=5, clock=clock)
    assert await stream.has_room(1, entries=2, max_bytes=200_000)
    stream.add(300_000)  # the entries left the stream since
    assert not await stream.has_room(1, entries=2, max_bytes=200_000)
    await clock.advance(1)
    assert await stream.has_room(1, entries=2, max_bytes=200_000)
