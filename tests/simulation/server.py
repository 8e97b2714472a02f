"""The real server behind the simulated wires: its clock, its expiries and its stream times are virtual."""

import asyncio
import contextvars
import shutil
import socket
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any, NamedTuple

from redis import exceptions

from tests.simulation.loop import SimulatedLoop, SimulatedProcess, current_process
from times_dispatch.demo.redis_server import EmbeddedServer

CLOCK_KEY = "simulation:now_us"
EXPIRIES_KEY = "simulation:expiries"
_WITH_VIRTUAL_EXPIRY = f"""local redis = (function(real)
  local function keep(key, at_ms)
    real.call('ZADD', '{EXPIRIES_KEY}', at_ms, key)
  end
  local function now_ms()
    return tonumber(real.call('GET', '{CLOCK_KEY}')) / 1000
  end
  local function call(command, ...)
    local key, value = ...
    if command == 'SET' then
      local options, others = {{...}}, {{}}
      local at = 3
      while options[at] do
        if options[at] == 'PX' or options[at] == 'EX' then
          keep(key, now_ms() + options[at + 1] * (options[at] == 'EX' and 1000 or 1))
          at = at + 1
        else
          others[#others + 1] = options[at]
        end
        at = at + 1
      end
      return real.call('SET', key, value, unpack(others))
    elseif command == 'EXPIRE' then
      keep(key, now_ms() + value * 1000)
      return 1
    elseif command == 'PEXPIRE' then
      keep(key, now_ms() + value)
      return 1
    elseif command == 'EXPIREAT' then
      keep(key, value * 1000)
      return 1
    elseif command == 'PEXPIREAT' then
      keep(key, value)
      return 1
    end
    return real.call(command, ...)
  end
  return setmetatable({{call = call}}, {{__index = real}})
end)(redis)
"""
"""Stands before every script: the server's own clock expires nothing."""
_EXPIRING = {
    "SET": """
local answer = redis.call('SET', KEYS[1], unpack(ARGV, 2))
if answer then redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[1])) end
return answer
""",
    "GETEX": """
local answer = redis.call('GET', KEYS[1])
if answer then redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[1])) end
return answer
""",
}
_TICK = f"""
redis.call('SET', '{CLOCK_KEY}', ARGV[1])
for _, key in ipairs(redis.call('ZRANGEBYSCORE', '{EXPIRIES_KEY}', '-inf', ARGV[1] / 1000)) do
  redis.call('DEL', key)
  redis.call('ZREM', '{EXPIRIES_KEY}', key)
end
"""
"""Sets the clock that scripts read, and lets expire what is due by it."""
CLOCK_LIB = f"""
local function now_us()
  return tonumber(redis.call('GET', '{CLOCK_KEY}'))
end
"""
Command = tuple[Any, ...]


class Snapshot(NamedTuple):
    """What the server held at a moment."""

    at_s: float
    dumps: dict[bytes, bytes]
    delivered_us: dict[tuple[bytes, bytes], int]


