"""A wire between a process and Redis, which can be slow or cut: a proxy on 127.0.0.1 in its own process.

``python -m tests.chaos.wire`` prints its port and reads one ``WireState`` for each line of its standard input. It
prints an empty line when the state is in force. It ends when its standard input ends.
"""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from times_dispatch.demo.processes import clean_environment

_CHUNK = 1 << 16
_STOP_TIMEOUT_S = 5.0


class WireState(msgspec.Struct, frozen=True):
    """The present behaviour of a wire."""

    target: int
    """The port to which new connections lead."""
    delay_s: float = 0.0
    """How long the wire delays each piece of an answer, in seconds."""
    is_silent: bool = False
    """Whether all data is lost in both directions without an error, as in a network partition."""
    hangs_up: bool = False
    """Whether all open connections are closed once, when this state takes effect."""


class Wire:
    """The handle of a wire."""

    def __init__(self) -> None:
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._state = WireState(0)

    def start(self, target: int) -> None:
        """Start the process; connections lead to the port *target*."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.wire"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**clean_environment(), "PYTHONPATH": str(Path(__file__).parents[2])},
            start_new_session=True,
        )
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())
        self.change(target=target)

    def change(
        self,
        *,
        target: int | None = None,
        delay_s: float | None = None,
        is_silent: bool | None = None,
        hangs_up: bool = False,
    ) -> None:
        """Change the given fields of the ``WireState``, and return when the change is in force."""
        self._state = WireState(
            target=self._state.target if target is None else target,
            delay_s=self._state.delay_s if delay_s is None else delay_s,
            is_silent=self._state.is_silent if is_silent is None else is_silent,
            hangs_up=hangs_up,
        )
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(msgspec.json.encode(self._state) + b"\n")
        self._process.stdin.flush()
        self._process.stdout.readline()

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.communicate(timeout=_STOP_TIMEOUT_S)


class _Proxy:
    """The proxy in the process of the wire; it forwards bytes according to the state."""

    def __init__(self) -> None:
        self.state = WireState(0)
        self._changed = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()

    def change(self, state: WireState) -> None:
        self.state = state
        self._changed.set()
        self._changed = asyncio.Event()
        if state.hangs_up:
            for connection in self._connections:
                connection.cancel()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # Closing the connections cancels the task. asyncio would log the end of a task that stays cancelled.
        with suppress(OSError, asyncio.CancelledError):
            await self._connect(reader, writer)
        writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._wait_while_silent()
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self.state.target)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(reader, to_server, self._wait_while_silent))
                both.create_task(self._pass_on_late(from_server, writer))
        except* OSError:
            pass
        finally:
            to_server.close()

    async def _wait_while_silent(self) -> None:
        while self.state.is_silent:
            await self._changed.wait()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, before: Callable[[], Awaitable[None]]
    ) -> None:
        while chunk := await reader.read(_CHUNK):
            await before()
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError

    async def _pass_on_late(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward each piece after the delay, which begins for each piece at its own arrival."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def write() -> None:
            while True:
                arrived, piece = await pieces.get()
                await asyncio.sleep(max(0.0, arrived + self.state.delay_s - loop.time()))
                await self._wait_while_silent()
                writer.write(piece)
                await writer.drain()
                if not piece:
                    raise ConnectionResetError

        async with asyncio.TaskGroup() as both:
            both.create_task(write())
            while piece := await reader.read(_CHUNK):
                pieces.put_nowait((loop.time(), piece))
            pieces.put_nowait((loop.time(), b""))


async def main() -> None:
    """Serve until the standard input ends."""
    proxy = _Proxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        proxy.change(msgspec.json.decode(line, type=WireState))
        sys.stdout.write("\n")
        sys.stdout.flush()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
