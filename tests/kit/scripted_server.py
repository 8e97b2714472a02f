"""An HTTP server on a real socket that runs a test's script and stores every request that it has read."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

ACCEPTED = b'{"transactionId": 205538399, "state": "SUBMIT_ACCEPTED", "statusCode": 200, "description": "ok", "pdu": 1}'


@dataclass
class Received:
    """A request that was read completely."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    port: int
    scheme: str
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    read: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the first request has been read."""
    closed_by_client: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/ct/api/v1/message"


@dataclass
class ScriptedConnection:
    server: Server
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> Received:
        """Read one whole request; raise IncompleteReadError if the client has closed the connection."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        headers = {name: value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await self.reader.readexactly(int(headers.get("Content-Length", "0")))
        received = Received(head[0], headers, body)
        self.server.received.append(received)
        self.server.read.set()
        return received

    async def answer(self, body: bytes = ACCEPTED, *, status: str = "200 OK", headers: str = "") -> None:
        """Write a whole response; *headers* are complete header lines, each with its line end."""
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        await self.write(head.encode() + body)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def client_gone(self) -> None:
        """Wait until the client closes the connection."""
        while await self.reader.read(65_536):
            pass
        self.server.closed_by_client.set()

    def reset(self) -> None:
        """Close the connection with an RST."""
        sock: socket.socket = self.writer.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[ScriptedConnection], Awaitable[None]]


@asynccontextmanager
async def serving(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Serve connections: run *script* for each of them, and close the connection when the script ends."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.connections += 1
        server.open += 1
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await script(ScriptedConnection(server, reader, writer))
        finally:
            server.open -= 1
            tasks.discard(task)
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    server = Server(listener.sockets[0].getsockname()[1], "https" if tls else "http")
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def hold(connection: ScriptedConnection) -> None:
    """Read one request and do not answer the request."""
    await connection.request()
    await connection.client_gone()


async def accept_all(connection: ScriptedConnection) -> None:
    """Accept every push until the client closes the connection."""
    while True:
        await connection.request()
        await connection.answer()
