"""A failover of Redis as clients see it: behind one address, the replica becomes the primary."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from times_dispatch.demo.redis_server import EmbeddedServer


class Failover:
    """A primary and its replica behind one address. Connections opened before ``happen`` stay with the old primary."""

    def __init__(self, primary: EmbeddedServer, replica: EmbeddedServer) -> None:
        self._primary = primary
        self._replica = replica
        self._target = primary.port
        self._open: set[asyncio.Task[None]] = set()
        self.url = ""

    async def happen(self) -> None:
        """Promote the replica, route new connections to it, and make the old primary its replica.

        The old primary accepts no writes after the replication offsets are compared, so that no write is lost.
        """
        async with Redis.from_url(self._primary.url) as old, Redis.from_url(self._replica.url) as new:
            async with asyncio.timeout(60):
                await old.client_pause(60_000, all=False)
                try:
                    written = (await old.info("replication"))["master_repl_offset"]
                    while (await new.info("replication"))["slave_repl_offset"] < written:
                        await asyncio.sleep(0.01)
                    await new.replicaof("NO", "ONE")
                    self._target = self._replica.port
                    await old.replicaof("127.0.0.1", str(self._replica.port))
                finally:
                    await old.client_unpause()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Failover"]:
        """Listen on the address inside the context."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        try:
            yield self
        finally:
            server.close()
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The task is made here, because asyncio logs the cancellation of a task that start_server made.
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(_pump(reader, to_server), _pump(from_server, writer))
        finally:
            to_server.close()
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    writer.close()


@asynccontextmanager
async def two_servers() -> AsyncIterator[Failover]:
    """Start a primary and a replica that has caught up, behind one address."""
    with EmbeddedServer() as primary, EmbeddedServer(options={"replicaof": f"127.0.0.1 {primary.port}"}) as replica:
        async with Redis.from_url(replica.url) as client, asyncio.timeout(60):
            while (await client.info("replication"))["master_link_status"] != "up":
                await asyncio.sleep(0.05)
        async with Failover(primary, replica).listening() as failover:
            yield failover
