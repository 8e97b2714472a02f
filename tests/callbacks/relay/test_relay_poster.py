from contextlib import suppress

import aiohttp
import pytest
from redis.asyncio import Redis

from callbacks.relay.bounded_connector import BoundedConnector
from callbacks.relay.relay_poster import PostResult, RelayPoster
from callbacks.relay.via import read_relay_id
from tests.kit.hostile_server import hostile_server
from tests.kit.mirror_host import MirrorHost
from tests.kit.scripted_server import ScriptedConnection, serving
from tests.kit.waiting import loop_turns

BODY = b'[{"event":"delivered","data":[{"ts":1,"meta":"m"}]}]'


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, PostResult.TAKEN),
        (204, PostResult.TAKEN),
        (302, PostResult.REFUSED),
        (400, PostResult.REFUSED),
        (404, PostResult.REFUSED),
        (408, PostResult.FAILED),
        (425, PostResult.FAILED),
        (429, PostResult.FAILED),
        (500, PostResult.FAILED),
        (503, PostResult.FAILED),
        (0, PostResult.FAILED),
        (-1, PostResult.FAILED),
    ],
)
async def test_the_answer_says_whether_a_body_was_taken(
    redis: Redis, mirror: MirrorHost, status: int, result: PostResult
) -> None:
    mirror.misbehave = lambda _: status
    async with RelayPoster(redis, mirror.url, timeout=aiohttp.ClientTimeout(total=0.2)) as poster:
        await poster.prepare()
        assert await poster.post(BODY) is result
    assert (poster.taken_at_s > 0) is (result is PostResult.TAKEN)


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000,
        b"\r\n" + b"x" * 100_000,
        b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 20_000,
    ],
    ids=["with a length", "without a length", "in chunks"],
)
async def test_of_a_long_answer_only_the_status_is_read(redis: Redis, body: bytes) -> None:
    with hostile_server(b"HTTP/1.1 200 OK\r\n" + body) as server:
        async with RelayPoster(redis, f"http://127.0.0.1:{server.port}/") as poster:
            await poster.prepare()
            assert [await poster.post(BODY) for _ in range(3)] == [PostResult.TAKEN] * 3


@pytest.mark.parametrize(
    ("chunks", "is_read"), [(2_000, True), (20_000, False)], ids=["a usual length", "more than is read"]
)
async def test_a_body_is_read_up_to_its_bound_and_its_status_always(chunks: int, *, is_read: bool) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def answer(connection: ScriptedConnection) -> None:
        await connection.request()
        with suppress(ConnectionError):  # the client closes the connection at its bound
            await connection.write(head + b"1\r\nx\r\n" * chunks + b"0\r\n\r\n")

    async with (
        serving(answer) as server,
        aiohttp.ClientSession(connector=BoundedConnector()) as session,
        session.get(server.url) as response,
    ):
        assert response.status == 200
        if is_read:
            assert await response.read() == b"x" * chunks
        else:
            with pytest.raises(aiohttp.ClientError):
                await response.read()


async def test_an_answer_in_many_small_pieces_is_read(redis: Redis) -> None:
    async def answer(connection: ScriptedConnection) -> None:
        while True:
            await connection.request()
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok":
                await connection.write(bytes([byte]))
                await loop_turns()

    async with serving(answer) as server, RelayPoster(redis, server.url) as poster:
        await poster.prepare()
        assert [await poster.post(BODY) for _ in range(3)] == [PostResult.TAKEN] * 3


async def test_a_host_that_is_away_is_no_error(redis: Redis) -> None:
    async with RelayPoster(redis, "http://127.0.0.1:9/") as poster:
        await poster.prepare()
        assert await poster.post(BODY) is PostResult.FAILED


async def test_a_post_names_all_relays_that_the_body_came_by(redis: Redis, mirror: MirrorHost) -> None:
    async with RelayPoster(redis, mirror.url) as poster:
        await poster.prepare()
        await poster.post(BODY)
        await poster.post(BODY, via=b"times-dispatch-00000000000000aa times-dispatch-00000000000000bb")
    name = await read_relay_id(redis)
    others = "1.1 times-dispatch-00000000000000aa, 1.1 times-dispatch-00000000000000bb"
    assert [headers["via"] for headers in mirror.headers] == [f"1.1 {name}", f"{others}, 1.1 {name}"]


@pytest.mark.parametrize(
    "via", [b"a\r\nX-Other: 1", b"\xff\x00", b"x" * 1_000_000, b"times-dispatch-00000000000000aa " * 900]
)
async def test_entries_that_other_users_of_redis_wrote_add_no_header_and_stop_no_relay(
    redis: Redis, mirror: MirrorHost, via: bytes
) -> None:
    async with RelayPoster(redis, mirror.url) as poster:
        await poster.prepare()
        assert await poster.post(BODY, via=via) is PostResult.TAKEN
    (headers,) = mirror.headers
    assert "x-other" not in headers
    assert len(headers["via"]) < 100
