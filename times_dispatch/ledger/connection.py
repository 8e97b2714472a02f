"""The connection to the ledger, with bounded waits, bounded retries, and a one-line reason if Redis cannot be used."""

import asyncio
import contextlib
import re
from collections.abc import Iterable
from typing import Any

from redis import exceptions
from redis.asyncio import Connection, Redis, SSLConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.maint_notifications import MaintNotificationsConfig

from times_dispatch.ledger.cluster import node_urls
from times_dispatch.ledger.cluster.client import ClusterRedis
from times_dispatch.ledger.cluster.node_urls import Address
from times_dispatch.ledger.connection_pool import LedgerPool
from times_dispatch.ledger.keys import CONNECTION_PROBE
from times_dispatch.ledger.monitoring.health import NODE_AWAY, configuration_warnings
from times_dispatch.ledger.sentinel.primary import PrimaryFinder
from times_dispatch.ledger.sentinel.url import is_sentinel
from times_dispatch.ledger.sentinel.url import parse as parse_sentinel_url
from times_dispatch.tls_options import certificate_problem, scheme_advice

SOCKET_TIMEOUT_S = 5.0
"""Seconds until a call without a response fails. Blocking reads (XREADGROUP) must block for a shorter time."""

_RETRIES = 3
_NAME = "times-dispatch"
"""The name of each connection in CLIENT LIST."""
_NO_NOTIFICATIONS = MaintNotificationsConfig(enabled=False)
# The text is not a file of lua/, because EVAL with the text shows whether this user may run scripts at all.
_PROBE = """
redis.call('SET', KEYS[1], '1', 'PX', 1)
return redis.call('TIME')[1]
"""
_PROBE_WHEN_FULL = f"redis.call('DEL', KEYS[1]) {_PROBE}"
"""The same script after a write that frees memory, so that it runs also when Redis is full."""


class RedisUnavailable(Exception):
    """Redis cannot be used; the message is one line with the reason, and holds no password."""


class _AsRedisError:
    """A context manager that turns exceptions of a block that are no Redis errors into one, and closes the connection.

    The event loop raises its own errors when a connection is lost at certain moments: uvloop raises ``RuntimeError``
    during the handshake. Callers of the ledger handle only Redis errors, so they get a ``ConnectionError`` instead.
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
        with contextlib.suppress(RuntimeError, OSError):  # the transport may be closed already
            writer.close()


class _LedgerConnection(AbstractConnection):
    """A connection that raises only Redis errors, loses no cancellation, and closes itself if its server is a replica.

    After a failover the same address leads to another server, which only a new connection reaches. So the connection
    closes itself when its server says that it is a replica.

    The handshake is one command, HELLO, which also gives the password and the name (and SELECT for a database other
    than 0). A call that finds no free connection waits for the handshake, and with a slow Redis each further command of
    the handshake would delay the call by another round trip.
    """

    async def send_command(self, *args: Any, **kwargs: Any) -> None:
        """Pack and send a command; HELLO names the connection."""
        if args[0] == "HELLO":
            args = (*args, "SETNAME", _NAME)
        await super().send_command(*args, **kwargs)

    async def connect_check_health(
        self,
        check_health: bool = True,  # noqa: ARG002
        retry_socket_connect: bool = True,
    ) -> None:
        """Connect and do the handshake, never with a PING before HELLO; raise only Redis errors."""
        with _AsRedisError(self):
            await super().connect_check_health(check_health=False, retry_socket_connect=retry_socket_connect)

    async def check_health(self) -> None:
        """Send PING if the connection was idle, and close the connection if no response comes.

        redis-py itself repeats the PING, and the caller repeats its command too, so the waits would multiply.
        """
        if self.health_check_interval and asyncio.get_running_loop().time() > self.next_health_check:
            try:
                await self._send_ping()  # type: ignore[no-untyped-call]
            except exceptions.RedisError:
                await self.disconnect(nowait=True)
                raise

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """Write a command; raise only Redis errors.

        redis-py writes under ``asyncio.wait_for``. In Python 3.11, ``wait_for`` loses a cancellation that comes in the
        same turn of the event loop as the end of the write, and the caller would wait forever for the task to end.
        """
        with _AsRedisError(self):
            if not self.is_connected:
                await self.connect_check_health(check_health=False, retry_socket_connect=False)
            if check_health:
                await self.check_health()
            if isinstance(command, str):
                command = command.encode()
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command([command] if isinstance(command, bytes) else command)

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Read a response; raise only Redis errors, and ReadOnlyError if the server is a replica.

        After a ReadOnlyError, the remaining responses of the same pipeline raise a connection error.
        """
        try:
            with _AsRedisError(self):
                return await super().read_response(*args, **kwargs)
        except exceptions.ResponseError as error:
            # Scripts of Redis 6.2 and EXEC wrap the replica's error in another error.
            if not isinstance(error, exceptions.ReadOnlyError) and "READONLY" not in str(error):
                raise
            await self.disconnect(nowait=True)
            raise exceptions.ReadOnlyError(str(error)) from None

    async def can_read(self) -> bool:
        """Return whether an idle connection has data to read; raise only Redis errors."""
        with _AsRedisError(self):
            return bool(await super().can_read())

    async def disconnect(self, *args: Any, **kwargs: Any) -> None:
        """Disconnect, also if the transport is closed already, or if the server does not end the TLS session."""
        writer = self._writer
        try:
            await super().disconnect(*args, **kwargs)
        except RuntimeError:
            _abandon(self)
        except exceptions.TimeoutError:
            if writer:
                writer.transport.abort()


