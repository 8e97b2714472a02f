"""A real Celery worker: its rows in Flower, and the ways in which a worker is stopped or disturbed."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from celery import Celery
from kombu import pools
from redis.asyncio import Redis

from tests.kit.fake_provider import ACCEPTED, FakeProvider
from tests.kit.flower import Flower
from tests.kit.waiting import eventually
from tests.kit.workers import SENDER, WorkerRig
from times_dispatch.broker.app import UPKEEP_TASK, celery_app, wake_workers
from times_dispatch.broker.beat_scheduler import SENT_HEADER, TOKEN_HEADER
from times_dispatch.broker.queues import UPKEEP_QUEUE
from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process, clean_environment
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import address_of, connect
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.keys import BEAT_LEASE, UPKEEP_SINCE, BeatField
from times_dispatch.ledger.states import MessageState
from times_dispatch.settings.model import Settings

pytestmark = pytest.mark.processes

SETTINGS = """
[providers.times]
preset = "timesmobile-post"
default = true

[senders.TIMESM]
category = "service"
rate_per_s = 100

[worker]
grace_s = {grace_s}
"""
SECRETS = ("shop-user", "hunter2", "an-id-key-of-enough-bytes", "919800000", "name 1", "Dear")


class ProviderServer:
    """A provider on a real socket; while ``may_answer`` is not set, pushes get no answer."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.in_flight = 0
        self.port = free_port()

    async def __aenter__(self) -> "ProviderServer":
        app = web.Application()
        app.router.add_post("/message", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.may_answer.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.ids.append((await request.json())["corelationid"])
        self.in_flight += 1
        try:
            await self.may_answer.wait()
        finally:
            self.in_flight -= 1
        return web.json_response({"transactionId": len(self.ids), **ACCEPTED})


class ProcessScene:
    """One worker process with a Redis and a provider of its own."""

    def __init__(self, app: Celery, rig: WorkerRig, sms: ProviderServer, worker: Process) -> None:
        self.app = app
        self.rig = rig
        self.sms = sms
        self.worker = worker

    async def ready(self) -> None:
        await eventually(lambda: "ready." in self.worker.log_tail(100), within_s=60)

    async def wake_workers(self) -> None:
        await wake_workers(self.app, await self.rig.leases.issue(SENDER))

    async def accepted(self, messages: int = 1) -> None:
        async def are() -> bool:
            return await self.rig.count(MessageState.ACCEPTED) >= messages

        await eventually(are, within_s=60)

    async def ended(self, exit_code: int, *, within_s: float = 30) -> None:
        await eventually(lambda: not self.worker.running, within_s=within_s)
        assert self.worker.wait(0) == exit_code, self.worker.log_tail()

    @property
    def log(self) -> str:
        return self.worker.log.read_text()


def _environment(folder: Path, redis_url: str, port: int, grace_s: float) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    (folder / "dispatch.toml").write_text(SETTINGS.format(grace_s=grace_s))
    return {
        **clean_environment(),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "DISPATCH_SETTINGS": str(folder / "dispatch.toml"),
        "DISPATCH_REDIS_URL": redis_url,
        "DISPATCH_ID_KEY": "an-id-key-of-enough-bytes",
        "DISPATCH_CALLBACK_SECRET": "guess-me-if-you-can",
        "DISPATCH_PROVIDER_TIMES_USERNAME": "shop-user",
        "DISPATCH_PROVIDER_TIMES_PASSWORD": "hunter2",
        "DISPATCH_PROVIDER_TIMES_ENDPOINT": f"http://127.0.0.1:{port}/message",
    }


@asynccontextmanager
async def scene(folder: Path, redis_url: str, *options: str, grace_s: float) -> AsyncIterator[ProcessScene]:
    """Start a worker on this Redis, with more options of the command line; it is not ready yet."""
    async with ProviderServer() as sms, connect(redis_url) as redis:
        environment = _environment(folder, redis_url, sms.port, grace_s)
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "workers.app",
            "worker",
            "--without-gossip",
            "--without-mingle",
            *options,
        ]
        worker = Process("worker", command, environment=environment, folder=folder)
        worker.start()
        app = celery_app(Settings(redis_url=redis_url, broker_url=redis_url))
        try:
            yield ProcessScene(app, WorkerRig(redis, FakeProvider()), sms, worker)
        finally:
            worker.kill()
            app.close()


@pytest.fixture(autouse=True)
def _no_connection_is_left() -> Iterator[None]:
    yield
    pools.reset()


def _sigterm(scene: ProcessScene) -> None:
    scene.worker.send(signal.SIGTERM)


def _ctrl_c(scene: ProcessScene) -> None:
    scene.worker.send(signal.SIGINT)


def _flowers_button(scene: ProcessScene) -> None:
    scene.app.control.shutdown()


