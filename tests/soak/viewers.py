"""Viewers of the console: they log in, follow the live pages by server-sent events, and open other pages."""

import asyncio
import random
import re
from collections.abc import Callable, Sequence

import httpx

from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.model import CampaignId

_PAGES = ("/", "/campaigns", "/senders", "/numbers", "/templates", "/system")
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_ROLE = "viewer"
_TIMEOUT_S = 10.0
_LOOK_S = (5.0, 60.0)
_FOLLOWS_SHARE = 0.6


class Viewers:
    """Several people who read the console."""

    def __init__(self, stack: Stack, campaigns: Callable[[], Sequence[CampaignId]], *, count: int, seed: int) -> None:
        """Make viewers who have not begun.

        Args:
            stack: the processes.
            campaigns: returns the campaigns that a viewer may open now.
            count: how many people.
            seed: decides which pages they open.
        """
        self._stack = stack
        self._campaigns = campaigns
        self._count = count
        self._rng = random.Random(f"{seed}/viewers")
        self.logins = 0
        self.pages = 0
        self.events = 0
        self.lost = 0
        """How often the console refused a request or did not answer, because it was killed."""

    async def run(self) -> None:
        """Read pages until the task is cancelled."""
        await asyncio.gather(*(self._look() for _ in range(self._count)))

    async def _look(self) -> None:
        async with httpx.AsyncClient(base_url=self._stack.console_url, timeout=_TIMEOUT_S, trust_env=False) as client:
            while True:
                try:
                    await self._visit(client)
                except httpx.TransportError:
                    self.lost += 1
                await asyncio.sleep(self._rng.uniform(0.5, 3.0))

    async def _visit(self, client: httpx.AsyncClient) -> None:
        campaigns = self._campaigns()
        campaign = self._rng.choice(campaigns) if campaigns and self._rng.random() < 0.5 else None
        if self._rng.random() < _FOLLOWS_SHARE:
            await self._follow(client, f"/live/campaigns/{campaign}" if campaign else "/live/now")
        else:
            response = await client.get(f"/campaigns/{campaign}" if campaign else self._rng.choice(_PAGES))
            self.pages += response.status_code == httpx.codes.OK
            await self._log_in_if_needed(client, response)

    async def _follow(self, client: httpx.AsyncClient, path: str) -> None:
        ends = asyncio.get_running_loop().time() + self._rng.uniform(*_LOOK_S)
        async with client.stream("GET", path) as response:
            if response.status_code == httpx.codes.OK:
                async for chunk in response.aiter_bytes():
                    self.events += chunk.count(b"event: ")
                    if asyncio.get_running_loop().time() > ends:
                        return
                return
            await response.aread()
        await self._log_in_if_needed(client, response)

    async def _log_in_if_needed(self, client: httpx.AsyncClient, response: httpx.Response) -> None:
        if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            self.lost += 1
        if "/login" not in response.headers.get("location", "") and response.status_code != httpx.codes.UNAUTHORIZED:
            return
        form = _CSRF.search((await client.get("/login")).text)
        fields = {"name": _ROLE, "password": self._stack.console_users[_ROLE], "csrf": form[1] if form else ""}
        self.logins += (await client.post("/login", data=fields)).status_code == httpx.codes.SEE_OTHER