class Server:
    """One server process, reached without waiting. A seed gets the same answers in every run."""

    def __init__(self, loop: SimulatedLoop, *, epoch_s: float) -> None:
        self._folder = tempfile.mkdtemp(prefix="simulation-")
        path = str(Path(self._folder) / "socket")
        # Small encodings keep the order of insertion: hash tables of the server have a secret order of their own.
        small = {"hash-max-listpack-entries": "10000", "set-max-listpack-entries": "10000"}
        self._embedded = EmbeddedServer(appendonly=False, options={"unixsocket": path, **small})
        self._embedded.start()
        self._wire = _Socket(path)
        self._wire.call([(b"HELLO", b"3")])
        self._loop = loop
        self._epoch_s = epoch_s
        self._told_us = 0
        self._tick = self._wire.call([("SCRIPT", "LOAD", _TICK)])[0]
        self._shas: dict[str, str] = {}
        """The script that the server really has, by the name that its client knows."""
        self._delivered_us: dict[tuple[bytes, bytes], int] = {}
        """When an entry of a stream was last handed out, by group and id, on the server's clock."""
        self._seen_us: dict[tuple[bytes, bytes], int] = {}
        """When each consumer of a group last asked for something, on the server's clock."""
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
        """The factor by which reads that wait for entries wait longer: in quiet hours nobody need ask so often."""
        self.calls = 0

    def now_us(self) -> int:
        """Return the server's time in microseconds since the epoch."""
        return round((self._epoch_s + self._loop.time() + self.offset_s) * 1e6)

    def execute(self, commands: Sequence[Command]) -> list[Any]:
        """Execute commands at this moment of virtual time; an error of the server stands in its command's place."""
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
        """Look at what the server holds, outside of time: for checks only."""
        return self._wire.call(commands) if commands else []

    def when_thawed(self, action: Callable[[], None]) -> None:
        """Do something now, or as soon as the server process is no longer frozen."""
        if self.is_frozen:
            self._queued.append(action)
        else:
            action()

    def freeze(self) -> None:
        """Stop as by SIGSTOP: commands wait in its socket."""
        self.is_frozen = True

    def thaw(self) -> None:
        """Go on, with the commands that wait."""
        self.is_frozen = False
        queued, self._queued = self._queued, []
        for action in queued:
            action()

    async def wait_for_entry(self, stream: bytes, consumer: tuple[bytes, bytes], timeout_s: float) -> None:
        """Wait until something is added to a stream."""
        if self.reads_wait_longer > 1:
            self._readers[consumer] = current_process()
        added = self._loop.create_future()
        self._waiting[stream].append(added)
        timer = self._loop.call_later(timeout_s, _resolve, added)
        await added
        timer.cancel()
        self._readers.pop(consumer, None)

    def snapshot(self) -> Snapshot:
        """Return everything that the server holds."""
        keys = sorted(self._wire.call([(b"KEYS", b"*")])[0])
        dumps = self._wire.call([(b"DUMP", key) for key in keys]) if keys else []
        held = {key: dump for key, dump in zip(keys, dumps, strict=True) if dump}
        return Snapshot(self._loop.time(), held, dict(self._delivered_us))

    def put_back(self, snapshot: Snapshot) -> None:
        """Let the server hold what it held when the snapshot was made, and nothing else: what came since is lost."""
        restores = [(b"RESTORE", key, 0, dump) for key, dump in snapshot.dumps.items()]
        self._wire.call([(b"FLUSHALL",), *restores])
        self._delivered_us = dict(snapshot.delivered_us)
        self._told_us = 0

    def close(self) -> None:
        """End the server process."""
        self._wire.close()
        self._embedded.kill()
        self._embedded.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _translated(self, command: Command, now_us: int) -> Command | None:  # noqa: PLR0911 - a table
        """Take the server's own clock out of a command; None if the answer needs no server."""
        match _name(command):
            case "TIME":
                return None
            case "SET" | "GETEX":
                return self._without_expiry(command)
            case "EVALSHA":
                return (command[0], self._shas.get(str(command[1]), command[1]), *command[2:])
            case "EVAL":
                return (command[0], _WITH_VIRTUAL_EXPIRY + str(command[1]), *command[2:])
            case "SCRIPT LOAD":
                text = str(command[1])
                self._shas[sha1(text.encode(), usedforsecurity=False).hexdigest()] = sha1(
                    (_WITH_VIRTUAL_EXPIRY + text).encode(), usedforsecurity=False
                ).hexdigest()
                return (command[0], _WITH_VIRTUAL_EXPIRY + text)
            case "XADD":
                return self._with_id(command, now_us)
            case "XPENDING" if "IDLE" in map(_word, command):
                at = next(at for at, part in enumerate(command) if _word(part) == "IDLE")
                return (*command[:at], *command[at + 2 :])
            case "XCLAIM":
                return self._with_idle_ids(command, now_us)
        return command

    def _without_expiry(self, command: Command) -> Command:
        """Let a script of ours set a key that expires."""
        words = [_word(part) for part in command]
        at = next((at for at, word in enumerate(words) if at > 1 and word in {"PX", "EX"}), 0)
        if not at:
            return (b"GET", command[1]) if words[0] == "GETEX" else command
        expiry_ms = int(command[at + 1]) * (1 if words[at] == "PX" else 1_000)
        others = (*command[2:at], *command[at + 2 :])
        return (b"EVAL", _WITH_VIRTUAL_EXPIRY + _EXPIRING[words[0]], 1, command[1], expiry_ms, *others)

    def _with_id(self, command: Command, now_us: int) -> Command:
        stream, at = _bytes(command[1]), next(at for at, part in enumerate(command) if _word(part) == "*")
        last_ms, last = self._last_id[stream]
        new = (now_us // 1000, 0) if now_us // 1000 > last_ms else (last_ms, last + 1)
        self._last_id[stream] = new
        for added in self._waiting.pop(stream, ()):
            self._loop.call_soon(_resolve, added, context=contextvars.Context())
        return (*command[:at], b"%d-%d" % new, *command[at + 1 :])

    def _with_idle_ids(self, command: Command, now_us: int) -> Command | None:
        """Let XCLAIM take only entries that were held long enough on the virtual clock."""
        group, min_idle_ms = _bytes(command[2]), int(command[4])
        ids = [part for part in command[5:] if b"-" in _bytes(part)]
        idle = [id_ for id_ in ids if self._idle_ms(group, _bytes(id_), now_us) >= min_idle_ms]
        words = [_word(part) for part in command]
        held_us = now_us - (int(command[words.index("IDLE") + 1]) * 1000 if "IDLE" in words else 0)
        for id_ in idle:
            self._delivered_us[group, _bytes(id_)] = held_us
        options = (b"JUSTID",) if "JUSTID" in words else ()
        return (*command[:4], 0, *idle, *options) if idle else None

    def _idle_ms(self, group: bytes, id_: bytes, now_us: int) -> int:
        return (now_us - self._delivered_us.get((group, id_), now_us)) // 1000

    def _silent_ms(self, consumer: tuple[bytes, bytes], now_us: int) -> int:
        """Return for how long a consumer has asked for nothing; in quiet hours a living one waits in one long read."""
        reader = self._readers.get(consumer)
        if reader and reader.is_alive and not reader.is_frozen:
            return 0
        return max(0, now_us - self._seen_us.get(consumer, 0)) // 1000

    def _answered(self, command: Command, reply: Any, now_us: int) -> Any:  # noqa: PLR0912 - a table
        """Put the virtual clock into an answer."""
        name = _name(command)
        if name in {"XREADGROUP", "XCLAIM"}:
            self._seen_us[_bytes(command[2]), _bytes(command[3])] = now_us
        if name == "SCRIPT LOAD" and isinstance(reply, bytes):
            return sha1(str(command[1]).encode(), usedforsecurity=False).hexdigest().encode()
        if name == "TIME":
            return [b"%d" % part for part in divmod(now_us, 1_000_000)]
        if name == "XCLAIM":
            return reply or []
        if isinstance(reply, Exception) or not reply:
            return reply
        if name == "XREADGROUP":
            group = _bytes(command[2])
            for _, entries in reply.items() if isinstance(reply, dict) else reply:
                for entry in entries:
                    self._delivered_us[group, entry[0]] = now_us
        elif name == "XINFO CONSUMERS":
            for consumer in reply:
                consumer[b"idle"] = self._silent_ms((_bytes(command[2]), consumer[b"name"]), now_us)
        elif name == "XPENDING" and isinstance(reply[0], list):
            group, words = _bytes(command[2]), [_word(part) for part in command]
            at_least_ms = int(command[words.index("IDLE") + 1]) if "IDLE" in words else 0
            held = [[id_, who, self._idle_ms(group, id_, now_us), times] for id_, who, _, times in reply]
            return [entry for entry in held if entry[2] >= at_least_ms]
        elif name == "XACK":
            for id_ in command[3:]:
                self._delivered_us.pop((_bytes(command[2]), _bytes(id_)), None)
        return reply


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _name(command: Command) -> str:
    return _word(command[0])


def _word(part: Any) -> str:
    if isinstance(part, bytes):
        return part.decode().upper() if len(part) < 16 and part.isascii() else ""
    return part.upper() if isinstance(part, str) else ""


def _bytes(part: Any) -> bytes:
    if isinstance(part, bytes):
        return part
    return repr(part).encode() if isinstance(part, float) else str(part).encode()


class _Socket:
    """The plainest client of the server's protocol: this is where a simulation spends most of its time."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(path)
        self._buffer = b""
        self._at = 0

    def call(self, commands: Sequence[Command]) -> list[Any]:
        packed = []
        for command in commands:
            if isinstance(command[0], str) and " " in command[0]:  # redis-py writes a command of two words as one
                command = (*command[0].split(), *command[1:])  # noqa: PLW2901
            packed.append(b"*%d\r\n" % len(command))
            for part in command:
                encoded = part if isinstance(part, bytes) else _bytes(part)
                packed.append(b"$%d\r\n%b\r\n" % (len(encoded), encoded))
        self._socket.sendall(b"".join(packed))
        return [self._reply() for _ in commands]

    def close(self) -> None:
        self._socket.close()

    def _more(self) -> None:
        received = self._socket.recv(262_144)
        if not received:
            raise ConnectionError("the server of the simulation is gone")
        self._buffer, self._at = self._buffer[self._at :] + received, 0

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n", self._at)) < 0:
            self._more()
        line = self._buffer[self._at : end]
        self._at = end + 2
        return line

    def _bulk(self, length: int) -> bytes:
        while len(self._buffer) - self._at < length + 2:
            self._more()
        value = self._buffer[self._at : self._at + length]
        self._at += length + 2
        return value

    def _reply(self) -> Any:
        line = self._line()
        kind, rest = line[:1], line[1:]
        match kind:
            case b"$":
                value: Any = None if rest == b"-1" else self._bulk(int(rest))
            case b"=":
                value = self._bulk(int(rest))[4:]
            case b":":
                value = int(rest)
            case b"*" | b"~" | b">":
                value = None if rest == b"-1" else [self._reply() for _ in range(int(rest))]
            case b"+":
                value = rest
            case b"%":
                value = {self._reply(): self._reply() for _ in range(int(rest))}
            case b"-":
                value = _error(rest.decode())
            case b",":
                value = float(rest)
            case b"#":
                value = rest == b"t"
            case _:
                value = None
        return value


def _error(message: str) -> exceptions.ResponseError:
    code, _, rest = message.partition(" ")
    kinds = {"NOSCRIPT": exceptions.NoScriptError, "OOM": exceptions.OutOfMemoryError}
    kind = kinds.get(code)
    return kind(rest) if kind else exceptions.ResponseError(message)
