"""The ledger's connection: bounded waits, bounded retries, and reasons in one line when it cannot be used."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

SOCKET_TIMEOUT_S = 5.0
"""Blocking reads (XREADGROUP) must ask for less."""

_RETRIES = 3
_PROBE = """
redis.call('SET', KEYS[1], '1', 'PX', 1)
return redis.call('TIME')[1]
"""


class RedisUnavailable(Exception):
    """The ledger cannot be used, and why, in one line that holds no password."""


class _AsRedisError:
    """Turns whatever is raised in a ``with`` block into a Redis error, and closes the connection it was raised on.

    The event loop raises errors of its own when a connection is lost at the wrong moment: uvloop a ``RuntimeError``
    while the client greets the server. As a ``ConnectionError`` each of them is what it means to every caller: the
    ledger is away.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None or isinstance(error, exceptions.RedisError):
            return
        _abandon(self._connection)
        if isinstance(error, TimeoutError):
            raise exceptions.TimeoutError("Redis did not take a command in time") from error
        if isinstance(error, Exception):
            raise exceptions.ConnectionError(f"the connection was lost: {type(error).__name__}") from error


def _abandon(connection: AbstractConnection) -> None:
    writer, connection._writer, connection._reader = connection._writer, None, None
    if writer:
        with contextlib.suppress(RuntimeError, OSError):  # its transport may be closed already
            writer.close()


class _LedgerConnection(AbstractConnection):
    """A connection on which whatever goes wrong is an error of Redis, and on which no cancellation is lost.

    After a failover the address stands for another server, so the connection ends when the server says that it is a
    replica: only a new one gets to the new primary.
    """

    async def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        """Connect and greet the server; raises a Redis error, whatever went wrong."""
        with _AsRedisError(self):
            await super().connect_check_health(check_health, retry_socket_connect)

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """Write a command; raises a Redis error, whatever went wrong.

        redis-py writes under ``asyncio.wait_for``. That of Python 3.11 swallows a cancellation that comes in the same
        turn of the loop as the end of the write; who cancelled the task would wait for its end for ever.
        """
        with _AsRedisError(self):
            if not self.is_connected:
                await self.connect_check_health(check_health=False)
            if check_health:
                await self.check_health()  # type: ignore[no-untyped-call]
            if isinstance(command, str):
                command = command.encode()
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command([command] if isinstance(command, bytes) else command)

    async def read_response(self, *arguments: Any, **named: Any) -> Any:
        """Read a response; raises a Redis error, whatever went wrong; a replica's refusal is a ReadOnlyError.

        What comes after a replica's refusal in the same pipeline is a lost connection.
        """
        try:
            with _AsRedisError(self):
                return await super().read_response(*arguments, **named)
        except exceptions.ResponseError as error:
            # Scripts of Redis 6.2 and EXEC wrap it in an error of their own.
            if not isinstance(error, exceptions.ReadOnlyError) and "READONLY" not in str(error):
                raise
            await self.disconnect(nowait=True)
            raise exceptions.ReadOnlyError(str(error)) from None

    async def can_read(self) -> bool:
        """Say whether data waits on an idle connection; raises a Redis error, whatever went wrong."""
        with _AsRedisError(self):
            return bool(await super().can_read())

    async def disconnect(self, *arguments: Any, **named: Any) -> None:
        """Disconnect; a transport that is closed already cannot refuse."""
        try:
            await super().disconnect(*arguments, **named)
        except RuntimeError:
            _abandon(self)


class _Tcp(_LedgerConnection, Connection):
    pass


class _Tls(_LedgerConnection, SSLConnection):
    pass


def connect(
    url: str, *, max_connections: int = 64, socket_timeout_s: float = SOCKET_TIMEOUT_S, retries: int = _RETRIES
) -> Redis:
    """Make a client over a pool of its own; nothing is connected yet. Close it with ``aclose()``.

    A call waits for a free connection rather than fail, and is repeated *retries* times when the connection breaks or
    stalls, also if the server may have done it: every script that changes the ledger is safe to repeat. A connection to
    a server that has become a replica is not kept.

    Raises RedisUnavailable if the URL cannot be read.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=max_connections,
            timeout=socket_timeout_s,
            socket_timeout=socket_timeout_s,
            socket_connect_timeout=socket_timeout_s,
            socket_keepalive=True,
            health_check_interval=15,
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), retries),
            client_name="times-dispatch",
        )
    except ValueError:
        # The message may hold a piece of the password: urlsplit takes what stands before a slash for the port.
        raise RedisUnavailable("the address of Redis is not a URL like redis://host:6379/0") from None
    # Not an argument of from_url: what the URL says goes before it.
    pool.connection_class = _Tls if issubclass(pool.connection_class, SSLConnection) else _Tcp
    return Redis.from_pool(pool)


async def check(redis: Redis) -> list[str]:
    """Try the ledger with what it will be asked for; return warnings about its configuration, one line each.

    Raises RedisUnavailable: away, wrong password, not enough permission, read-only, out of memory.
    """
    told = redis.connection_pool.connection_kwargs
    name = f"{told.get('host', 'localhost')}:{told.get('port', 6379)}"
    try:
        await redis.eval(_PROBE, 1, "{check}:probe")
        info = await _info(redis)
    except exceptions.AuthenticationError as error:
        reason = "refused the password" if told.get("password") else "wants a password"
        raise RedisUnavailable(f"Redis at {name} {reason}") from error
    except exceptions.RedisError as error:
        raise RedisUnavailable(f"Redis at {name} {_reason(error)}") from error
    return [f"Redis at {name}: {warning}" for warning in _warnings(info)]


_NO_PERMISSION = "does not permit this user to run scripts that write"
_REASONS: tuple[tuple[type[exceptions.RedisError], str], ...] = (
    (exceptions.NoPermissionError, _NO_PERMISSION),
    (exceptions.BusyLoadingError, "is still loading its data"),
    (exceptions.TimeoutError, "is away: no answer in time"),
    (exceptions.ConnectionError, "is away: no connection"),
    (exceptions.ReadOnlyError, "is a replica: it cannot be written to"),
    (exceptions.OutOfMemoryError, "has no memory left: raise its maxmemory"),
)
"""The first that fits holds: some are subclasses of others."""


def _reason(error: exceptions.RedisError) -> str:
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    if str(error).startswith("ACL failure in script"):
        return _NO_PERMISSION
    return f"cannot be used: {type(error).__name__}"


async def _info(redis: Redis) -> dict[str, object]:
    try:
        found: dict[str, object] = await redis.info("everything")
    except exceptions.NoPermissionError:
        return {}  # a managed service that keeps INFO to itself also keeps the configuration
    return found


def _warnings(info: dict[str, object]) -> list[str]:
    warnings = []
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        warnings.append(f"maxmemory-policy is {policy}: it may throw messages away; set it to noeviction")
    if info.get("aof_enabled") == 0:
        warnings.append("appendonly is off: a restart of Redis loses campaigns; set it to yes")
    return warnings
