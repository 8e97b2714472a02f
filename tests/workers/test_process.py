"""A real Celery worker: its row in Flower, and all the ways in which it is stopped or disturbed."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from celery import Celery
from kombu import pools
from redis.asyncio import Redis

from campaigns.connection import connect
from campaigns.embedded import EmbeddedServer
from campaigns.states import MessageState
from demo.processes import Process, free_port, inherited
from settings import Settings
from settings.broker import celery_app, ring
from tests.workers.conftest import ACCEPTED, SENDER, Gateway, House, until
from tests.workers.flower import Flower

pytestmark = pytest.mark.processes

SETTINGS = """
[providers.times]
preset = "timesmobile-post"
default = true

[senders.TIMESM]
category = "service"
rate_per_s = 100
"""
SECRETS = ("shop-user", "hunter2", "an-id-key-of-enough-bytes", "9198", "name 1", "Dear")


class Provider:
    """A provider on a real socket; while ``gate`` is closed pushes get no answer."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.in_flight = 0
        self.port = free_port()

    async def __aenter__(self) -> "Provider":
        app = web.Application()
        app.router.add_post("/message", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gate.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.ids.append((await request.json())["corelationid"])
        self.in_flight += 1
        try:
            await self.gate.wait()
        finally:
            self.in_flight -= 1
        return web.json_response({"transactionId": len(self.ids), **ACCEPTED})


@pytest.fixture
async def sms() -> AsyncIterator[Provider]:
    async with Provider() as started:
        yield started


@pytest.fixture
def app(redis_url: str) -> Iterator[Celery]:
    made = celery_app(Settings(redis_url=redis_url, broker_url=redis_url))
    yield made
    pools.reset()
    made.close()


@pytest.fixture
def flower(app: Celery) -> Iterator[Flower]:
    listening = Flower(app)
    yield listening
    listening.close()


@pytest.fixture
def start(tmp_path: Path, sms: Provider) -> Iterator[Callable[[str], Process]]:
    """Start a worker on the Redis at this URL."""
    (tmp_path / "dispatch.toml").write_text(SETTINGS)
    command = ["-m", "celery", "-A", "workers.app", "worker", "--without-gossip", "--without-mingle"]
    started: list[Process] = []

    def start_one(url: str) -> Process:
        environment = {
            **inherited(),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "DISPATCH_SETTINGS": str(tmp_path / "dispatch.toml"),
            "DISPATCH_REDIS_URL": url,
            "DISPATCH_ID_KEY": "an-id-key-of-enough-bytes",
            "DISPATCH_CALLBACK_SECRET": "guess-me-if-you-can",
            "DISPATCH_PROVIDER_TIMES_USERNAME": "shop-user",
            "DISPATCH_PROVIDER_TIMES_PASSWORD": "hunter2",
            "DISPATCH_PROVIDER_TIMES_ENDPOINT": f"http://127.0.0.1:{sms.port}/message",
        }
        process = Process(
            f"worker-{len(started)}", [sys.executable, *command], environment=environment, folder=tmp_path
        )
        started.append(process)
        process.start()
        return process

    yield start_one
    for process in started:
        process.kill()


async def _ready(worker: Process) -> None:
    await until(lambda: "ready." in worker.last_words(100), within_s=30)


async def _ring_for_all(house: House, app: Celery) -> None:
    ring(app, await house.work.issue(SENDER))


async def _end_within_s(seconds: float, worker: Process, *, exit_code: int = 0) -> None:
    await until(lambda: not worker.running, within_s=seconds)
    assert worker.wait(0) == exit_code, worker.last_words()


def _shut_down_from_flower(app: Celery, _worker: Process) -> None:
    app.control.shutdown()


def _sigterm(_app: Celery, worker: Process) -> None:
    worker.send(signal.SIGTERM)


@pytest.mark.parametrize("stop", [_sigterm, _shut_down_from_flower])
async def test_a_stop_hands_everything_back_within_ten_seconds_and_leaves_nothing_in_doubt(
    *,
    redis: Redis,
    redis_url: str,
    sms: Provider,
    app: Celery,
    flower: Flower,
    start: Callable[[str], Process],
    stop: Callable[[Celery, Process], None],
) -> None:
    house = House(redis, Gateway())
    await house.submit(400, batch_size=200)
    worker = start(redis_url)
    await _ready(worker)
    await _ring_for_all(house, app)
    await until(lambda: house.count(MessageState.ACCEPTED), within_s=20)
    sms.gate.clear()
    await until(lambda: sms.in_flight >= 3)

    stop(app, worker)
    ending = asyncio.create_task(_end_within_s(10, worker))
    await asyncio.sleep(0.3)  # the stop finds pushes in flight
    sms.gate.set()
    await ending

    await house.balance()
    states = await house.states()
    assert states.count("a") == len(sms.ids) == len(set(sms.ids))
    assert set(states) == {"a", "p"}
    assert await house.leases() == 0

    events = flower.hear_all()
    batches = [event for event in events if event["type"] == "task-received"]
    assert {event["args"] for event in batches} == {"diwali-sale 1/2 TIMESM", "diwali-sale 2/2 TIMESM"}
    said = str(events) + worker.log.read_text()
    for secret in SECRETS:
        assert secret not in said
    assert worker.log.read_text().count('"event":"batch"') == 2
    assert "Traceback" not in said


async def test_a_worker_survives_a_terminate_and_a_redis_that_is_not_there_or_refuses_to_write(
    sms: Provider, start: Callable[[str], Process]
) -> None:
    with EmbeddedServer(appendonly=True, appendfsync="always") as server:
        server.kill()
        worker = start(server.url)
        await until(lambda: "away" in worker.last_words(100), within_s=30)
        server.restart()
        await _ready(worker)
        app = celery_app(Settings(redis_url=server.url, broker_url=server.url))
        async with connect(server.url) as redis:
            house = House(redis, Gateway())
            await house.submit(100)
            await redis.replicaof("127.0.0.1", free_port())
            await asyncio.sleep(1.5)  # long enough for Celery to meet a command that is refused
            await redis.replicaof("NO", "ONE")
            await _ring_for_all(house, app)
            await until(lambda: house.count(MessageState.ACCEPTED), within_s=30)
            running = app.control.inspect(timeout=1).active() or {}
            task_ids = [task["id"] for tasks in running.values() for task in tasks]
            app.control.revoke(task_ids, terminate=True)
            assert task_ids
            await until(lambda: _all_accepted(house), within_s=30)
            await house.balance()
        assert worker.running
        assert len(sms.ids) == len(set(sms.ids)) == 100
        worker.send(signal.SIGINT)
        await _end_within_s(10, worker, exit_code=1)
        pools.reset()
        app.close()
    assert "cannot be terminated" in worker.log.read_text()


async def _all_accepted(house: House) -> bool:
    return await house.count(MessageState.ACCEPTED) == 100
