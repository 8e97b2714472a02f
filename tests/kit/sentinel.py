"""Three real sentinels that watch a primary and its replicas."""

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

from redis import Redis, RedisError

from tests.kit.tls import Certificates, tls_server
from tests.kit.waiting import wait_until
from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process, clean_environment
from times_dispatch.demo.redis_server import EmbeddedServer, find_server

MASTER = "dispatch"
SENTINELS = 3
_READY_WITHIN_S = 30.0


class SentinelGroup:
    """Replicas and sentinels of a primary. The caller starts and stops the primary; ``close`` stops the other servers.

    Args:
        primary: The primary, which must run when ``start`` is called.
        password: The primary's password; empty if it has none.
        replicas: Number of replicas.
        down_after_ms: The sentinels' setting ``down-after-milliseconds``.
    """

    def __init__(
        self, primary: EmbeddedServer, *, password: str = "", replicas: int = 2, down_after_ms: int = 1_000
    ) -> None:
        self.primary = primary
        self.replicas: list[EmbeddedServer] = []
        self.sentinels: list[Process] = []
        self.ports: list[int] = []
        self._password = password
        self._number = replicas
        self._down_after_ms = down_after_ms
        self._opened = ExitStack()

    @property
    def url(self) -> str:
        """The URL for ``DISPATCH_REDIS_URL`` and ``DISPATCH_BROKER_URL``."""
        login = f":{self._password}@" if self._password else ""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"redis+sentinel://{login}{hosts}/0?master={MASTER}"

    def start(self) -> None:
        """Start replicas and sentinels; return when replicas follow the primary and sentinels know each other."""
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        options = {"masterauth": self._password} if self._password else {}
        if self._password:
            with self.client(self.primary) as redis:
                redis.config_set("masterauth", self._password)
        for _ in range(self._number):
            replica = EmbeddedServer(
                appendonly=True,
                password=self._password,
                options={**options, "replicaof": f"127.0.0.1 {self.primary.port}", "repl-diskless-sync-delay": "0"},
            )
            self.replicas.append(self._opened.enter_context(replica))
        folder = Path(self._opened.enter_context(tempfile.TemporaryDirectory(prefix="times-dispatch-sentinel-")))
        for number in range(SENTINELS):
            self._start_sentinel(number, folder)
        wait_until(lambda: all(map(self._is_ready, self.ports)), "Sentinel", within_s=_READY_WITHIN_S, every_s=0.1)

    def _start_sentinel(self, number: int, folder: Path) -> None:
        port = free_port()
        settings = folder / f"sentinel-{number}.conf"
        settings.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {MASTER} 127.0.0.1 {self.primary.port} 2\n"
            f"sentinel down-after-milliseconds {MASTER} {self._down_after_ms}\n"
            f"sentinel failover-timeout {MASTER} 6000\n"
            + (f"sentinel auth-pass {MASTER} {self._password}\n" if self._password else "")
        )
        command = [str(find_server()), str(settings), "--sentinel"]
        process = Process(f"sentinel-{number}", command, environment=clean_environment(), folder=folder)
        self._opened.callback(process.stop)
        process.start()
        self.sentinels.append(process)
        self.ports.append(port)

    def _is_ready(self, port: int) -> bool:
        try:
            with Redis(port=port, socket_timeout=1) as sentinel:
                state = sentinel.sentinel_master(MASTER)
            is_known = state["num-slaves"] == self._number and state["num-other-sentinels"] == SENTINELS - 1
            return is_known and self.in_step()
        except RedisError:
            return False

    def in_step(self) -> bool:
        """Return whether every replica is connected to its primary."""
        for replica in self.replicas:
            with self.client(replica) as redis:
                if redis.info("replication").get("master_link_status") != "up":
                    return False
        return True

    def client(self, server: EmbeddedServer) -> Redis:
        """Return a client of one server."""
        return Redis.from_url(server.url, socket_timeout=5)

    def primary_port(self) -> int:
        """Return the port of the primary that the first sentinel names."""
        with Redis(port=self.ports[0], socket_timeout=1) as sentinel:
            return int(sentinel.sentinel_master(MASTER)["port"])

    def cut_links(self) -> None:
        """Disconnect all replicas from the primary; all servers continue to run."""
        for replica in self.replicas:
            with self.client(replica) as redis:
                redis.config_set("masterauth", "wrong")
        with self.client(self.primary) as redis:
            redis.client_kill_filter(_type="replica")

    def restore_links(self) -> None:
        """Let the replicas follow the present primary again."""
        for replica in self.replicas:
            with self.client(replica) as redis:
                redis.config_set("masterauth", self._password)

    def _has_another_primary(self) -> bool:
        try:
            return self.primary_port() != self.primary.port
        except RedisError:
            return False

    def wait_for_failover(self, within_s: float = 30.0) -> float:
        """Wait until a sentinel names another primary; return the duration in seconds."""
        began = time.monotonic()
        wait_until(self._has_another_primary, "the failover", within_s=within_s, every_s=0.1)
        return time.monotonic() - began

    def configure(self, name: str, value: object, *servers: EmbeddedServer) -> None:
        """Change a setting of these servers; by default, of the primary and all replicas."""
        for server in servers or (self.primary, *self.replicas):
            with self.client(server) as redis:
                redis.config_set(name, value)

    def close(self) -> None:
        """End sentinels and replicas."""
        self._opened.close()

    def __enter__(self) -> "SentinelGroup":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SentinelGroupBehindTls:
    """TLS in front of each server of a group: clients connect with TLS, and the servers reach each other without TLS.

    The sentinels announce the ports without TLS; in the answers to clients, these ports are replaced by the TLS ports.

    Args:
        group: The group, which must run.
        certificates: The certificates; the URL names their CA.
    """

    def __init__(self, group: SentinelGroup, certificates: Certificates) -> None:
        self._group, self._ca = group, certificates.ca
        self._opened = ExitStack()
        context = certificates.server("trusted")
        self.servers = {
            server.port: self._opened.enter_context(tls_server(context, server.port))
            for server in (group.primary, *group.replicas)
        }
        ports = {f"\r\n{port}\r\n".encode(): f"\r\n{tls.port}\r\n".encode() for port, tls in self.servers.items()}
        self.sentinels = [self._opened.enter_context(tls_server(context, port, replaced=ports)) for port in group.ports]

    @property
    def url(self) -> str:
        """The URL for ``DISPATCH_REDIS_URL`` and ``DISPATCH_BROKER_URL``."""
        url = self._group.url.replace("redis+", "rediss+")
        for port, tls in zip(self._group.ports, self.sentinels, strict=True):
            url = url.replace(f":{port}", f":{tls.port}")
        return f"{url}&ssl_ca_certs={quote(str(self._ca), safe='')}"

    def close(self) -> None:
        """Stop the TLS servers."""
        self._opened.close()


def any_of(servers: Sequence[EmbeddedServer], port: int) -> EmbeddedServer:
    """Return the server with a port."""
    return next(server for server in servers if server.port == port)
