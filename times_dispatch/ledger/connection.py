"""The connection to the ledger: bounded waits, bounded retries, and a one-line reason when Redis cannot be used."""

from typing import Any

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

SOCKET_TIMEOUT_S = 5.0
"""Seconds until a call without an answer fails. Blocking reads (XREADGROUP) must block for less."""

_RETRIES = 3
_PROBE = """
redis.call('SET', KEYS[1], '1', 'PX', 1)
return redis.call('TIME')[1]
"""


class RedisUnavailable(Exception):
    """Redis cannot be used; the message is one line with the reason, and holds no password."""


class _FailoverAwareConnection(AbstractConnection):
    """A connection that closes itself when its server says that it is a replica.

    After a failover the same address leads to another server, which only a new connection reaches.
    """

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Read a response; raise the server's error, and ReadOnlyError if the server is a replica.

        After a ReadOnlyError, the remaining responses of the same pipeline raise a connection error.
        """
        try:
            return await super().read_response(*args, **kwargs)
        except exceptions.ResponseError as error:
            # Scripts of Redis 6.2 and EXEC wrap the replica's error in another error.
            if not isinstance(error, exceptions.ReadOnlyError) and "READONLY" not in str(error):
                raise
            await self.disconnect(nowait=True)
            raise exceptions.ReadOnlyError(str(error)) from None


class _Tcp(_FailoverAwareConnection, Connection):
    pass


class _Tls(_FailoverAwareConnection, SSLConnection):
    pass


def connect(
    url: str, *, max_connections: int = 64, socket_timeout_s: float = SOCKET_TIMEOUT_S, retries: int = _RETRIES
) -> Redis:
    """Return a client with its own connection pool. Nothing is connected yet; close the client with ``aclose()``.

    A call waits for a free connection, and is repeated when the connection breaks or stalls, even if the server may
    have executed it: every script that changes the ledger can be repeated safely. A connection to a server that has
    become a replica is closed.

    Args:
        url: ``redis://`` or ``rediss://``, with the password.
        max_connections: Size of the pool.
        socket_timeout_s: Limit, in seconds, for connecting, for each answer, and for the wait for a free connection.
        retries: How many times a call is repeated after a connection error.

    Raises:
        RedisUnavailable: The URL cannot be parsed.
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
    # Not an argument of from_url, because the URL's scheme overrides that argument.
    pool.connection_class = _Tls if issubclass(pool.connection_class, SSLConnection) else _Tcp
    return Redis.from_pool(pool)


async def check(redis: Redis) -> list[str]:
    """Check that Redis can be used as the ledger; return warnings about its configuration, one line each.

    The check runs a script that writes. It raises RedisUnavailable if Redis is away, refuses the password, denies the
    permission, is read-only, or is out of memory.
    """
    kwargs = redis.connection_pool.connection_kwargs
    name = f"{kwargs.get('host', 'localhost')}:{kwargs.get('port', 6379)}"
    try:
        await redis.eval(_PROBE, 1, "{check}:probe")
        info = await _info(redis)
    except exceptions.AuthenticationError as error:
        reason = "refused the password" if kwargs.get("password") else "wants a password"
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
"""The first matching class gives the reason: some classes are subclasses of others."""


def _reason(error: exceptions.RedisError) -> str:
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    if str(error).startswith("ACL failure in script"):
        return _NO_PERMISSION
    return f"cannot be used: {type(error).__name__}"


async def _info(redis: Redis) -> dict[str, object]:
    try:
        info: dict[str, object] = await redis.info("everything")
    except exceptions.NoPermissionError:
        return {}  # a managed service that denies INFO also manages the configuration
    return info


def _warnings(info: dict[str, object]) -> list[str]:
    warnings = []
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        warnings.append(f"maxmemory-policy is {policy}: it may throw messages away; set it to noeviction")
    if info.get("aof_enabled") == 0:
        warnings.append("appendonly is off: a restart of Redis loses campaigns; set it to yes")
    return warnings
