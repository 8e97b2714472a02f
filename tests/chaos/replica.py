"""A replica of the testbed's Redis, which replicates through a ``Wire`` and can be promoted."""

import time
from urllib.parse import urlsplit

from redis import Redis, RedisError

from tests.chaos.wire import Wire
from times_dispatch.demo.redis_server import EmbeddedServer, EmbeddedServerFailed

MAX_LAG_S = 1
"""The primary's ``min-replicas-max-lag``, in seconds: it refuses writes if its replica is silent for longer."""
_IN_STEP_WITHIN_S = 20.0


class Replica:
    """The second server of a testbed."""

    def __init__(self, primary: EmbeddedServer) -> None:
        self.wire = Wire()
        """The connection between the two servers."""
        self.is_promoted = False
        self._primary = primary
        self._server: EmbeddedServer | None = None

    @property
    def url(self) -> str:
        """The replica's own URL."""
        assert self._server
        return self._server.url

    @property
    def port(self) -> int:
        """The replica's own port."""
        assert self._server
        return self._server.port

    def start(self) -> None:
        """Start the replica, wait until it follows, and let the primary accept writes only while it follows."""
        password = urlsplit(self._primary.url).password or ""
        self.wire.start(self._primary.port)
        self._server = EmbeddedServer(appendonly=True, password=password, options={"masterauth": password})
        self._server.start()
        with Redis.from_url(self.url) as replica, Redis.from_url(self._primary.url) as primary:
            replica.replicaof("127.0.0.1", str(self.wire.port))
            primary.config_set("masterauth", password)
            until = time.monotonic() + _IN_STEP_WITHIN_S
            while replica.info("replication")["master_link_status"] != "up":
                if time.monotonic() > until:
                    raise EmbeddedServerFailed("the replica did not connect to its primary in time")
                time.sleep(0.05)
            primary.config_set("min-replicas-max-lag", MAX_LAG_S)
            primary.config_set("min-replicas-to-write", 1)

    def catch_up(self) -> None:
        """Wait until the replica has all data that the primary had when the wait began."""
        with Redis.from_url(self.url) as replica, Redis.from_url(self._primary.url) as primary:
            offset = primary.info("replication")["master_repl_offset"]
            until = time.monotonic() + _IN_STEP_WITHIN_S
            while replica.info("replication")["slave_repl_offset"] < offset:
                if time.monotonic() > until:
                    raise EmbeddedServerFailed("the replica did not catch up with its primary")
                time.sleep(0.005)

    def promote(self) -> None:
        """Make the replica a primary; the old primary continues to serve."""
        with Redis.from_url(self.url) as replica:
            replica.replicaof("NO", "ONE")
        self.is_promoted = True

    def follow(self) -> None:
        """Make the old primary a replica of the new primary, as Sentinel does when it reaches the old primary."""
        with Redis.from_url(self._primary.url) as old:
            old.config_set("min-replicas-to-write", 0)
            try:
                old.replicaof("127.0.0.1", str(self.port))
            except RedisError as error:
                raise EmbeddedServerFailed(f"the old primary cannot follow: {type(error).__name__}") from error

    def stop(self) -> None:
        """End the server and the wire."""
        if self._server:
            self._server.stop()
        self.wire.stop()
