"""Workers without Celery: dispatchers in the test's own loop, a real Redis, and a provider that does as it is told."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from times_dispatch.ledger.control import Control
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.leases import BatchLeases, BatchReady
from times_dispatch.ledger.maintenance import Maintenance, still_wrong
from times_dispatch.ledger.model import BatchRef, CampaignId, CampaignView, Plan, Recipients, SenderId
from times_dispatch.ledger.queries import MessageView, Queries
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.submission import Submissions
from times_dispatch.provider.client import Client
from times_dispatch.provider.description.provider import Provider, timesmobile_post
from times_dispatch.settings.model import Settings, SettingsFile
from workers.dispatcher import Dispatcher

SENDER = SenderId("TIMESM")
CAMPAIGN = CampaignId("diwali01")
YEAR_2100_MS = 4_102_444_800_000
ACCEPTED = {"state": "SUBMIT_ACCEPTED", "statusCode": 200, "description": "Message accepted successfully", "pdu": 1}


def answer(body: dict[str, Any], status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers=headers)


def refused(code: int) -> httpx.Response:
    return answer({"transactionId": 0, "state": "SUBMIT_FAILED", "statusCode": code, "description": "no"})


class Arrived(NamedTuple):
    """One push as the provider saw it."""

    at: float
    """On the monotonic clock."""
    to: str
    text: str
    id: str


Reply = httpx.Response | Exception | None
"""What the provider does with a push; None is to accept it."""


class Gateway(httpx.AsyncBaseTransport):
    """Stands for the provider on the other side of a client; ``reply`` decides what a push gets."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.reply: Callable[[Arrived], Reply] = lambda _: None
        self.gate = asyncio.Event()
        """While it is closed pushes stay in flight: those that ``held`` names."""
        self.gate.set()
        self.held: Callable[[Arrived], bool] = lambda _: True
        self.in_flight = 0

    @property
    def ids(self) -> list[str]:
        return [push.id for push in self.arrived]

    def script(self, *replies: Reply) -> None:
        """Answer the next pushes like this, and accept what comes after them."""
        coming = iter(replies)
        self.reply = lambda _: next(coming, None)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = msgspec.json.decode(request.content)
        push = Arrived(time.monotonic(), body["to"], body["text"], body["corelationid"])
        self.arrived.append(push)
        self.in_flight += 1
        try:
            if self.held(push):
                await self.gate.wait()
        finally:
            self.in_flight -= 1
        match self.reply(push):
            case None:
                return answer({"transactionId": 1000 + len(self.arrived), **ACCEPTED})
            case httpx.Response() as response:
                return response
            case Exception() as error:
                raise error


