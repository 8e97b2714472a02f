"""Foreign messages in the broker neither end workers nor keep them from their work."""

import base64
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from tests.kit.command_line import campaign_file
from tests.kit.waiting import wait_until
from times_dispatch.broker.queues import BULK_QUEUE, UPKEEP_QUEUE
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import Stack

pytestmark = pytest.mark.processes

_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def _packed(content: object) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


def message(*arguments: object, task: object = "batch", **fields: object) -> str:
    """Return an entry of a queue in the form in which Celery writes it."""
    entry: dict[str, Any] = {
        "body": _packed([arguments or ("TIMESM", "abcdefgh", 0), {}, _EMBED]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": task, "id": "1", "root_id": "1", "parent_id": None, "retries": 0},
        "properties": {
            "correlation_id": "1",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "bulk", "routing_key": "bulk"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "1",
        },
    }
    return json.dumps({**entry, **fields})


def with_headers(**headers: object) -> str:
    """Return an entry with other headers."""
    return message(headers={**json.loads(message())["headers"], **headers})


def with_properties(**properties: object) -> str:
    """Return an entry with other properties."""
    return message(properties={**json.loads(message())["properties"], **properties})


_BEAT = {"dispatch_beat_token": "x", "dispatch_beat_sent_ms": [1]}
HOSTILE: dict[str, str | bytes] = {
    "no JSON": "x",
    "no text": b"\xff\xfe\x00",
    "deep JSON": "[" * 100_000,
    "a number": "1",
    "a list": "[]",
    "null": "null",
    "an empty object": "{}",
    "no properties": json.dumps({"body": "x", "headers": {}}),
    "null as properties": message(properties=None),
    "no tag": message(properties={}),
    "a list as tag": with_properties(delivery_tag=[1]),
    "a text as delivery": with_properties(delivery_info="x"),
    "an unknown encoding of the body": with_properties(body_encoding="rot13"),
    "a body that is no base64": message(body="!!!"),
    "a number as body": message(body=5),
    "a list as headers": message(headers=[1]),
    "null as headers": message(headers=None),
    "pickle": message(
        body=base64.b64encode(pickle.dumps([[], {}, {}])).decode(),
        **{"content-type": "application/x-python-serialize", "content-encoding": "binary"},
    ),
    "a number as content type": message(**{"content-type": 5}),
    "an unknown compression": with_headers(compression="nope"),
    "an unknown task": message(task="os.system"),
    "a list as task": message(task=["x"]),
    "a task of Celery": message(task="celery.backend_cleanup"),
    "no arguments": message(body=_packed([[], {}, _EMBED])),
    "too many arguments": message(*range(50)),
    "null as arguments": message(None, None, None),
    "objects as arguments": message({"a": 1}, {"b": 2}, "x"),
    "huge numbers": message("TIMESM", "abcdefgh", 10**30),
    "braces": message("}evil{", "abcdefgh", 0),
    "a lone surrogate": message("\ud800", "abcdefgh", 0),
    "a long sender": message("A" * 1_000_000, "abcdefgh", 0),
    "a bad eta": with_headers(eta="x"),
    "a bad expiry": with_headers(expires=[1]),
    "a bad time limit": with_headers(timelimit="x"),
    "a list as id": with_headers(id=[1]),
    "a chain": message(body=_packed([["TIMESM", "abcdefgh", 0], {}, {"chain": [{"task": "batch", "args": [1]}]}])),
    "a short body": message(body=_packed([])),
    "a body of 1e999": message(body=base64.b64encode(b"1e999").decode()),
    "a long body": message(body="A" * 5_000_000),
}


@pytest.fixture
def stack() -> Iterator[Stack]:
    with Stack(workers=1) as started:
        yield started


def test_no_message_in_the_broker_ends_a_worker_or_keeps_it_from_its_work(stack: Stack) -> None:
    worker = stack.processes["worker-1"]
    with Redis.from_url(stack.redis.url) as redis:
        for name, entry in HOSTILE.items():
            redis.lpush(BULK_QUEUE, entry)
            _wait_until_taken(redis, BULK_QUEUE, stack, name)
        redis.lpush(UPKEEP_QUEUE, with_headers(task="upkeep", **_BEAT))
        _wait_until_taken(redis, UPKEEP_QUEUE, stack, "headers of beat")
        recipients = stack.folder / "rows.csv"
        recipients.write_text("to,name,order,amount\n9000000001,Asha,1,5\n")
        command = ["dispatch", "submit", str(campaign_file(stack, "after")), "--recipients", str(recipients), "--json"]
        campaign = json.loads(run(command, stack.environment).stdout)["campaign"]
        watched = run(["dispatch", "watch", campaign, "--timeout", "120"], stack.environment)
        assert watched.returncode == 0, watched.stdout + watched.stderr
        assert redis.llen(BULK_QUEUE) == redis.llen(UPKEEP_QUEUE) == redis.hlen("unacked") == 0
    log = worker.log.read_text("utf-8", "replace")
    dropped = log.count("is dropped")
    print(f"{len(HOSTILE) + 1} messages, {dropped} dropped at once, {len(log):,} bytes of log")  # noqa: T201  # the figure
    assert "Unrecoverable error" not in log
    assert "A" * 20_000 not in log


def _wait_until_taken(redis: Redis, queue: str, stack: Stack, name: str) -> None:
    def is_taken() -> bool:
        stack.check()
        return not redis.llen(queue)

    wait_until(is_taken, f"a worker that takes {name}", every_s=0.01)
    stack.check()
