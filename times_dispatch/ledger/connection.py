"""The ledger's connection: bounded waits, bounded retries, and reasons in one line when it cannot be used."""

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


class _LeavesReplica(AbstractConnection):
    """Ends when the server says that it is a replica.

    After a failover the address stands for another server, and only a new connection gets there.
    """

    async def read_response(self, *arguments: Any, **named: Any) -> Any:
        """Read a response; raises whatever the server refused, a replica's as ReadOnlyError.

        What comes after it in the same pipeline is a lost connection.
        """
        try:
            return await super().read_response(*arguments, **named)
        except exceptions.ResponseError as error:
            # Scripts of Redis 6.2 and EXEC wrap it in an error of their own.
            if not isinstance(error, exceptions.ReadOnlyError) and "READONLY" not in str(error):
                raise
            await self.disconnect(nowait=True)
            raise exceptions.ReadOnlyError(str(error)) from None


class _Tcp(_LeavesReplica, Connection):
    pass


class _Tls(_LeavesReplica, SSLConnection):
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