async def test_however_a_worker_is_stopped_its_batches_are_released_within_ten_seconds_and_nothing_is_in_doubt(
    tmp_path: Path, redis_url: str
) -> None:
    async def story(number: int, stop: Callable[[ProcessScene], None], exit_code: int) -> None:
        url = redis_url.replace("/0", f"/{number}")
        async with scene(tmp_path / str(number), url, grace_s=5) as stage:
            flower = Flower(stage.app)
            rig, sms = stage.rig, stage.sms
            await rig.submit(400, batch_size=200)
            await stage.ready()
            await stage.wake_workers()
            await stage.accepted()
            sms.may_answer.clear()
            await eventually(lambda: sms.in_flight >= 3)

            stop(stage)
            ending = asyncio.create_task(stage.ended(exit_code, within_s=60))
            await asyncio.sleep(0.3)  # so that the stop finds pushes in flight
            sms.may_answer.set()
            await ending

            await rig.check_counters()
            states = await rig.states()
            assert states.count("a") == len(sms.ids) == len(set(sms.ids))
            assert set(states) == {"a", "p"}
            assert await rig.lease_count() == 0
            _check_events_and_log(flower, stage.log)
            flower.close()

    await asyncio.gather(story(1, _sigterm, 0), story(2, _flowers_button, 0), story(3, _ctrl_c, 1))


def _check_events_and_log(flower: Flower, log: str) -> None:
    events = flower.receive_all()
    labels = {event["args"] for event in events if event["type"] == "task-received"}
    assert labels == {"diwali-sale 1/2 TIMESM", "diwali-sale 2/2 TIMESM"}
    assert log.count('"event":"batch"') == 2
    assert "Traceback" not in log
    for secret in SECRETS:
        assert secret not in log
        assert secret not in str(events)


async def test_a_worker_with_another_id_key_ends_with_2_and_pushes_nothing(tmp_path: Path, redis: Redis) -> None:
    await IdKeyGuard(redis, b"the-key-of-all-others").register()
    url = f"redis://{address_of(redis)}/0"
    async with scene(tmp_path, url, grace_s=0.5) as stage:
        await stage.rig.submit(10)
        await stage.ended(2, within_s=60)
        assert stage.log.count("DISPATCH_ID_KEY is not the key with which the other processes of this ledger") == 1
        assert "Traceback" not in stage.log
        assert stage.sms.ids == []
        for secret in SECRETS:
            assert secret not in stage.log


async def test_a_worker_with_too_few_threads_for_upkeep_ends_with_2(tmp_path: Path, redis: Redis) -> None:
    async with scene(tmp_path, f"redis://{address_of(redis)}/0", "--concurrency=8", grace_s=0.5) as stage:
        await stage.ended(2, within_s=60)
        assert stage.log.count("--concurrency 8 is too small: leave out this option, or use more than 8") == 1
        assert "Traceback" not in stage.log


async def test_a_message_of_beat_that_is_old_or_of_a_replaced_beat_starts_no_upkeep(
    tmp_path: Path, redis: Redis
) -> None:
    async with scene(tmp_path, f"redis://{address_of(redis)}/0", grace_s=0.5) as stage:
        await stage.ready()
        await redis.hset(BEAT_LEASE, BeatField.TOKEN, "7")

        async def send(token: int | None, age_s: float = 0.0) -> None:
            sent_ms = (await redis.time())[0] * 1000 - round(age_s * 1000)
            headers = {} if token is None else {TOKEN_HEADER: token, SENT_HEADER: sent_ms}
            stage.app.send_task(UPKEEP_TASK, queue=UPKEEP_QUEUE, headers=headers)

        await send(6)
        await eventually(lambda: '"reason":"of a replaced beat"' in stage.log)
        await send(7, age_s=7)
        await eventually(lambda: '"reason":"old"' in stage.log)
        assert await redis.exists(UPKEEP_SINCE) == 0
        for accepted in (7, None):  # a beat of an older version has no token
            await send(accepted)
            await eventually(lambda: redis.exists(UPKEEP_SINCE))
            await redis.delete(UPKEEP_SINCE)


async def test_a_worker_outlives_a_redis_that_is_unavailable_refuses_to_write_or_is_mute_and_a_terminate(
    tmp_path: Path,
) -> None:
    with EmbeddedServer(appendonly=True, appendfsync="always") as server:
        server.kill()
        async with scene(tmp_path, server.url, grace_s=0.5) as stage:
            await eventually(lambda: "no connection" in stage.log, within_s=60)
            server.restart()
            await stage.ready()

            redis = stage.rig.redis
            await stage.rig.submit(100)
            await redis.replicaof("127.0.0.1", free_port())
            await eventually(lambda: "read only replica" in stage.log, within_s=60)
            await redis.replicaof("NO", "ONE")
            await stage.wake_workers()
            await stage.accepted()

            active = stage.app.control.inspect(timeout=4).active() or {}
            task_ids = [task["id"] for tasks in active.values() for task in tasks]
            assert task_ids
            stage.app.control.revoke(task_ids, terminate=True)
            await stage.accepted(100)
            assert "cannot be terminated" in stage.log
            assert len(stage.sms.ids) == len(set(stage.sms.ids)) == 100
            await stage.rig.check_counters()

            server.send(signal.SIGSTOP)
            stage.worker.send(signal.SIGTERM)
            await stage.ended(1)
            server.send(signal.SIGCONT)
