"""A campaign whose messages are sent, posted bodies, and the real processes, for tests of callbacks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
from redis.asyncio import Redis

from callbacks.streams import BODY, REPORTS, unpack
from tests.kit.watched import Watched
from times_dispatch.demo.local_ports import free_port
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import CampaignId, Plan, Recipients, SenderId
from times_dispatch.ledger.openings import Block, new_operation
from times_dispatch.ledger.push_results import Result
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.submission import Submissions
from times_dispatch.provider.correlation_ids import CorrelationIds, new_campaign_id

ID_KEY = "an-id-key-of-enough-bytes"
SECRET = "a-secret-path-of-the-tests"
SENDER = SenderId("TIMESM")
NOW_S = 1_795_300_000
_STARTS_WITHIN_S = 300.0

SETTINGS = """
[providers.times]
preset = "timesmobile-post"
default = true

[senders.TIMESM]
category = "service"
"""


def row(meta: str, **more: Any) -> dict[str, Any]:
    return {"ts": NOW_S, "meta": meta, **more}


def posted(event: str, *rows: dict[str, Any]) -> bytes:
    """Return the body that a provider posts for rows of one event."""
    return msgspec.json.encode([{"event": event, "data": list(rows)}])


async def payloads(redis: Redis, stream: str) -> list[bytes]:
    """Return the payloads of a stream's entries."""
    entries: Any = await redis.xrange(stream)
    return [fields[BODY] for _, fields in entries]


async def stored(redis: Redis) -> list[bytes]:
    """Return the stored bodies that no reconciler has applied and deleted."""
    return [body for payload in await payloads(redis, REPORTS) for body in unpack(payload)]


class SentCampaign:
    """A campaign in the ledger of which the provider has accepted all messages."""

    def __init__(self, redis: Redis, ids: CorrelationIds, campaign: CampaignId, total: int) -> None:
        self.campaign = campaign
        self.total = total
        self._ids = ids
        self._queries = Queries(redis)

    def meta(self, index: int, attempt: int = 0) -> str:
        return self._ids.make(self.campaign, index, attempt)

    async def count(self, state: MessageState) -> int:
        return (await self._queries.campaign(self.campaign)).counts[state]

    async def stat(self, name: str) -> int:
        return (await self._queries.campaign(self.campaign)).stats.get(name, 0)


async def send_campaign(redis: Redis, ids: CorrelationIds, *, total: int = 20, batch_size: int = 10) -> SentCampaign:
    """Submit a campaign and record all of its messages as accepted, as a producer and a worker would."""
    submissions, leases = Submissions(redis), BatchLeases(redis)
    campaign = await submissions.claim(new_campaign_id(), SENDER, CampaignId(new_campaign_id()))
    plan = Plan(
        name="reports",
        sender=SENDER,
        provider="times",
        template="t",
        content_id="1",
        text="Hi",
        category="service",
        valid_until_ms=4_000_000_000_000,
    )
    await submissions.begin(campaign, plan, batch_size=batch_size)
    for number, first in enumerate(range(0, total, batch_size)):
        size = min(batch_size, total - first)
        recipients = Recipients(first, [f"9198765{i:05}" for i in range(size)], list(range(size)), [], [1] * size)
        await submissions.add_batch(campaign, SENDER, number, recipients)
    await submissions.seal(campaign, SENDER, total=total, batches=-(-total // batch_size))
    while ready := await leases.issue(SENDER):
        for batch in ready:
            lease = await leases.take(batch.ref)
            assert lease
            while isinstance(
                block := await leases.open_block(lease, max_messages=500, operation=new_operation()), Block
            ):
                results = [Result(index, block.number, b"a", 200, "7", 1) for index, _ in block.messages]
                await leases.record(lease, results, provider="times")
            await leases.release(lease)
    sent = SentCampaign(redis, ids, campaign, total)
    assert await sent.count(MessageState.ACCEPTED) == total
    return sent


class Processes:
    """Starts receivers and reconcilers as processes of their own, and ends all of them."""

    def __init__(self, folder: Path, settings: str = SETTINGS) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self._settings = folder / "dispatch.toml"
        self._settings.write_text(settings)

    def start(self, *command: str, redis_url: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{len(self._started)}.log").open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, *command],
                env={
                    **os.environ,
                    "DISPATCH_SETTINGS": str(self._settings),
                    "DISPATCH_REDIS_URL": redis_url,
                    "DISPATCH_ID_KEY": ID_KEY,
                    "DISPATCH_CALLBACK_SECRET": SECRET,
                    **environment,
                },
                stdout=out,
                stderr=out,
            )
        self._started.append(process)
        return process

    def receiver(
        self, redis_url: str, command: Sequence[str] = ("-m", "callbacks.receiver"), **environment: str
    ) -> tuple[subprocess.Popen[bytes], str]:
        """Start a receiver, or the links process, wait until the process listens, and return it with its base URL."""
        address = f"127.0.0.1:{free_port()}"
        environment |= {f"DISPATCH_{name}_LISTEN": address for name in ("CALLBACKS", "LINKS", "METRICS")}
        process = self.start(*command, redis_url=redis_url, **environment)
        url = f"http://{address}"
        transport = httpx.HTTPTransport(retries=0)
        with httpx.Client(transport=transport) as client:
            until_s = time.monotonic() + _STARTS_WITHIN_S
            while time.monotonic() < until_s:
                assert process.poll() is None, self.logs()
                try:
                    if client.get(f"{url}/health").status_code == 200:
                        return process, url
                except httpx.TransportError:
                    signal.sigtimedwait([], 0.02)
        raise AssertionError(self.logs())

    def reconciler(self, redis_url: str, **environment: str) -> subprocess.Popen[bytes]:
        return self.start("-m", "callbacks.reconciler", redis_url=redis_url, **environment)

    def watched_receiver(self, redis_url: str, **environment: str) -> tuple[Watched, str]:
        """Start a receiver whose memory and stalls are measured; return the measurements and the base URL."""
        figures = self._folder / "receiver.figures"
        command = ("-m", "tests.kit.watched", "callbacks.receiver", str(figures))
        process, url = self.receiver(redis_url, command, **environment)
        watched = Watched(process, figures)
        watched.forget()
        return watched, url

    def watched_reconciler(self, redis_url: str, **environment: str) -> Watched:
        """Start a reconciler whose memory and stalls are measured."""
        figures = self._folder / "reconciler.figures"
        process = self.start(
            "-m", "tests.kit.watched", "callbacks.reconciler", str(figures), redis_url=redis_url, **environment
        )
        return Watched(process, figures)

    def logs(self) -> str:
        """Return the log lines of all the processes."""
        return "\n".join(path.read_text() for path in sorted(self._folder.glob("*.log")))

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()