class Worker:
    """A dispatcher, and what Celery does around it."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self._runs: set[asyncio.Task[str]] = set()
        self.ended: list[str] = []

    def ring(self, refs: Sequence[BatchRef]) -> None:
        for ref in refs:
            run = asyncio.create_task(self.dispatcher.run(ref))
            self._runs.add(run)
            run.add_done_callback(self._ended)

    def _ended(self, run: asyncio.Task[str]) -> None:
        self._runs.discard(run)
        if not run.cancelled():
            self.ended.append(run.result())

    async def quiet(self, within_s: float = 10.0) -> None:
        """Wait until it has nothing to do."""
        async with asyncio.timeout(within_s):
            while self._runs:
                await asyncio.wait(self._runs)


class House:
    """A ledger, a provider, and any number of workers that hear the same bells."""

    def __init__(self, redis: Redis, gateway: Gateway) -> None:
        self.redis = redis
        self.gateway = gateway
        self.second = Gateway()
        """On the other side of the provider ``second``."""
        self.work = BatchLeases(redis)
        self.control = Control(redis)
        self.repair = Maintenance(redis)
        self.views = Queries(redis)
        self.rung: list[BatchReady] = []
        self.workers: list[Worker] = []

    async def submit(
        self,
        messages: int = 3,
        *,
        batch_size: int = 100,
        campaign: str = CAMPAIGN,
        parts: int = 1,
        parts_known: int | None = None,
        slots: int = 1,
        opted_out: Sequence[int] = (),
        **changes: Any,
    ) -> CampaignId:
        """Submit a campaign whole, as a producer does (but for ``parts_known``, of how many rows they are known).

        ``opted_out`` are indexes within the first batch.
        """
        about: dict[str, Any] = {
            "name": "diwali-sale",
            "sender": SENDER,
            "provider": "times",
            "template": "greeting",
            "content_id": "1107160000000000001",
            "text": "Dear {#var#}",
            "category": "service",
            "valid_until_ms": YEAR_2100_MS,
        }
        made = Plan(**{**about, **changes})
        submissions = Submissions(self.redis)
        claimed = await submissions.claim(campaign, made.sender, CampaignId(campaign))
        await submissions.begin(claimed, made, batch_size=batch_size)
        for number, first in enumerate(range(0, messages, batch_size)):
            rows = range(first, min(first + batch_size, messages))
            columns = [[f"name {row}" for row in rows]] * slots
            batch = Recipients(
                first,
                [f"9198{row:08}" for row in rows],
                [row + 2 for row in rows],
                columns,
                [parts] * (parts_known or len(rows)),
            )
            await submissions.add_batch(claimed, made.sender, number, batch, opted_out=opted_out if number == 0 else ())
        await submissions.seal(claimed, made.sender, total=messages, batches=-(-messages // batch_size))
        return claimed

    @asynccontextmanager
    async def worker(
        self,
        *,
        rates: dict[str, float] | None = None,
        redis: Redis | None = None,
        most_batches: int = 192,
        chain: Sequence[str] = ("times",),
        make_client: Callable[[Provider], Client] | None = None,
        of_senders: dict[str, str] | None = None,
        **options: Any,
    ) -> AsyncIterator[Worker]:
        """A worker that hears the bells it rings itself; ``options`` are of ``[worker]``."""
        file = SettingsFile.model_validate(
            {
                "providers": {name: {"preset": "timesmobile-post"} for name in chain},
                "senders": {
                    name: {"provider": list(chain), "category": "service", "rate_per_s": rate, **(of_senders or {})}
                    for name, rate in (rates or {SENDER: 0.0}).items()
                },
                "worker": {"grace_s": 0.3, **options},
            }
        )
        settings = Settings(
            redis_url="",
            broker_url="",
            id_key=b"an-id-key-of-enough-bytes",
            providers={name: provider(name) for name in chain},
            senders=file.senders,
            worker=file.worker,
        )

        async def ring(rings: Sequence[BatchReady]) -> None:
            self.rung += rings
            worker.ring([ring.ref for ring in rings])

        dispatcher = Dispatcher(
            settings,
            redis or self.redis,
            wake_workers=ring,
            most_batches=most_batches,
            make_client=make_client or self.client,
        )
        worker = Worker(dispatcher)
        await dispatcher.start()
        try:
            yield worker
        finally:
            await dispatcher.stop()
            await worker.quiet()
            await dispatcher.close()
            held = settings.worker.max_in_flight - dispatcher._capacity.free
            assert held == 0, f"{held} places for pushes were never given back"

    def client(self, about: Provider) -> Client:
        return Client(about, self.second if about.nickname == "second" else self.gateway)

    async def issue(self, worker: Worker | None = None, sender: SenderId = SENDER) -> list[BatchRef]:
        """Hand out batches as upkeep does, and ring for them."""
        refs = [ring.ref for ring in await self.work.issue(sender)]
        if worker:
            worker.ring(refs)
        return refs

    async def send(self, **options: Any) -> Worker:
        """Let one worker send all it is given."""
        async with self.worker(**options) as worker:
            await self.issue(worker)
            await worker.quiet()
        return worker

    async def run_out(self, *refs: BatchRef) -> None:
        """Move the deadlines of leases into the past, and let upkeep take the batches in."""
        for ref in refs:
            await self.redis.zadd(f"{hash_tag(ref.sender)}:leases", {f"{ref.campaign}:{ref.number}": 1}, xx=True)
        await self.repair.expire_leases(SENDER)

    async def view(self, campaign: CampaignId = CAMPAIGN) -> CampaignView:
        return await self.views.campaign(campaign)

    async def messages(self, campaign: CampaignId = CAMPAIGN) -> list[MessageView]:
        return [message async for message in self.views.messages(campaign)]

    async def states(self, campaign: CampaignId = CAMPAIGN) -> str:
        """One letter per message."""
        return "".join(message.record.state for message in await self.messages(campaign))

    async def count(self, state: MessageState, campaign: CampaignId = CAMPAIGN) -> int:
        return (await self.view(campaign)).counts[state]

    async def leases(self, sender: SenderId = SENDER) -> int:
        return int(await self.redis.zcard(f"{hash_tag(sender)}:leases"))

    async def balance(self) -> None:
        """Fail unless the counters of every campaign equal what the records say."""
        for view in await self.views.campaigns():
            states = Counter(message.record.state for message in await self.messages(view.id))
            assert {state: count for state, count in view.counts.items() if count} == states, view.id
            assert await still_wrong(self.redis, view.plan.sender, view.id) is None


def provider(nickname: str = "times", endpoint: str = "http://127.0.0.1:9/ct") -> Provider:
    return timesmobile_post(nickname=nickname, username="shop", password="hunter2", endpoint=endpoint)


async def until(reached: Callable[[], Any], *, within_s: float = 10.0) -> None:
    """Ask again and again until the answer (which may be awaitable) is true."""
    async with asyncio.timeout(within_s):
        while True:
            answer = reached()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.005)


@pytest.fixture
async def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def house(redis: Redis, gateway: Gateway) -> AsyncIterator[House]:
    """An empty house; at the end of the test its books must balance, and no task may be left."""
    before = asyncio.all_tasks()
    house = House(redis, gateway)
    yield house
    await house.balance()
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, left
