"""The load: continuous campaigns of many kinds, with a constant number of messages per second."""

import asyncio
import json
import random
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.chaos.commands import CommandStuck, dispatch, dispatch_until_ok
from tests.chaos.testbed import ChaosTestbed
from tests.soak.settings import LIMITED, SECOND, URGENT, campaign_toml
from times_dispatch.demo import recipients
from times_dispatch.ledger.model import CampaignId

_COMMAND_WITHIN_S = 100.0
"""Seconds for which a command that fails while Redis is away is repeated."""
_ENDED = ("is finished", "is cancelled")
_DONE = {"pause": _ENDED, "cancel": _ENDED, "resume": (*_ENDED, "is running")}
"""Texts of error messages that count as success."""


@dataclass(frozen=True)
class CampaignKind:
    """A kind of campaign, and the commands that a person runs for it."""

    name: str
    sender: str
    messages: int
    share: int
    """How often the kind is chosen, in relation to the other kinds."""
    has_links: bool = False
    is_retried: bool = False
    is_paused: bool = False
    """Whether the campaign is paused after a second, and resumed some seconds later."""
    is_cancelled: bool = False
    """Whether the campaign is cancelled after some seconds."""


KINDS = (
    CampaignKind("small", LIMITED, 25, 3),
    CampaignKind("urgent", URGENT, 10, 2),
    CampaignKind("large", LIMITED, 4_000, 2),
    CampaignKind("links", SECOND, 1_500, 3, has_links=True),
    CampaignKind("retried", SECOND, 1_000, 2, is_retried=True),
    CampaignKind("paused", LIMITED, 2_000, 2, is_paused=True),
    CampaignKind("cancelled", SECOND, 3_000, 1, is_cancelled=True),
)


@dataclass(frozen=True)
class SoakCampaign:
    """A campaign that was submitted, and what is compared of it later."""

    id: CampaignId
    kind: CampaignKind
    messages: int
    submitted_s: float
    """A time before the campaign's first push, in seconds since the epoch."""


class Load:
    """Submits campaigns until ``stop``."""

    def __init__(self, testbed: ChaosTestbed, *, rate_per_s: float, seed: int, scale: float = 1.0) -> None:
        """Make a load that has not begun.

        Args:
            testbed: the processes.
            rate_per_s: messages per second, over all campaigns.
            seed: decides the order of the campaigns.
            scale: the factor of the sizes in ``KINDS``.
        """
        self._testbed = testbed
        self._rate_per_s = rate_per_s
        self._seed = seed
        self._rng = random.Random(f"{seed}/load")
        self._scale = scale
        self._stopped = asyncio.Event()
        self._acts = set[asyncio.Task[None]]()
        self.submitted: list[SoakCampaign] = []

    def stop(self) -> None:
        """Submit no more campaigns."""
        self._stopped.set()

    async def run(self) -> None:
        """Submit campaigns of all kinds in random order, each after the time that the campaign before it needs."""
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        while not self._stopped.is_set():
            for kind in self._round():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), max(0.0, next_at - loop.time()))
                if self._stopped.is_set():
                    break
                campaign = await self._submit(kind)
                next_at = max(next_at, loop.time() - 30.0) + campaign.messages / self._rate_per_s
        await asyncio.gather(*self._acts)

    def _round(self) -> list[CampaignKind]:
        kinds = [kind for kind in KINDS for _ in range(kind.share)]
        self._rng.shuffle(kinds)
        return kinds

    async def _submit(self, kind: CampaignKind) -> SoakCampaign:
        number = len(self.submitted) + 1
        rows = self._testbed.stack.folder / f"soak-{number}.csv"
        file = rows.with_suffix(".toml")
        messages = max(5, round(kind.messages * self._scale))
        recipients.write(rows, messages, seed=self._seed * 100_000 + number, wrong=False)
        name = f"{kind.name} {number}"
        text = campaign_toml(name=name, sender=kind.sender, has_links=kind.has_links, is_retried=kind.is_retried)
        file.write_text(text, "utf-8")
        began_s = time.time()
        command = await dispatch_until_ok(
            self._testbed,
            *("submit", str(file), "--recipients", str(rows), "--yes", "--json"),
            within_s=_COMMAND_WITHIN_S,
        )
        campaign = SoakCampaign(CampaignId(json.loads(command.output)["campaign"]), kind, messages, began_s)
        self.submitted.append(campaign)
        rows.unlink()
        file.unlink()
        if kind.is_paused:
            self._begin(self._pause(campaign.id))
        if kind.is_cancelled:
            self._begin(self._cancel(campaign.id))
        return campaign

    def _begin(self, act: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(act)
        self._acts.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            self._acts.discard(task)  # a failed task is kept, so that run raises its error

    async def _pause(self, campaign: CampaignId) -> None:
        await asyncio.sleep(self._rng.uniform(0.5, 2.0))
        await self._command("pause", campaign)
        await asyncio.sleep(self._rng.uniform(2.0, 8.0))
        await self._command("resume", campaign)

    async def _cancel(self, campaign: CampaignId) -> None:
        await asyncio.sleep(self._rng.uniform(1.0, 6.0))
        await self._command("cancel", campaign, "--yes")

    async def _command(self, name: str, campaign: CampaignId, *options: str) -> None:
        """Repeat a command until it succeeds, or until the campaign has ended."""
        until = time.monotonic() + _COMMAND_WITHIN_S
        while True:
            command = await dispatch(self._testbed, name, campaign, *options)
            if command.status == 0 or any(text in command.errors for text in _DONE[name]):
                return
            if time.monotonic() > until:
                raise CommandStuck(f"dispatch {name} failed for {_COMMAND_WITHIN_S:.0f} s: {command.errors[-300:]}")
            await asyncio.sleep(0.5)
