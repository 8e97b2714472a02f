"""Beat and Flower, which have no event loop of ours, send heartbeats from a thread."""

import pytest
from redis import Redis

from tests.kit.waiting import wait_until
from times_dispatch.broker.heartbeat_thread import HeartbeatThread
from times_dispatch.ledger.keys import KINDS_SEEN, PROCESSES_SEEN, SCHEMA
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind
from times_dispatch.ledger.schema import MAJOR


def test_a_thread_sends_heartbeats_until_it_is_stopped(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        with HeartbeatThread(redis_url, ProcessKind.BEAT):
            wait_until(lambda: redis.zcard(PROCESSES_SEEN), every_s=0.01)
        assert redis.zcard(PROCESSES_SEEN) == 0
        assert list(redis.hkeys(KINDS_SEEN)) == [b"beat"]


def test_a_thread_ends_its_process_when_the_ledger_is_newer(redis_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    codes: list[int] = []
    with Redis.from_url(redis_url) as redis:
        redis.hset(SCHEMA, mapping={"major": MAJOR + 1, "minor": 0, "version": "9.0"})
        with HeartbeatThread(redis_url, ProcessKind.BEAT, end_process=codes.append):
            wait_until(lambda: codes, every_s=0.01)
        assert redis.zcard(PROCESSES_SEEN) == 0
    assert codes == [2]
    line = capfd.readouterr().err
    assert line.count("\n") == 1
    assert "start that version, or restore the backup" in line


def test_a_thread_that_ended_by_itself_can_be_stopped() -> None:
    thread = HeartbeatThread("redis://127.0.0.1:1/0", ProcessKind.FLOWER)
    thread.start()
    thread.stop()
    thread.stop()
