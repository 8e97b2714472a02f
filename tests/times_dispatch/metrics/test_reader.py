"""A scrape of the real process, with its own Redis user, compared with ``dispatch stats``."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from tests.kit.callbacks import ID_KEY, Processes, send_campaign
from tests.kit.clock import FakeClock
from tests.kit.redis_users import add_users
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.statistics.rollups import RollupFilter, StatisticsReader
from times_dispatch.metrics.reader import read_snapshot
from times_dispatch.provider.correlation_ids import CorrelationIds

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[3]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as running:
        yield running


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.end()


def _stats(redis_url: str, folder: Path, *options: str) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", "from producers.cli import main; main()", "stats", "--json", *options],
        env={
            **os.environ,
            "DISPATCH_REDIS_URL": redis_url,
            "DISPATCH_ID_KEY": ID_KEY,
            "DISPATCH_SETTINGS": str(folder / "dispatch.toml"),
        },
        capture_output=True,
        check=True,
        timeout=60,
    )
    states: dict[str, int] = json.loads(done.stdout)["states"]
    return states


async def test_the_metrics_are_equal_to_the_statistics_and_need_only_the_rights_of_their_user(
    server: EmbeddedServer, processes: Processes, tmp_path: Path
) -> None:
    async with Redis.from_url(server.url) as redis:
        await send_campaign(redis, CorrelationIds(ID_KEY.encode()), total=20)
    with SyncRedis.from_url(server.url) as admin:
        add_users(admin, "mellon")
    url = f"redis://metrics:mellon@127.0.0.1:{server.port}/0"
    _process, base = processes.receiver(url, ("-m", "times_dispatch.metrics"))
    async with httpx.AsyncClient(base_url=base, timeout=120) as client:
        response = await client.get("/metrics")
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        refused = [(entry["username"], entry["object"]) for entry in await redis.acl_log()]
    assert refused == []
    families = list(text_string_to_metric_families(response.text))
    samples: Samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }
    since_s = samples["dispatch_counted_since_timestamp_seconds", frozenset()]
    day = f"{datetime.fromtimestamp(since_s, ZoneInfo('Asia/Kolkata')):%Y-%m-%d}"
    shown = {
        dict(labels)["state"]: int(value)
        for (name, labels), value in samples.items()
        if name == "dispatch_messages" and value
    }
    assert shown == _stats(server.url, tmp_path, "--since", day) == {"accepted": 20}
    names = frozenset({("sender", "TIMESM"), ("provider", "times")})
    assert samples["dispatch_up", frozenset()] == 1
    assert samples["dispatch_parts_total", names] == 20
    assert samples["dispatch_pending_messages", frozenset({("sender", "TIMESM")})] == 0
    assert samples["dispatch_stream_entries", frozenset({("stream", "reports")})] == 0
    known = {sample.name for family in families for sample in family.samples} | {family.name for family in families}
    files = [(ROOT / "monitoring" / name).read_text("utf-8") for name in ("alerts.yml", "dashboard.json")]
    assert {name for text in files for name in re.findall(r"dispatch_[a-z_]+", text)} - known == set()


async def _queues() -> dict[str, int]:
    return {}


@pytest.mark.parametrize(("days", "shown"), [(9, {"accepted": 20}), (8, None)])
async def test_days_before_the_first_day_are_not_counted(redis: Redis, days: int, shown: dict[str, int] | None) -> None:
    await send_campaign(redis, CorrelationIds(ID_KEY.encode()), total=20)
    (newest,) = await StatisticsReader(redis).keys(RollupFilter())
    sent_s = datetime.combine(newest.day, datetime.min.time(), ZoneInfo("Asia/Kolkata")).timestamp()
    clock = FakeClock(epoch=sent_s + 8 * 86_400)
    snapshot = await read_snapshot(redis, _queues, days=days, max_memory_share=0.9, clock=clock)
    assert snapshot.ledger
    counted = snapshot.ledger.counted.get(("TIMESM", "times"))
    assert (counted.days.states if counted else None) == shown
    assert counted is None or counted.today.parts == 0


async def test_messages_count_in_the_minute_in_which_they_were_sent(redis: Redis) -> None:
    began_s = time.time()
    await send_campaign(redis, CorrelationIds(ID_KEY.encode()), total=20)
    sent = list[int]()
    for later_s in (60, 120):  # the messages may have been sent in two different minutes
        clock = FakeClock(epoch=began_s + later_s)
        snapshot = await read_snapshot(redis, _queues, days=1, max_memory_share=0.9, clock=clock)
        assert snapshot.ledger
        sent += [work.sent_last_minute for work in snapshot.ledger.senders]
    assert sum(sent) == 20


def test_each_alert_has_a_section_in_the_operations_document() -> None:
    rules = yaml.safe_load((ROOT / "monitoring/alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs/operations.md").read_text("utf-8"), re.MULTILINE)
    anchors = {f"docs/operations.md#{heading.lower()}" for heading in headings}
    assert {rule["annotations"]["runbook_url"] for rule in rules} <= anchors
    assert [rule["alert"] for rule in rules if rule["labels"]["severity"] not in {"warning", "critical"}] == []


def test_promtool_accepts_the_rules_and_the_configuration() -> None:
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool is not installed")
    for command in (("rules", "alerts.yml"), ("config", "--syntax-only", "prometheus.yml")):
        done = subprocess.run(
            [promtool, "check", *command],
            cwd=ROOT / "monitoring",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
