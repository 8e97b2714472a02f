import signal
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from tests.kit.callbacks import Processes, stored
from tests.kit.links import BROWSER, LINK_KEY, submit_with_links

pytestmark = pytest.mark.processes

SETTINGS = """
[providers.times]
preset = "timesmobile-post"
default = true

[senders.TIMESM]
category = "service"

[links]
url = "go.brand.in"
with_receiver = {with_receiver}
"""


@pytest.mark.parametrize(("module", "with_receiver"), [("callbacks.links", "false"), ("callbacks.receiver", "true")])
async def test_a_process_answers_clicks_and_stops_after_a_signal(
    module: str, with_receiver: str, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    campaign = await submit_with_links(redis)
    processes = Processes(tmp_path, SETTINGS.format(with_receiver=with_receiver))
    try:
        process, url = processes.receiver(redis_url, ("-m", module), DISPATCH_LINK_KEY=LINK_KEY.decode())
        async with httpx.AsyncClient(base_url=url, headers={"user-agent": BROWSER}) as client:
            answers = [await client.get(path) for path in (campaign.path(0), "/TIMESM/00000000000")]
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        logs = processes.logs()
    finally:
        processes.end()
    assert [answer.status_code for answer in answers] == [302, 404]
    assert len(await stored(redis)) == 1
    assert campaign.path(0).rpartition("/")[2] not in logs


async def test_a_receiver_that_answers_clicks_gives_them_the_limit_of_the_links(
    redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    campaign = await submit_with_links(redis)
    limits = 'max_per_address = 8\n\n[callbacks]\nmax_per_address = 1\ntrusted_proxies = ["10.0.0.0/8"]\n'
    processes = Processes(tmp_path, SETTINGS.format(with_receiver="true") + limits)
    try:
        _, url = processes.receiver(redis_url, ("-m", "callbacks.receiver"), DISPATCH_LINK_KEY=LINK_KEY.decode())
        clients = [httpx.AsyncClient(base_url=url, headers={"user-agent": BROWSER}) for _ in range(6)]
        answers = [await client.get(campaign.path(0)) for client in clients]  # each client keeps its connection
        for client in clients:
            await client.aclose()
    finally:
        processes.end()
    assert [answer.status_code for answer in answers] == [302] * 6


def test_the_process_needs_the_link_key(redis_url: str, tmp_path: Path) -> None:
    processes = Processes(tmp_path, SETTINGS.format(with_receiver="false"))
    try:
        process = processes.start("-m", "callbacks.links", redis_url=redis_url)
        assert process.wait(300) == 2
        assert "DISPATCH_LINK_KEY: is not set" in processes.logs()
    finally:
        processes.end()