class _Tcp(_LedgerConnection, Connection):
    pass


class _Tls(_LedgerConnection, SSLConnection):
    pass


class _BehindSentinel(_LedgerConnection):
    """A connection that asks the sentinels for the primary each time before it connects."""

    def __init__(self, *args: Any, finder: PrimaryFinder, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._finder = finder

    async def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        """Find the primary and connect; raise only Redis errors."""
        if not self.is_connected:
            self.host, self.port = await self._finder.address()
        await super().connect_check_health(check_health, retry_socket_connect)


class _TcpBehindSentinel(_BehindSentinel, Connection):
    pass


class _TlsBehindSentinel(_BehindSentinel, SSLConnection):
    pass


def connect(
    url: str,
    *,
    max_connections: int = 64,
    socket_timeout_s: float = SOCKET_TIMEOUT_S,
    retries: int = _RETRIES,
    repeat_after_timeout: bool = True,
) -> Redis:
    """Return a client with its own connection pool. Nothing is connected yet; close the client with ``aclose()``.

    A call waits for a free connection, and is repeated when the connection breaks or stalls, even if the server may
    have executed it: every script that changes the ledger can be repeated safely. A connection to a server that has
    become a replica is closed, and so is a connection that was idle for a minute.

    Args:
        url: ``redis://`` or ``rediss://``, with the password and the options of ``times_dispatch/tls_options.py``; or
            the URL of a Redis behind Sentinel, see ``sentinel/url.py``; or the URL of a cluster, see
            ``cluster/node_urls.py``.
        max_connections: Size of the pool; on a cluster, of the pool of each node.
        socket_timeout_s: Limit, in seconds, for connecting, for each answer, and for the wait for a free connection.
        retries: How many times a call is repeated after a connection error.
        repeat_after_timeout: Whether a call is also repeated if no answer came in time.

    Raises:
        RedisUnavailable: The URL cannot be parsed.
    """
    if node_urls.is_cluster(url):
        return _connect_to_cluster(
            url,
            max_connections=max_connections,
            socket_timeout_s=socket_timeout_s,
            retries=retries,
            repeat_after_timeout=repeat_after_timeout,
        )
    finder: PrimaryFinder | None = None
    if is_sentinel(url):
        try:
            sentinel_url = parse_sentinel_url(url)
        except ValueError as error:
            raise RedisUnavailable(f"the address of Redis {error}") from None
        url, finder = sentinel_url.of_server, PrimaryFinder(sentinel_url)
    errors: tuple[type[exceptions.RedisError], ...] = (exceptions.ConnectionError,)
    if repeat_after_timeout:
        errors = (*errors, exceptions.TimeoutError)
    try:
        pool = LedgerPool.from_url(
            url,
            max_connections=max_connections,
            timeout=socket_timeout_s,
            socket_timeout=socket_timeout_s,
            socket_connect_timeout=socket_timeout_s,
            socket_keepalive=True,
            health_check_interval=15,
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), retries, errors),
            driver_info=None,  # driver info and notifications would add commands to the handshake
            maint_notifications_config=_NO_NOTIFICATIONS,
        )
    except ValueError:
        # The error's message may hold a piece of the password, because urlsplit takes the text before a slash for the
        # port.
        raise RedisUnavailable("the address of Redis is not a URL like redis://host:6379/0") from None
    # The class is not an argument of from_url, because the URL's scheme overrides that argument.
    is_tls = issubclass(pool.connection_class, SSLConnection)
    pool.connection_class = _Tls if is_tls else _Tcp
    if finder:
        pool.connection_class = _TlsBehindSentinel if is_tls else _TcpBehindSentinel
        pool.connection_kwargs["finder"] = finder
    return Redis.from_pool(pool)


def _connect_to_cluster(
    url: str, *, max_connections: int, socket_timeout_s: float, retries: int, repeat_after_timeout: bool
) -> ClusterRedis:
    """Connect to a cluster; raise RedisUnavailable if the URL is refused. The arguments are those of ``connect``."""
    try:
        cluster = node_urls.parse(url)
    except ValueError as error:
        raise RedisUnavailable(f"the address of the cluster {error}") from None

    def open_node(address: Address) -> Redis:
        # The client of the cluster repeats calls, because the next try may go to another node.
        return connect(
            cluster.of_node(address), max_connections=max_connections, socket_timeout_s=socket_timeout_s, retries=0
        )

    return ClusterRedis(
        cluster.nodes,
        open_node,
        retries=retries,
        repeat_after_timeout=repeat_after_timeout,
        slot_timeout_s=socket_timeout_s,
    )


