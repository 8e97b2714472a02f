"""A proxy that delays all data: ``python -m tests.hosts.slow_link PORT HOST PORT SECONDS``.

The proxy listens on 127.0.0.1. Each direction takes half of SECONDS. Pieces keep their order, and do not wait for each
other.
"""

import asyncio
import sys
from contextlib import suppress

_CHUNK = 1 << 16


async def serve(port: int, target: tuple[str, int], round_trip_s: float) -> None:
    """Accept connections until the process ends."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_target, to_target = await asyncio.open_connection(*target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_carry(reader, to_target, round_trip_s / 2), _carry(from_target, writer, round_trip_s / 2))

    async with await asyncio.start_server(accept, "127.0.0.1", port) as server:
        await server.serve_forever()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(due - loop.time())
            if not piece:
                writer.close()
                return
            with suppress(OSError):
                writer.write(piece)

    delivering = asyncio.create_task(deliver())
    with suppress(OSError):
        while piece := await reader.read(_CHUNK):
            pieces.put_nowait((loop.time() + delay_s, piece))
    pieces.put_nowait((loop.time() + delay_s, b""))
    await delivering


if __name__ == "__main__":
    listen, host, target_port, seconds = sys.argv[1:]
    asyncio.run(serve(int(listen), (host, int(target_port)), float(seconds)))
