"""Checks whether lost providers can be reached: opens a connection to each at growing intervals, and sends nothing."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from times_dispatch.clock import Clock
from times_dispatch.provider.client import Client
from times_dispatch.provider.reach import ProviderReach
from times_dispatch.settings.logs import failure

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 0.1
"""How often the watch asks which connections are due, while a provider is lost."""


class ReachWatch:
    """Tries connections for one process until the process is closed."""

    def __init__(self, reach: ProviderReach, clients: Mapping[str, Client], *, clock: Clock) -> None:
        """Make the watch.

        Args:
            reach: the notes of the process about its providers.
            clients: a client for each provider, by the provider's nickname.
            clock: the clock of the waits.
        """
        self._reach = reach
        self._clients = clients
        self._clock = clock

    async def run(self) -> None:
        """Try connections while providers are lost; runs until it is cancelled."""
        while True:
            await self._reach.has_lost.wait()
            log.warning("a provider is lost to this process", to_do="look at the network of this host")
            while self._reach.has_lost.is_set():
                await self._try_all(self._reach.due())
                await self._clock.sleep(_LOOK_EVERY_S)
            log.info("providers answer this process again")

    async def _try_all(self, providers: Sequence[str]) -> None:
        """Try connections; an unexpected error counts as a failed connection, and does not end the watch."""
        tries = await asyncio.gather(*map(self._try_connection, providers), return_exceptions=True)
        for provider, error in zip(providers, tries, strict=True):
            if isinstance(error, Exception):
                log.error("connection failed", provider=provider, **failure(error))
                self._reach.note_connection(provider, is_made=False)

    async def _try_connection(self, provider: str) -> None:
        client = self._clients.get(provider)
        is_made = client is None or await client.can_connect()
        self._reach.note_connection(provider, is_made=is_made)
