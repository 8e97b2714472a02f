"""Retention in a worker that also does other work, and the files that remain when the worker is killed."""

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from structlog.testing import capture_logs

from callbacks.dead_letters import DeadLetters
from tests.kit.archive import KEYS, catalog, ended_campaign, files_in, retention, rule_for
from tests.kit.clock import FakeClock
from tests.kit.ledger import CAMPAIGN, Ledger
from tests.kit.redis_users import add_users
from tests.kit.upkeep import Rounds
from times_dispatch.archive.background import RUN_EVERY_S, BackgroundRetention
from times_dispatch.archive.erasure.forgetter import Forgetter
from times_dispatch.archive.erasure.sealing import Sealing
from times_dispatch.archive.errors import ArchiveUnavailable
from times_dispatch.archive.folder import ArchiveFolder
from times_dispatch.demo.redis_cluster import EmbeddedCluster
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.archive_states import ArchiveStates
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import RETENTION_LOCK
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.redis_clock import RedisClock
from times_dispatch.ledger.reports.late_stops import LateStops
from times_dispatch.ledger.reports.test_sends import SendTestReports
from times_dispatch.status.reader import read_status


async def _no_queues() -> dict[str, int]:
    return {}


async def run_once(background: BackgroundRetention) -> None:
    await background.round()
    assert background._run
    await asyncio.wait([background._run])


async def test_upkeep_archives_what_is_due(redis: Redis, tmp_path: Path) -> None:
    await ended_campaign(Ledger(redis))
    background = BackgroundRetention(redis, rule_for(tmp_path), KEYS, pause_s=0)
    rounds = Rounds(redis, retention=background.round)
    with capture_logs() as logs:
        await rounds.round()
        assert background._run
        await asyncio.wait([background._run])
    assert (await catalog(redis).campaign(CAMPAIGN)).total == 7
    assert await ArchiveStates(redis).find(CAMPAIGN)
    assert [line["archived"] for line in logs if line["event"] == "retention"] == [[CAMPAIGN]]
    assert await redis.exists(RETENTION_LOCK) == 0


async def test_a_run_begins_once_a_minute_and_only_while_no_other_worker_runs(redis: Redis, tmp_path: Path) -> None:
    clock = FakeClock()
    background = BackgroundRetention(redis, rule_for(tmp_path), KEYS, clock=clock, pause_s=0)
    await run_once(background)
    await ended_campaign(Ledger(redis))
    await background.round()
    assert background._run is None
    async with redis.lock(RETENTION_LOCK, timeout=10):
        await clock.advance(RUN_EVERY_S)
        await run_once(background)
        assert await ArchiveStates(redis).find(CAMPAIGN) is None
    await clock.advance(RUN_EVERY_S)
    await run_once(background)
    assert await ArchiveStates(redis).find(CAMPAIGN)


async def test_a_folder_that_cannot_be_used_is_logged_and_stops_nothing_else(redis: Redis, tmp_path: Path) -> None:
    await ended_campaign(Ledger(redis))
    (tmp_path / "file").write_text("")
    background = BackgroundRetention(redis, rule_for(tmp_path / "file" / "archive"), KEYS, pause_s=0)
    with capture_logs() as logs:
        await run_once(background)
        await background.round()
    [line] = [line for line in logs if line["log_level"] == "error"]
    assert line["campaign"] == CAMPAIGN
    assert "not a directory" in line["reason"]
    status = await read_status(redis, queues=_no_queues, max_memory_share=0.9)
    [finding] = [finding for finding in status.findings if finding.problem.startswith("retention: ")]
    assert "not a directory" in finding.problem
    await run_once(BackgroundRetention(redis, rule_for(tmp_path / "other"), KEYS, pause_s=0))
    status = await read_status(redis, queues=_no_queues, max_memory_share=0.9)
    assert not any(finding.problem.startswith("retention: ") for finding in status.findings)
    with pytest.raises(ArchiveUnavailable):
        BackgroundRetention(redis, rule_for("nowhere://x"), KEYS)


async def test_a_worker_that_stops_ends_a_run_and_another_worker_goes_on(redis: Redis, tmp_path: Path) -> None:
    await ended_campaign(Ledger(redis), 40, batch_size=2)
    clock = FakeClock()
    first = BackgroundRetention(redis, rule_for(tmp_path), KEYS, clock=clock)
    await first.round()
    while not clock.slept:
        await asyncio.sleep(0)
    await first.close()
    assert await redis.exists(RETENTION_LOCK) == 0
    await run_once(BackgroundRetention(redis, rule_for(tmp_path), KEYS, pause_s=0))
    assert await ArchiveStates(redis).find(CAMPAIGN)
    assert len(files_in(tmp_path)) == 4


CHILD = """
import asyncio, sys
from tests.kit.archive import retention
from times_dispatch.ledger.connection import connect

async def main():
    async with connect(sys.argv[1]) as redis:
        run = retention(redis, sys.argv[2])
        print("ready", flush=True)
        await run.run()
        print("done", flush=True)

asyncio.run(main())
"""


