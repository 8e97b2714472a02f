"""The login of the metrics process, simultaneous scrapes, and an unavailable Redis."""

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from tests.kit.callbacks import Processes
from times_dispatch.demo.local_ports import free_port
from times_dispatch.metrics.reader import Snapshot
from times_dispatch.metrics.server import MetricsServer
from times_dispatch.settings.tables.metrics import MetricsSettings
from times_dispatch.status.model import DeploymentStatus

TOKEN = "a-token-of-the-metrics"


async def test_a_scrape_needs_the_token_and_scrapes_at_once_share_a_reading() -> None:
    readings = 0

    async def read() -> Snapshot:
        nonlocal readings
        readings += 1
        while server.scrapes < 20:
            await asyncio.sleep(0.001)
        return Snapshot(status=DeploymentStatus(at_ms=0, version="1", findings=[]), ledger=None, read_s=0.3)

    port, stop = free_port(), asyncio.Event()
    server = MetricsServer(read, f"127.0.0.1:{port}", token=TOKEN)
    running = asyncio.create_task(server.run(stop))
    transport = httpx.AsyncHTTPTransport(retries=5)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=120) as client:
        assert (await client.get("/health")).status_code == 200
        for given in ({}, {"Authorization": "Bearer guess"}, {"Authorization": f"Basic {TOKEN}"}):
            assert (await client.get("/metrics", headers=given)).status_code == 401
        assert readings == 0
        right = {"Authorization": f"Bearer {TOKEN}"}
        answers = await asyncio.gather(*(client.get("/metrics", headers=right) for _ in range(20)))
    stop.set()
    await running
    assert {answer.status_code for answer in answers} == {200}
    assert readings == 1


@pytest.mark.processes
def test_without_redis_the_process_says_so_and_stops_after_a_signal(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    try:
        process, url = processes.receiver(f"redis://127.0.0.1:{free_port()}/0", ("-m", "times_dispatch.metrics"))
        answer = httpx.get(f"{url}/metrics", timeout=120)
        httpx.get(f"{url}/metrics", timeout=120)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        processes.end()
    assert answer.status_code == 200
    assert "dispatch_up 0.0\n" in answer.text
    assert processes.logs().count("the ledger is unavailable") == 1


@pytest.mark.processes
def test_a_process_that_other_hosts_reach_does_not_start_without_a_token(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    try:
        process = processes.start(
            "-m",
            "times_dispatch.metrics",
            redis_url="redis://127.0.0.1:1/0",
            DISPATCH_METRICS_LISTEN="0.0.0.0:8088",
        )
        assert process.wait(300) == 2
        assert "DISPATCH_METRICS_TOKEN: is not set" in processes.logs()
    finally:
        processes.end()


@pytest.mark.parametrize(
    ("listen", "is_on_loopback"),
    [("127.0.0.1:8088", True), ("[::1]:8088", True), ("localhost:1", True), ("0.0.0.0:1", False), ("host:1", False)],
)
def test_only_loopback_addresses_need_no_token(listen: str, is_on_loopback: bool) -> None:
    assert MetricsSettings(listen=listen).is_on_loopback is is_on_loopback
