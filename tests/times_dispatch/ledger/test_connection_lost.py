"""A lost connection raises a Redis error, never an error of the event loop, and no cancellation of a call is lost."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop
from redis.asyncio import Redis
from redis.exceptions import RedisError

from times_dispatch.ledger.connection import connect

GREETING = 3
"""The number of replies that a client waits for: to HELLO, to SELECT, and to the client's first command."""
AT_ONCE = struct.pack("ii", 1, 0)
"""The value of ``SO_LINGER`` with which the end of a connection is a reset."""


@asynccontextmanager
async def _dropping(port: int, drops: Callable[[int], bool], *, resets: bool = False) -> AsyncIterator[int]:
    """Serve a proxy to *port*, which drops a connection before reply n if ``drops(n)`` is true; yield its own port.

    With *resets*, the proxy resets the connection right after that reply instead.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: bool) -> None:
        number = 0
        with suppress(OSError):
            while data := await reader.read(65_536):
                if count and drops(number):
                    if resets:
                        writer.write(data)
                        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                    break
                number += 1
                writer.write(data)
        writer.transport.abort()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        for pair in ((reader, up_writer, False), (up_reader, writer, True)):
            task = asyncio.create_task(pump(*pair))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            task.add_done_callback(lambda _: writer.transport.abort())
            task.add_done_callback(lambda _: up_writer.transport.abort())

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()


def _on_uvloop(main: Callable[[], object]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())  # type: ignore[arg-type]


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("at", range(GREETING))
def test_a_connection_dropped_at_any_step_of_the_greeting_is_a_redis_error(
    redis_url: str, at: int, resets: bool
) -> None:
    async def main() -> None:
        port = int(redis_url.rpartition(":")[2].partition("/")[0])
        async with _dropping(port, lambda number: number >= at, resets=resets) as proxy:
            for _ in range(25):
                async with connect(f"redis://127.0.0.1:{proxy}/1", retries=0, socket_timeout_s=1) as redis:
                    ends = await asyncio.gather(*(redis.incr("n") for _ in range(4)), return_exceptions=True)
                    assert all(isinstance(end, RedisError | int) for end in ends), ends

    _on_uvloop(main)


def test_a_cancellation_inside_of_a_call_is_never_swallowed(redis_url: str) -> None:
    async def call_for_ever(redis: Redis) -> None:
        while True:
            with suppress(RedisError):
                await redis.incr("n")

    async def main() -> None:
        async with connect(redis_url) as redis:
            for turns in range(1_500):
                task = asyncio.create_task(call_for_ever(redis))
                for _ in range(turns % 37):
                    await asyncio.sleep(0)
                task.cancel()
                ended, _ = await asyncio.wait({task}, timeout=20)
                assert ended, f"the task goes on after its cancellation, {turns % 37} turns of the loop after its start"

    _on_uvloop(main)