@pytest.mark.processes
@pytest.mark.slow  # starts up to twelve processes, each of which imports pyarrow
async def test_after_every_kill_each_campaign_is_whole_in_exactly_one_place(
    redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    ledger, rng = Ledger(redis), random.Random(7)
    campaigns = [await ended_campaign(ledger, 120, batch_size=10, campaign=f"killed{n:02}") for n in range(12)]
    before = {campaign: await _messages(redis, campaign) for campaign in campaigns}
    kills = 0
    for _ in range(11):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHILD, redis_url, str(tmp_path), stdout=subprocess.PIPE
        )
        assert child.stdout
        assert await child.stdout.readline() == b"ready\n"
        await asyncio.sleep(rng.uniform(0.01, 0.25))
        if child.returncode is None:
            child.send_signal(signal.SIGKILL)
            kills += 1
        await child.wait()
        in_redis = {view.id for view in await ledger.queries.campaigns()}
        stubs, _ = await ArchiveStates(redis).newest(await ledger.queries.senders())
        assert sorted([*in_redis, *(stub.id for stub in stubs)]) == campaigns
        for campaign in campaigns:
            assert await _messages(redis, campaign) == before[campaign], campaign
    assert kills >= 3
    await run_once(BackgroundRetention(redis, rule_for(tmp_path), KEYS, pause_s=0))
    assert len(files_in(tmp_path)) == 4 * len(campaigns)
    assert not await ledger.queries.campaigns()


@pytest.mark.processes
async def test_the_users_of_workers_and_commands_may_archive_read_and_erase(tmp_path: Path) -> None:
    with EmbeddedServer() as server:
        with SyncRedis.from_url(server.url) as admin:
            add_users(admin, "mellon")
        async with connect(server.url) as redis:
            campaign = await ended_campaign(Ledger(redis))
        async with connect(f"redis://worker:mellon@127.0.0.1:{server.port}/0") as redis:
            await run_once(BackgroundRetention(redis, rule_for(tmp_path), KEYS, pause_s=0))
            assert await redis.smembers("{TIMESM}:leaving") == set()
        async with connect(f"redis://command:mellon@127.0.0.1:{server.port}/0") as redis:
            assert len(await _messages(redis, campaign)) == 7
            stub = await ArchiveStates(redis).find(campaign)
            assert stub
            await retention(redis, tmp_path).erase(stub)
        async with connect(server.url) as redis:
            await Ledger(redis).submit(3, campaign="second01")
        async with connect(f"redis://command:mellon@127.0.0.1:{server.port}/0") as redis:
            sealing = Sealing(redis, ArchiveFolder(str(tmp_path)), KEYS)
            forgetter = Forgetter(
                redis,
                ForgottenNumbers(redis, b"the key of forgotten numbers"),
                sealing,
                dead_letters=DeadLetters(redis).with_number,
                dead_numbers=DeadNumberRule(frozenset({910}), 30),
                keep_s=1,
                actor="asha@host",
                wait_s=10,
            )
            assert (await forgetter.forget("919800000001")).messages == 1
        async with connect(f"redis://worker:mellon@127.0.0.1:{server.port}/0") as redis:
            await LateStops(redis).add([(campaign, 1)])
            now_ms = await RedisClock(redis).now_ms()
            assert await Sealing(redis, ArchiveFolder(str(tmp_path)), KEYS).erase_due(now_ms + 2_000) == (1, [])
            await run_once(BackgroundRetention(redis, rule_for(tmp_path), KEYS, pause_s=0))
            assert await LateStops(redis).all() == []


@pytest.mark.processes
@pytest.mark.xdist_group("cluster")
async def test_a_ledger_on_a_cluster_is_archived_read_and_forgets_numbers(tmp_path: Path) -> None:
    with EmbeddedCluster() as cluster:
        async with connect(cluster.url) as redis:
            ledger = Ledger(redis)
            campaign = await ended_campaign(ledger)
            before = await _messages(redis, campaign)
            await ledger.submit(3, campaign="second01")
            for index in range(20):  # keys on all nodes
                await SendTestReports(redis).remember_number(index, "919800000001")
            await run_once(BackgroundRetention(redis, rule_for(tmp_path), KEYS, pause_s=0))
            assert await ArchiveStates(redis).find(campaign)
            assert await _messages(redis, campaign) == before
            forgetter = Forgetter(
                redis,
                ForgottenNumbers(redis, b"the key of forgotten numbers"),
                Sealing(redis, ArchiveFolder(str(tmp_path)), KEYS),
                dead_letters=DeadLetters(redis).with_number,
                dead_numbers=DeadNumberRule(frozenset({910}), 30),
                keep_s=1,
                actor="asha@host",
                wait_s=10,
            )
            result = await forgetter.forget("919800000001")
            assert (result.messages, result.entries) == (1, 20)


async def _messages(redis: Redis, campaign: CampaignId) -> list[tuple[object, ...]]:
    reader = catalog(redis)
    return [
        (batch.recipients.to[at], batch.recipients.slots[0][at], batch.records.states[at], batch.records.codes[at])
        async for batch in reader.batches(await reader.campaign(campaign))
        for at in range(len(batch.recipients.to))
    ]
