"""The real server behind the simulated wires: its clock, its expiries and its stream times are virtual."""

import asyncio
import contextvars
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any, NamedTuple

from tests.simulation.loop import SimulatedLoop, SimulatedProcess, current_process
from tests.simulation.server_socket import Command, ServerSocket, as_bytes, word
from tests.simulation.virtual_scripts import EXPIRING, TICK, with_virtual_time
from times_dispatch.demo.redis_server import EmbeddedServer


class ServerSnapshot(NamedTuple):
    """All data of the server at one moment."""

    at_s: float
    dumps: dict[bytes, bytes]
    delivered_us: dict[tuple[bytes, bytes], int]


class SimulatedServer:
    """One real server process, which the simulation calls without waiting. A seed gets the same answers each time."""

    def __init__(self, loop: SimulatedLoop, *, epoch_s: float) -> None:
        self._folder = tempfile.mkdtemp(prefix="simulation-")
        path = str(Path(self._folder) / "socket")
        # Small encodings keep the order of insertion; hash tables of the server have a random order.
        small = {"hash-max-listpack-entries": "10000", "set-max-listpack-entries": "10000"}
        self._embedded = EmbeddedServer(appendonly=False, options={"unixsocket": path, **small})
        self._embedded.start()
        self._path = path
        self._wire = ServerSocket(path)
        self._wire.call([(b"HELLO", b"3")])
        self._loop = loop
        self._epoch_s = epoch_s
        self._told_us = 0
        self._tick = self._wire.call([("SCRIPT", "LOAD", TICK)])[0]
        self._shas: dict[str, str] = {}
        """The digest of the script that the server really has, by the digest that the client uses."""
        self._delivered_us: dict[tuple[bytes, bytes], int] = {}
        """When an entry of a stream was last delivered, by group and id, on the server's clock."""
        self._seen_us: dict[tuple[bytes, bytes], int] = {}
        """When each consumer of a group last sent a command, on the server's clock."""
        self._readers: dict[tuple[bytes, bytes], SimulatedProcess | None] = {}
        """The processes of consumers that wait for entries, in quiet hours."""
        self._last_id: defaultdict[bytes, tuple[int, int]] = defaultdict(lambda: (0, 0))
        self._waiting: defaultdict[bytes, list[asyncio.Future[None]]] = defaultdict(list)
        self._queued: list[Callable[[], None]] = []
        self.offset_s = 0.0
        """By how much the server's clock is ahead of the true time."""
        self.is_up = True
        self.is_frozen = False
        self.reads_wait_longer = 1.0
        """The factor by which blocking reads wait longer in quiet hours, to make fewer reads."""
        self.calls = 0

    def now_us(self) -> int:
        """Return the server's time in microseconds since the epoch."""
        return round((self._epoch_s + self._loop.time() + self.offset_s) * 1e6)

    def execute(self, commands: Sequence[Command]) -> list[Any]:
        """Execute commands at this moment of virtual time; the answer to a command that fails is the error."""
        self.calls += 1
        now_us = self.now_us()
        before: list[Command] = []
        if self._told_us != now_us:
            before.append((b"EVALSHA", self._tick, 0, now_us))
            self._told_us = now_us
        sent = [self._translated(command, now_us) for command in commands]
        real = [command for command in sent if command is not None]
        if all(_name(command) == "TIME" for command in commands):
            before = []
            self._told_us = 0
        answers = iter(self._wire.call([*before, *real])[len(before) :] if before or real else ())
        return [
            self._answered(command, None if there is None else next(answers), now_us)
            for command, there in zip(commands, sent, strict=True)
        ]

    def peek(self, commands: Sequence[Command]) -> list[Any]:
        """Read data of the server without virtual time; for checks only."""
        return self._wire.call(commands) if commands else []

    def reconnect(self) -> None:
        """Replace the connection, which may be in the middle of an answer."""
        self._wire.close()
        self._wire = ServerSocket(self._path)
        self._wire.call([(b"HELLO", b"3")])

    def when_thawed(self, action: Callable[[], None]) -> None:
        """Call a function now, or as soon as the server process is no longer frozen."""
        if self.is_frozen:
            self._queued.append(action)
        else:
            action()

    def freeze(self) -> None:
        """Stop as with SIGSTOP: commands wait in the server's socket."""
        self.is_frozen = True

    def thaw(self) -> None:
        """Continue, and execute the commands that wait."""
        self.is_frozen = False
        queued, self._queued = self._queued, []
        for action in queued:
            action()

    async def wait_for_entry(self, stream: bytes, consumer: tuple[bytes, bytes], timeout_s: float) -> None:
        """Wait until an entry is added to a stream."""
        if self.reads_wait_longer > 1:
            self._readers[consumer] = current_process()
        added = self._loop.create_future()
        self._waiting[stream].append(added)
        timer = self._loop.call_later(timeout_s, _resolve, added)
        await added
        timer.cancel()
        self._readers.pop(consumer, None)

    def snapshot(self) -> ServerSnapshot:
        """Return all data of the server."""
        keys = sorted(self._wire.call([(b"KEYS", b"*")])[0])
        dumps = self._wire.call([(b"DUMP", key) for key in keys]) if keys else []
        held = {key: dump for key, dump in zip(keys, dumps, strict=True) if dump}
        return ServerSnapshot(self._loop.time(), held, dict(self._delivered_us))

    def put_back(self, snapshot: ServerSnapshot) -> None:
        """Replace the data of the server by a snapshot; all later writes are lost."""
        self.set_full(is_full=False)
        restores = [(b"RESTORE", key, 0, dump) for key, dump in snapshot.dumps.items()]
        self._wire.call([(b"FLUSHALL",), *restores])
        self._delivered_us = dict(snapshot.delivered_us)
        self._told_us = 0

    def set_full(self, *, is_full: bool) -> None:
        """Let the server refuse commands that need memory, or accept them again."""
        self._wire.call([("CONFIG", "SET", "maxmemory", 1 if is_full else 0)])

    def close(self) -> None:
        """End the server process."""
        self._wire.close()
        self._embedded.kill()
        self._embedded.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _translated(self, command: Command, now_us: int) -> Command | None:  # noqa: PLR0911 - a table
        """Replace the server's real clock in a command by virtual time; return None if the answer needs no server."""
        match _name(command):
            case "TIME":
                return None
            case "SET" | "GETEX":
                return self._without_expiry(command)
            case "EVALSHA":
                return (command[0], self._shas.get(str(command[1]), command[1]), *command[2:])
            case "EVAL":
                return (command[0], with_virtual_time(str(command[1])), *command[2:])
            case "SCRIPT LOAD":
                text = str(command[1])
                self._shas[sha1(text.encode(), usedforsecurity=False).hexdigest()] = sha1(
                    with_virtual_time(text).encode(), usedforsecurity=False
                ).hexdigest()
                return (command[0], with_virtual_time(text))
            case "XADD":
                return self._with_id(command, now_us)
            case "XPENDING" if "IDLE" in map(word, command):
                at = next(at for at, part in enumerate(command) if word(part) == "IDLE")
                return (*command[:at], *command[at + 2 :])
            case "XCLAIM":
                return self._with_idle_ids(command, now_us)
        return command

    def _without_expiry(self, command: Command) -> Command:
        """Replace the expiry of a key by a script that sets the key and stores its virtual expiry."""
        words = [word(part) for part in command]
        at = next((at for at, word in enumerate(words) if at > 1 and word in {"PX", "EX"}), 0)
        if not at:
            return (b"GET", command[1]) if words[0] == "GETEX" else command
        expiry_ms = int(command[at + 1]) * (1 if words[at] == "PX" else 1_000)
        others = (*command[2:at], *command[at + 2 :])
        return (b"EVAL", with_virtual_time(EXPIRING[words[0]]), 1, command[1], expiry_ms, *others)

    def _with_id(self, command: Command, now_us: int) -> Command:
        stream, at = as_bytes(command[1]), next(at for at, part in enumerate(command) if word(part) == "*")
        last_ms, last = self._last_id[stream]
        new = (now_us // 1000, 0) if now_us // 1000 > last_ms else (last_ms, last + 1)
        self._last_id[stream] = new
        for added in self._waiting.pop(stream, ()):
            self._loop.call_soon(_resolve, added, context=contextvars.Context())
        return (*command[:at], b"%d-%d" % new, *command[at + 1 :])

    def _with_idle_ids(self, command: Command, now_us: int) -> Command | None:
        """Let XCLAIM claim only entries that were idle for long enough on the virtual clock."""
        group, min_idle_ms = as_bytes(command[2]), int(command[4])
        ids = [part for part in command[5:] if b"-" in as_bytes(part)]
        idle = [id_ for id_ in ids if self._idle_ms(group, as_bytes(id_), now_us) >= min_idle_ms]
        words = [word(part) for part in command]
        held_us = now_us - (int(command[words.index("IDLE") + 1]) * 1000 if "IDLE" in words else 0)
        for id_ in idle:
            self._delivered_us[group, as_bytes(id_)] = held_us
        options = (b"JUSTID",) if "JUSTID" in words else ()
        return (*command[:4], 0, *idle, *options) if idle else None

    def _idle_ms(self, group: bytes, id_: bytes, now_us: int) -> int:
        return (now_us - self._delivered_us.get((group, id_), now_us)) // 1000

    def _silent_ms(self, consumer: tuple[bytes, bytes], now_us: int) -> int:
        """Return how long a consumer has sent no command; in quiet hours a live consumer waits in one long read."""
        reader = self._readers.get(consumer)
        if reader and reader.is_alive and not reader.is_frozen:
            return 0
        return max(0, now_us - self._seen_us.get(consumer, 0)) // 1000

    def _answered(self, command: Command, reply: Any, now_us: int) -> Any:  # noqa: PLR0912 - a table
        """Replace the server's real clock in an answer by virtual time."""
        name = _name(command)
        if name in {"XREADGROUP", "XCLAIM"}:
            self._seen_us[as_bytes(command[2]), as_bytes(command[3])] = now_us
        if name == "SCRIPT LOAD" and isinstance(reply, bytes):
            return sha1(str(command[1]).encode(), usedforsecurity=False).hexdigest().encode()
        if name == "TIME":
            return [b"%d" % part for part in divmod(now_us, 1_000_000)]
        if name == "XCLAIM":
            return reply or []
        if isinstance(reply, Exception) or not reply:
            return reply
        if name == "XREADGROUP":
            group = as_bytes(command[2])
            for _, entries in reply.items() if isinstance(reply, dict) else reply:
                for entry in entries:
                    self._delivered_us[group, entry[0]] = now_us
        elif name == "XINFO CONSUMERS":
            for consumer in reply:
                consumer[b"idle"] = self._silent_ms((as_bytes(command[2]), consumer[b"name"]), now_us)
        elif name == "XPENDING" and isinstance(reply[0], list):
            group, words = as_bytes(command[2]), [word(part) for part in command]
            at_least_ms = int(command[words.index("IDLE") + 1]) if "IDLE" in words else 0
            held = [[id_, who, self._idle_ms(group, id_, now_us), times] for id_, who, _, times in reply]
            return [entry for entry in held if entry[2] >= at_least_ms]
        elif name == "XACK":
            for id_ in command[3:]:
                self._delivered_us.pop((as_bytes(command[2]), as_bytes(id_)), None)
        return reply


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _name(command: Command) -> str:
    return word(command[0])
