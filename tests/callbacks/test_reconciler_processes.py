"""Real reconcilers: killed, stopped, and without their Redis."""

import asyncio
import signal
from typing import Any

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from callbacks.dead_letters import DeadLetters
from callbacks.reconciler import GROUP
from callbacks.stream_reader import CLAIM_AFTER_MS, StreamReader
from callbacks.streams import REPORTS
from tests.kit.callbacks import ID_KEY, SECRET, Processes, SentCampaign, posted, row, send_campaign
from tests.kit.reconciler import accept, is_settled, make_reconciler, settle
from tests.kit.waiting import eventually
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.states import MessageState
from times_dispatch.provider.correlation_ids import CorrelationIds


@pytest.mark.processes
async def test_a_reconciler_that_is_killed_between_applying_and_finishing_does_no_harm(
    redis: Redis, redis_url: str, sent: SentCampaign, processes: Processes
) -> None:
    await accept(redis, posted("delivered", *(row(sent.meta(index)) for index in range(sent.total))))
    await accept(redis, posted("clicked", row(sent.meta(0), url="u")))
    dying = processes.start("-m", "tests.kit.dying_reconciler", redis_url, ID_KEY, redis_url=redis_url)
    assert await asyncio.to_thread(dying.wait, 10) == -signal.SIGKILL
    assert await sent.count(MessageState.DELIVERED) == sent.total
    assert not await is_settled(redis)
    await settle(make_reconciler(redis, claim_after_ms=0))
    assert await is_settled(redis)
    assert await sent.count(MessageState.DELIVERED) == sent.total
    assert await sent.stat("clicked") == 1


@pytest.mark.processes
async def test_every_acknowledged_report_is_applied_through_kills_and_restarts_of_everything(
    ids: CorrelationIds, processes: Processes
) -> None:
    total = 300
    with EmbeddedServer(appendonly=True, appendfsync="always") as server:
        async with connect(server.url) as redis:
            sent = await send_campaign(redis, ids, total=total, batch_size=50)
            reconcilers = [processes.reconciler(server.url) for _ in range(2)]
            _, url = processes.receiver(server.url)
            http = httpx.AsyncClient(base_url=url, timeout=60)

            async def deliver(index: int) -> None:
                """Post a report until the receiver acknowledges the report, as a provider does."""

                async def is_acknowledged() -> bool:
                    body = posted("delivered", row(sent.meta(index)))
                    return (await http.post(f"/callbacks/{SECRET}", content=body)).status_code == 200

                await eventually(is_acknowledged)

            async def all_started() -> bool:
                return processes.logs().count("reconciler started") == len(reconcilers)

            async def all_delivered() -> bool:
                return await sent.count(MessageState.DELIVERED) == total and await is_settled(redis)

            async with http:
                await eventually(all_started)
                await asyncio.gather(*map(deliver, range(100)))
                reconcilers[0].kill()
                await asyncio.gather(*map(deliver, range(100, 150)))
                server.restart()
                await asyncio.gather(*map(deliver, range(150, 250)))
                reconcilers.append(processes.reconciler(server.url))
                await asyncio.gather(*map(deliver, range(250, total)))

            held: Any = await redis.xpending_range(REPORTS, GROUP, "-", "+", 1000)
            # Make the entries of dead reconcilers old enough to be claimed.
            await StreamReader(redis, REPORTS, GROUP, "dead").renew(
                [entry["message_id"] for entry in held], idle_ms=CLAIM_AFTER_MS
            )
            await eventually(all_delivered)
            await eventually(all_started)
            for process in reconcilers[1:]:
                process.send_signal(signal.SIGTERM)
            assert [await asyncio.to_thread(process.wait, 10) for process in reconcilers[1:]] == [0, 0]
            assert await DeadLetters(redis).count() == {}


@pytest.mark.processes
async def test_sigterm_ends_it_within_seconds_also_while_redis_is_away(processes: Processes) -> None:
    with EmbeddedServer(appendonly=False) as server:
        process = processes.reconciler(server.url, DISPATCH_CALLBACKS_RELAY_URL="http://127.0.0.1:1/x?account=hidden")
        async with connect(server.url) as redis:

            async def has_joined() -> bool:
                return bool(await redis.exists(REPORTS))

            await eventually(has_joined)
        server.send(signal.SIGSTOP)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0
        server.send(signal.SIGCONT)
    assert "hidden" not in processes.logs()
    json_lines = [msgspec.json.decode(line) for line in processes.logs().splitlines() if line]
    assert json_lines[0]["event"] == "reconciler started"
