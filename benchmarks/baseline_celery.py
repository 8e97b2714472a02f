"""The first baseline: one Celery task per message, with a plain httpx client, and outcomes in Redis.

The baseline gets every simple advantage: one client per process, early acknowledgement, no results, and all tasks are
enqueued before the measurement starts. The baseline has none of our guarantees.
"""

import os
import sys
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
from celery import Celery
from redis import Redis

from benchmarks.rig import CONTENT_ID, TEMPLATE
from benchmarks.seeding import recipients
from times_dispatch.demo.processes import Process, clean_environment
from times_dispatch.demo.redis_server import EmbeddedServer

DONE = "baseline:done"
_REDIS = "BASELINE_REDIS"
_URL = "BASELINE_URL"
_WARM_UP_SHARE = 0.1
"""The share of messages at the beginning that is not measured, because processes start and connections open."""

app = Celery("baseline", broker=os.environ.get(_REDIS, "redis://"), set_as_current=False)
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=4, broker_connection_retry_on_startup=True)
_process_state: dict[str, Any] = {}


@app.task(name="send")
def send(to: str, values: list[str], correlation_id: str) -> None:
    """Push one message and record its outcome."""
    if not _process_state:
        login = b64encode(b"demo-account:secret").decode()
        _process_state["client"] = httpx.Client(headers={"Authorization": f"Basic {login}"}, timeout=15)
        _process_state["redis"] = Redis.from_url(os.environ[_REDIS])
    text = TEMPLATE
    for value in values:
        text = text.replace("{#var#}", value, 1)
    body = {
        "username": "demo-account",
        "password": "secret",
        "unicode": "false" if text.isascii() else "true",
        "from": "TIMESM",
        "to": to,
        "text": text,
        "dltContentId": CONTENT_ID,
        "corelationid": correlation_id,
    }
    answer = _process_state["client"].post(os.environ[_URL], json=body).json()
    with _process_state["redis"].pipeline(transaction=False) as pipe:
        pipe.hset("baseline:states", correlation_id, answer["state"])
        pipe.incr(DONE)
        pipe.execute()


def measure(url: str, folder: Path, *, processes: int, messages: int) -> float:
    """Return the messages per second from the end of the first tenth to the last recorded outcome."""
    with EmbeddedServer(directory=folder / "baseline-redis", appendonly=True) as server:
        environment = {**clean_environment(), _REDIS: server.url, _URL: url, "PYTHONPATH": str(Path.cwd())}
        batch = recipients(0, 500)
        with (
            Celery("baseline", broker=server.url, set_as_current=False) as enqueuing,
            enqueuing.producer_pool.acquire(block=True) as producer,
            producer.batch(),  # type: ignore[attr-defined]
        ):
            for number in range(messages):
                index = number % 500
                values = [column[index] for column in batch.slots]
                enqueuing.send_task("send", [batch.to[index], values, f"{number:032}"], producer=producer)
        worker = Process(
            "baseline",
            [
                *(sys.executable, "-m", "celery", "-A", "benchmarks.baseline_celery", "worker"),
                *("--concurrency", str(processes), "--loglevel", "INFO", "--without-gossip", "--without-mingle"),
            ],
            environment=environment,
            folder=folder,
        )
        redis = Redis.from_url(server.url)
        worker.start()
        try:
            first, first_at = _wait_for(redis, worker, int(messages * _WARM_UP_SHARE))
            last, last_at = _wait_for(redis, worker, messages)
        finally:
            worker.stop()
            redis.close()
    return (last - first) / (last_at - first_at)


def _wait_for(redis: "Redis", worker: Process, count: int) -> tuple[int, float]:
    while True:
        done = int(redis.get(DONE) or 0)
        if done >= count:
            return done, time.monotonic()
        worker.check()
        time.sleep(0.02)
