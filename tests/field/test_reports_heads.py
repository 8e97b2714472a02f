"""Heads of requests in the forms of old and self-made gateways, over a real socket."""

import asyncio

import httpx
import pytest
from redis.asyncio import Redis

from tests.kit.callbacks import ID_KEY, posted, row, stored
from tests.kit.receiver import PATH, receiving
from tests.kit.waiting import loop_turns
from times_dispatch.provider.correlation_ids import CorrelationIds

BODY = posted("delivered", row(CorrelationIds(ID_KEY.encode()).make("abcdefgh", 7)))
LENGTH = b"Content-Length: %d" % len(BODY)


async def status(client: httpx.AsyncClient, request: bytes) -> int:
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(request)
    line = await asyncio.wait_for(reader.readline(), 30)
    writer.close()
    return int(line.split()[1])


@pytest.mark.parametrize(
    "request_",
    [
        f"POST {PATH} HTTP/1.1\nHost: a\n".encode() + LENGTH + b"\n\n" + BODY,
        f"POST {PATH} HTTP/1.1\r\nHost: a\n".encode() + LENGTH + b"\r\n\n" + BODY,
        f"POST {PATH} HTTP/1.1\nTransfer-Encoding: chunked\n\n".encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
        f"POST {PATH} HTTP/1.1\nUpgrade: h2c\nConnection: upgrade\n".encode() + LENGTH + b"\n\n" + BODY,
    ],
)
async def test_a_head_with_bare_line_feeds_is_read(redis: Redis, request_: bytes) -> None:
    async with receiving(redis) as client:
        assert await status(client, request_) == 200
    assert await stored(redis) == [BODY]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET /unknown HTTP/1.0\n\n"],
        [b"GET /unknown HTTP/1.0\n", b"\n"],
        [b"GET /unknown HTTP/1.0", b"\n\n"],
        [b"GET /unknown HTTP/1.0\r\n", b"\r\n"],
        [b"\n\n", b"GET /unknown HTTP/1.0\n\n"],
        [b"GET /unknown HTTP/1.0\n", b"Host: a\n", b"\n"],
    ],
)
async def test_a_head_without_fields_is_read_at_its_end(redis: Redis, pieces: list[bytes]) -> None:
    async with receiving(redis) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        for piece in pieces:
            writer.write(piece)
            await loop_turns()  # so that each piece is read separately
        assert (await asyncio.wait_for(reader.readline(), 5)).split()[1] == b"404"
        writer.close()


@pytest.mark.parametrize("end", [b"\n\r", b"\r\r"])
async def test_a_head_without_fields_has_no_other_end(redis: Redis, end: bytes) -> None:
    async with receiving(redis) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(b"GET /unknown HTTP/1.0" + end)
        reading = asyncio.create_task(reader.readline())
        await loop_turns(50)
        assert not reading.done()
        reading.cancel()
        writer.close()


@pytest.mark.parametrize(
    "fields",
    [
        b"A: b\r\n c\r\n" + LENGTH,
        LENGTH.replace(b":", b" :"),
        b"A: b\r" + LENGTH,
        b"A: b\0\n" + LENGTH,
        LENGTH + b"\nContent-Length: 3",
        b"Transfer-Encoding: chunked\n" + LENGTH,
    ],
)
async def test_a_head_that_may_hide_a_second_request_is_refused(redis: Redis, fields: bytes) -> None:
    async with receiving(redis) as client:
        assert await status(client, f"POST {PATH} HTTP/1.1\nHost: a\n".encode() + fields + b"\n\n" + BODY) == 400
    assert await stored(redis) == []


async def test_a_carriage_return_alone_does_not_end_a_head(redis: Redis) -> None:
    request = f"POST {PATH} HTTP/1.1\r\nHost: a\r\n".encode() + LENGTH + b"\r\n\r" + BODY
    async with receiving(redis) as client:
        assert await status(client, request) == 400
    assert await stored(redis) == []