def address_of(redis: Redis) -> str:
    """Return the host and port of a client, for messages; never the password."""
    if isinstance(redis, ClusterRedis):
        return redis.name
    kwargs = redis.connection_pool.connection_kwargs
    if finder := kwargs.get("finder"):
        return str(finder)
    return f"{kwargs.get('host', 'localhost')}:{kwargs.get('port', 6379)}"


async def servers_of(redis: Redis) -> dict[str, Redis]:
    """Return, by address, a client of each server that holds a part of the ledger; without a cluster, of one server."""
    if isinstance(redis, ClusterRedis):
        return {str(address): node for address, node in (await redis.primaries()).items()}
    return {address_of(redis): redis}


async def check(redis: Redis, *, needs_memory: bool = True) -> list[str]:
    """Check that Redis can be used as the ledger; return warnings about its configuration, one line each.

    The check runs a script that writes.

    Args:
        redis: The ledger.
        needs_memory: Whether a full Redis counts as unavailable. Commands that show, pause and cancel work with a full
            Redis.

    Raises:
        RedisUnavailable: Redis does not answer, refuses the password, denies the permission, is read-only, has too few
            replicas, or is out of memory.
    """
    kwargs = redis.connection_pool.connection_kwargs
    name = address_of(redis)
    try:
        await redis.eval(_PROBE if needs_memory else _PROBE_WHEN_FULL, 1, CONNECTION_PROBE)
        if not isinstance(redis, ClusterRedis):
            return [f"Redis at {name}: {warning}" for warning in configuration_warnings(await _info(redis))]
        return await _warnings_of_nodes(redis)
    except exceptions.AuthenticationError as error:
        reason = "refused the password" if kwargs.get("password") else "wants a password"
        raise RedisUnavailable(f"Redis at {name} {reason}") from error
    except exceptions.RedisError as error:
        uses_tls = issubclass(redis.connection_pool.connection_class, SSLConnection)
        reason = certificate_problem(error) or _reason(error) + scheme_advice(error, uses_tls=uses_tls)
        raise RedisUnavailable(f"Redis at {name} {reason}") from error


async def _warnings_of_nodes(redis: ClusterRedis) -> list[str]:
    """Return the warnings about each node of a cluster; a node that does not answer concerns only its own senders."""
    await _info(redis)
    warnings = list[str]()
    for address, node in (await redis.primaries()).items():
        try:
            warnings += [f"Redis at {address}: {warning}" for warning in configuration_warnings(await _info(node))]
        except (exceptions.ConnectionError, exceptions.TimeoutError):
            warnings.append(f"Redis at {address}: {NODE_AWAY}")
    return warnings


_NO_PERMISSION = "does not permit this user to run scripts that write"
_REASONS: tuple[tuple[type[exceptions.RedisError], str], ...] = (
    (exceptions.NoPermissionError, _NO_PERMISSION),
    (exceptions.BusyLoadingError, "is still loading its data"),
    (exceptions.TimeoutError, "is unavailable: no answer in time"),
    (exceptions.ConnectionError, "is unavailable: no connection"),
    (exceptions.ReadOnlyError, "is a replica: it cannot be written to"),
    (exceptions.OutOfMemoryError, "has no memory left: raise its maxmemory"),
    (exceptions.ClusterDownError, "is unavailable: the cluster does not serve this part of the ledger"),
    (exceptions.AskError, "is unavailable: this part of the ledger is being moved to another node"),
    (exceptions.InvalidResponse, "is no Redis: another kind of server answers there"),
    (exceptions.TryAgainError, "is unavailable: this part of the ledger is being moved to another node"),
)
"""The first matching class gives the reason: some classes are subclasses of others."""
_REASONS_BY_WORDS = (
    (
        r"\A(?>.*?unknown command).*HELLO",
        "does not know the command HELLO: it must be Redis 6.2 or newer, or Valkey, and no proxy before it",
    ),
    (r"DB index is out of range", "has no database of this number"),
    (r"NOREPLICAS", "has too few replicas (min-replicas-to-write): it takes no writes"),
    (r"^ACL failure in script", _NO_PERMISSION),
)
"""Reasons of errors that have no class of their own, by a regular expression for the server's message."""


def _reason(error: exceptions.RedisError) -> str:
    if isinstance(error, exceptions.NoPermissionError) and "cluster|slots" in str(error):
        return "does not permit this user to ask which node has which keys (cluster|slots)"
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    for words, reason in _REASONS_BY_WORDS:
        if re.search(words, str(error)):
            return reason
    return f"cannot be used: {type(error).__name__}"


async def _info(redis: Redis) -> dict[str, object]:
    try:
        info: dict[str, object] = await redis.info()
    except exceptions.NoPermissionError:
        return {}  # a managed service that denies INFO also manages the configuration
    return info
