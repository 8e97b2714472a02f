"""Alerts from the observation to the targets, also with two processes, restarts and targets that accept nothing."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from structlog.testing import capture_logs

from tests.kit.callbacks import SETTINGS, Processes
from tests.kit.clock import FakeClock
from tests.kit.ledger import SENDER, Ledger
from tests.kit.processes_seen import let_run
from tests.kit.redis_clock import moved_clock
from tests.kit.redis_users import add_users
from tests.kit.waiting import eventually, loop_turns
from tests.kit.webhook import Webhook
from times_dispatch.alerts.messages import AlertMessage
from times_dispatch.alerts.observation import Observer
from times_dispatch.alerts.service import AlertService
from times_dispatch.alerts.targets import AppriseTarget
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.keys import ALERTS_WATCHED, WatchedField
from times_dispatch.ledger.monitoring.alerts import AlertChange, AlertStore, read_target_states
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.settings.tables.alerts import AlertSettings, AlertTargetSettings

BRAKED = "campaign diwali01 (diwali-sale) of sender TIMESM is braked; when that is fixed: dispatch resume diwali01"
SECRET = "a-secret-token-of-the-test"


class Recorder:
    """A target that records each notification, and refuses notifications while ``reason`` is set."""

    def __init__(self) -> None:
        self.notified = list[str]()
        self.reason = ""
        self.is_free = asyncio.Event()
        self.is_free.set()

    async def send(self, message: AlertMessage, *, stop: asyncio.Event | None = None) -> str:
        await self.is_free.wait()
        if not self.reason:
            self.notified.append(message.body)
        return self.reason


def settings(**targets: AlertTargetSettings) -> AlertSettings:
    return AlertSettings(targets=targets)


def service(redis: Redis, **targets: Recorder | AppriseTarget) -> AlertService:
    rules = settings(**dict.fromkeys(targets, AlertTargetSettings()))
    return AlertService(AlertStore(redis), Observer(redis).observe, rules, targets, every_s=0.02)


async def rounds(*services: AlertService, number: int = 3) -> None:
    for _ in range(number):
        for one in services:
            await one.round()
            await asyncio.sleep(0)


@pytest.fixture
async def braked(ledger: Ledger) -> Ledger:
    """A ledger with a braked campaign, where workers run."""
    await let_run(ledger.redis, ProcessKind.WORKER, ProcessKind.BEAT)
    campaign = await ledger.submit()
    await ledger.control.campaign(SENDER, campaign, ControlAction.BRAKE)
    return ledger


async def test_an_alert_is_told_once_by_two_processes_and_after_restarts(braked: Ledger) -> None:
    oncall = Recorder()
    await rounds(service(braked.redis, oncall=oncall), service(braked.redis, oncall=oncall))
    assert oncall.notified == [BRAKED]
    for _ in range(3):
        restarted, stop = service(braked.redis, oncall=oncall), asyncio.Event()
        running = asyncio.create_task(restarted.run(stop))
        await eventually(lambda one=restarted: _leads(one))  # type: ignore[misc]
        stop.set()
        await running
    assert oncall.notified == [BRAKED]


async def test_a_stop_notes_what_is_being_told_so_that_the_next_process_does_not_tell_it_again(braked: Ledger) -> None:
    oncall, stop = Recorder(), asyncio.Event()
    oncall.is_free.clear()
    running = asyncio.create_task(service(braked.redis, oncall=oncall).run(stop))
    await eventually(lambda: _claims(braked.redis))
    stop.set()
    await loop_turns()
    oncall.is_free.set()
    await running
    assert oncall.notified == [BRAKED]
    await rounds(service(braked.redis, oncall=oncall))
    assert oncall.notified == [BRAKED]


async def _claims(redis: Redis) -> bool:
    records = (await AlertStore(redis).read()).open.values()
    return any(notified.claimed_ms for record in records for notified in record.notified.values())


async def test_a_target_that_hangs_or_refuses_delays_no_other_and_is_named(braked: Ledger) -> None:
    hanging, refusing, good = Recorder(), Recorder(), Recorder()
    hanging.is_free.clear()
    refusing.reason = "HTTP 401"
    one = service(braked.redis, hanging=hanging, refusing=refusing, good=good)
    await rounds(one, number=5)
    assert good.notified == [BRAKED]
    states = await read_target_states(braked.redis)
    assert (states["refusing"].failures, states["refusing"].reason) == (1, "HTTP 401")
    assert states["refusing"].next_try_ms - states["refusing"].failing_since_ms == 30_000
    assert "hanging" not in states
    hanging.is_free.set()
    await rounds(one)
    assert hanging.notified == [BRAKED]


async def test_an_error_that_no_target_should_raise_is_logged_without_its_words(braked: Ledger) -> None:
    class Failing(Recorder):
        async def send(self, message: AlertMessage, *, stop: asyncio.Event | None = None) -> str:
            raise TypeError(SECRET)

    good = Recorder()
    with capture_logs() as lines:
        await rounds(service(braked.redis, failing=Failing(), good=good))
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert (line["target"], line["error"]) == ("failing", "TypeError")
    assert SECRET not in str(line)
    assert good.notified == [BRAKED]


async def test_a_target_that_failed_gets_the_alert_when_it_takes_messages_again(braked: Ledger) -> None:
    oncall = Recorder()
    oncall.reason = "HTTP 500"
    await rounds(one := service(braked.redis, oncall=oncall))
    oncall.reason = ""
    await braked.redis.delete("{alerts}:targets")  # ends the pause of half a minute
    await rounds(one)
    assert oncall.notified == [BRAKED]
    assert (await read_target_states(braked.redis))["oncall"].failures == 0


async def test_a_target_that_left_the_settings_is_forgotten(braked: Ledger) -> None:
    oncall = Recorder()
    oncall.reason = "HTTP 401"
    first = service(braked.redis, oncall=oncall)
    await rounds(first)
    stop = asyncio.Event()
    stop.set()
    await first.run(stop)
    await eventually(_round_that_leads(service(braked.redis, mail=Recorder())))
    assert "oncall" not in await read_target_states(braked.redis)


async def _leads(one: AlertService) -> bool:
    return bool(one.figures()["leads"])


def _round_that_leads(one: AlertService) -> Callable[[], Awaitable[bool]]:
    async def run() -> bool:
        await one.round()
        return bool(one.figures()["leads"])

    return run


async def test_heartbeats_say_who_decides_and_how_many_alerts_are_open(braked: Ledger) -> None:
    first, second = service(braked.redis), service(braked.redis)
    await rounds(first, second)
    assert first.figures() == {"leads": 1, "open": 1}
    assert second.figures() == {"leads": 0, "open": 0}


async def test_a_lost_ledger_ends_no_service(redis: Redis) -> None:
    class Broken(AlertStore):
        calls = 0

        async def keep(self, changes: object = ()) -> bool:
            self.calls += 1
            raise ConnectionError

    broken, stop = Broken(redis), asyncio.Event()
    one = AlertService(broken, lambda _: asyncio.sleep(0), AlertSettings(), {}, clock=FakeClock(auto=True))  # type: ignore[arg-type,return-value]
    running = asyncio.create_task(one.run(stop))
    while broken.calls < 5:
        await asyncio.sleep(0)
    stop.set()
    await running
    assert one.figures()["leads"] == 0


@pytest.mark.processes
async def test_the_process_tells_of_missing_workers_once_with_only_the_rights_of_its_user(
    tmp_path: Path, webhook: Webhook
) -> None:
    tables = '\n[alerts]\nworker_away_after = "1s"\n[alerts.targets.oncall]\nkinds = ["no_worker"]\n'
    processes = Processes(tmp_path, SETTINGS + tables)
    with EmbeddedServer() as server:
        async with Redis.from_url(server.url) as redis:
            await asyncio.to_thread(_add_users, server)
            url = f"redis://alerts:mellon@127.0.0.1:{server.port}/0"
            variables = {"DISPATCH_ALERTS_ONCALL_URL": webhook.url(SECRET)}
            command = ("-m", "times_dispatch.alerts")
            try:
                started = [processes.start(*command, redis_url=url, **variables) for _ in range(2)]
                await eventually(lambda: _value(webhook.posted))
                started[0].send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(started[0].wait, 120) == 0
                restarted = processes.start(*command, redis_url=url, **variables)
                await let_run(redis, ProcessKind.WORKER, ProcessKind.BEAT)
                await asyncio.sleep(12)  # enough for an observation by the restarted process, which must send nothing
                assert restarted.poll() is None, processes.logs()
                refused = await redis.acl_log()
            finally:
                processes.end()
    assert [(entry["username"], entry["object"]) for entry in refused] == []
    (text,) = webhook.texts
    beat, worker = text.splitlines()
    assert worker.startswith("no worker has run yet: nothing is sent")
    assert beat.startswith("no beat has run yet: no campaign starts or ends by its time")
    assert webhook.paths == [f"/hook/{SECRET}"]
    assert SECRET not in processes.logs()


def _add_users(server: EmbeddedServer) -> None:
    with SyncRedis.from_url(server.url) as admin:
        add_users(admin, "mellon")


async def _value(value: object) -> object:
    return value


@pytest.mark.processes
def test_a_process_with_an_address_that_apprise_does_not_know_does_not_start(tmp_path: Path) -> None:
    processes = Processes(tmp_path, f"{SETTINGS}\n[alerts.targets.oncall]\n")
    try:
        variables = {"DISPATCH_ALERTS_ONCALL_URL": f"nonsense://{SECRET}"}
        process = processes.start("-m", "times_dispatch.alerts", redis_url="redis://127.0.0.1:1/0", **variables)
        assert process.wait(300) == 2
        assert "DISPATCH_ALERTS_ONCALL_URL: is no address that apprise knows" in processes.logs()
        assert SECRET not in processes.logs()
    finally:
        processes.end()


async def test_each_campaign_that_finishes_around_a_set_back_of_the_clock_is_told_once(redis: Redis) -> None:
    with moved_clock(redis) as clock:
        ledger, oncall = Ledger(redis), Recorder()
        await let_run(redis, ProcessKind.WORKER, ProcessKind.BEAT)
        one = service(redis, oncall=oncall)
        await rounds(one)
        for campaign in ("short001", "short002"):
            await ledger.submit(campaign=campaign)
            await ledger.send_all(b"r")
        await rounds(one)
        await ledger.submit(campaign="live0001")
        await rounds(one)
        await clock.set_ahead(-3_600)
        await ledger.send_all(b"r")
        await ledger.submit(campaign="short003")
        await ledger.send_all(b"r")
        await rounds(one)
        # Time comes to the moments before the clock was set back.
        await redis.hset(ALERTS_WATCHED, WatchedField.UNTIL_MS, await ledger.now_ms() - 60_000)
        await clock.set_ahead(0)
        await rounds(one)
    told = [line for text in oncall.notified for line in text.splitlines() if "is finished" in line]
    names = ["live0001", "short001", "short002", "short003"]
    assert sorted(name for name in names for line in told if name in line) == names


async def test_an_outage_of_the_ledger_is_told_by_the_process_that_decided(braked: Ledger) -> None:
    class Breaking(AlertStore):
        is_broken = False

        async def keep(self, changes: Sequence[AlertChange] = ()) -> bool:
            if self.is_broken:
                raise ConnectionError
            return await super().keep(changes)

    stores, targets, stop = [Breaking(braked.redis), Breaking(braked.redis)], [Recorder(), Recorder()], asyncio.Event()
    rules = AlertSettings(worker_away_after="1s", targets={"oncall": AlertTargetSettings(kinds=["redis_away"])})
    look = Observer(braked.redis).observe
    services = [
        AlertService(store, look, rules, {"oncall": target}, every_s=0.02)
        for store, target in zip(stores, targets, strict=True)
    ]
    running = [asyncio.create_task(one.run(stop)) for one in services]
    await eventually(lambda: _value(any(one.figures()["leads"] for one in services)))
    for store in stores:
        store.is_broken = True
    await eventually(lambda: _value(targets[0].notified + targets[1].notified))
    for store in stores:
        store.is_broken = False
    await eventually(lambda: _value(len(targets[0].notified + targets[1].notified) > 1))
    stop.set()
    await asyncio.gather(*running)
    opened, over = targets[0].notified or targets[1].notified
    assert opened.startswith("Redis cannot be used: nothing is sent")
    assert over.startswith("over after ")
    assert [] in (targets[0].notified, targets[1].notified)
