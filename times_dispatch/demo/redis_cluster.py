"""Starts a private cluster of Redis (or Valkey) servers on free local ports, for tests and benchmarks."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry

from times_dispatch.demo.readiness import is_ready_within
from times_dispatch.demo.redis_server import EmbeddedServer

SLOTS = 16_384
_READY_WITHIN_S = 40.0


class EmbeddedCluster:
    """Embedded servers that form a cluster.

    Args:
        primaries: The number of nodes that own slots at first.
        replicas: The number of replicas of each primary.
        node_timeout_ms: How long a node may be silent, in milliseconds, before a replica takes over.
        appendonly: Whether the nodes keep their writes on disk.
        options: More settings of the servers.
    """

    def __init__(
        self,
        *,
        primaries: int = 3,
        replicas: int = 1,
        node_timeout_ms: int = 1_500,
        appendonly: bool = False,
        options: dict[str, str] | None = None,
    ) -> None:
        self._primaries = primaries
        self.servers = [
            EmbeddedServer(
                appendonly=appendonly,
                is_cluster_node=True,
                options={
                    "cluster-enabled": "yes",
                    "cluster-config-file": "nodes.conf",
                    "cluster-node-timeout": str(node_timeout_ms),
                    "cluster-replica-validity-factor": "0",
                    "repl-diskless-sync-delay": "0",
                    **(options or {}),
                },
            )
            for _ in range(primaries * (1 + replicas))
        ]
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        """The URL of the ledger; it names the first two nodes."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers[:2])

    def start(self) -> None:
        """Start the servers, and return when every node knows all other nodes and all slots are served."""
        with ExitStack() as on_failure:
            for server in self.servers:
                on_failure.enter_context(server)
            self._form()
            self._stack = on_failure.pop_all()

    def stop(self) -> None:
        """End all servers of the cluster."""
        self._stack.close()

    def __enter__(self) -> "EmbeddedCluster":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def flush(self) -> None:
        """Empty all primaries of the cluster."""
        for server in self.servers:
            if server.running and self.role(server) == "master":
                call(server, "FLUSHALL")

    def role(self, server: EmbeddedServer) -> str:
        """Return master or slave."""
        return str(call(server, "ROLE")[0].decode())

    def node_id(self, server: EmbeddedServer) -> str:
        """Return the id of a node."""
        return str(call(server, "CLUSTER", "MYID").decode())

    def owner(self, hash_tag: str) -> EmbeddedServer:
        """Return the node that owns the slot of a hash tag; raise ``LookupError`` if no node does."""
        slot = key_slot(hash_tag.encode())
        for server in self._living():
            with suppress(RedisError):  # a frozen node does not answer
                if call(server, "ROLE", timeout_s=1.0)[0] != b"master":
                    continue
                for first, last, (_, port, *_rest), *_replicas in call(server, "CLUSTER", "SLOTS", timeout_s=1.0):
                    if first <= slot <= last and port == server.port:
                        return server
        raise LookupError(hash_tag)

    def replica_of(self, primary: EmbeddedServer) -> EmbeddedServer:
        """Return a replica of a node."""
        for server in self._living():
            role = call(server, "ROLE")
            if role[0] == b"slave" and role[2] == primary.port:
                return server
        raise LookupError(primary.port)

    def fail_over(self, hash_tag: str) -> None:
        """Make the replica take over the slots of a hash tag's node, without losing a write.

        Returns when all nodes know the new owner: until then, the old node calls itself the owner.
        """
        replica = self.replica_of(self.owner(hash_tag))
        call(replica, "CLUSTER", "FAILOVER")
        _wait(lambda: self._all_know_primary(replica), "the failover")

    def wait_for_owner(self, hash_tag: str, *, other_than: EmbeddedServer) -> None:
        """Wait until another node has taken over the slot of a hash tag."""
        _wait(lambda: self.owner(hash_tag) is not other_than, "another node to take over")

    def wait_for_ports(self, ports: set[int]) -> None:
        """Wait until every node knows that the primaries announce these ports."""
        _wait(lambda: all(self._ports(server) == ports for server in self._living()), "the announced ports")

    def moving(self, hash_tag: str, *, target: EmbeddedServer | None = None) -> Iterator[int]:
        """Move the slot of a hash tag to another node, key by key, as ``redis-cli --cluster reshard`` does.

        Yields after each step with the number of keys that have moved.
        """
        source, slot = self.owner(hash_tag), key_slot(hash_tag.encode())
        target = target or next(
            server for server in self._living() if self.role(server) == "master" and server.port != source.port
        )
        source_id, target_id = self.node_id(source), self.node_id(target)
        call(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        call(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        moved = 0
        yield moved
        while keys := call(source, "CLUSTER", "GETKEYSINSLOT", slot, 3):
            call(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *keys)
            moved += len(keys)
            yield moved
        for server in (target, source):
            call(server, "CLUSTER", "SETSLOT", slot, "NODE", target_id)
        yield moved

    def _all_know_primary(self, primary: EmbeddedServer) -> bool:
        ports = self._ports(primary)
        return primary.port in ports and all(self._ports(server) == ports for server in self._living())

    def _ports(self, server: EmbeddedServer) -> set[int]:
        return {int(port) for _first, _last, (_host, port, *_rest), *_replicas in call(server, "CLUSTER", "SLOTS")}

    def _living(self) -> list[EmbeddedServer]:
        return [server for server in self.servers if server.running]

    def _form(self) -> None:
        primaries, replicas = self.servers[: self._primaries], self.servers[self._primaries :]
        for number, server in enumerate(self.servers):
            call(server, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number, server in enumerate(primaries):
            first, last = SLOTS * number // self._primaries, SLOTS * (number + 1) // self._primaries - 1
            call(server, "CLUSTER", "ADDSLOTSRANGE", first, last)
        first_node = self.servers[0]
        for server in self.servers[1:]:
            call(first_node, "CLUSTER", "MEET", "127.0.0.1", server.port, server.bus_port)
        _wait(lambda: all(self._knows_all(server) for server in self.servers), "the nodes to meet")
        for number, replica in enumerate(replicas):
            call(replica, "CLUSTER", "REPLICATE", self.node_id(primaries[number % self._primaries]))
        _wait(lambda: all(self._is_ready(server, len(replicas)) for server in self.servers), "the cluster")

    def _knows_all(self, server: EmbeddedServer) -> bool:
        lines = call(server, "CLUSTER", "NODES").decode().splitlines()
        return len(lines) == len(self.servers) and all("handshake" not in line for line in lines)

    def _is_ready(self, server: EmbeddedServer, replicas: int) -> bool:
        if b"cluster_state:ok" not in call(server, "CLUSTER", "INFO"):
            return False
        lines = call(server, "CLUSTER", "NODES").decode().splitlines()
        if sum(" slave " in line or ",slave " in line for line in lines) != replicas:
            return False
        role = call(server, "ROLE")
        return bool(role[0] == b"master" or role[3] == b"connected")


def call(server: EmbeddedServer, *command: Any, timeout_s: float = 10.0) -> Any:
    """Run one command on one server; return the server's unchanged reply. Raises Redis errors."""
    with Redis(port=server.port, socket_timeout=timeout_s, retry=Retry(NoBackoff(), 0)) as redis:
        redis.response_callbacks.clear()  # replies are not converted
        return redis.execute_command(*command)


def _wait(reached: Callable[[], bool], what: str) -> None:
    if not is_ready_within(_READY_WITHIN_S, reached, not_yet=(RedisError, LookupError)):
        raise TimeoutError(f"waited too long for {what}")
