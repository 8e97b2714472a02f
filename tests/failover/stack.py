"""A stack whose ledger and broker are behind Sentinel."""

from typing import Any
from urllib.parse import urlsplit

from tests.kit.sentinel import SentinelGroup
from times_dispatch.demo.stack import Stack


class StackBehindSentinel(Stack):
    """All processes, and commands, find Redis through three sentinels."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        password = urlsplit(self.redis.url).password or ""
        self.group = SentinelGroup(self.redis, password=password)

    def redis_url(self, process: str) -> str:
        """Return the URL of the sentinels."""
        return self.group.url

    def start(self, **options: Any) -> None:
        """Start Redis, its replicas and the sentinels, and then the processes."""
        self.redis.start()
        self.group.start()
        super().start(**options)

    def stop(self) -> None:
        """Stop the processes, and then the sentinels and all servers."""
        try:
            super().stop()
        finally:
            self.group.close()
