import json

from redis import Redis

from tests.producers.conftest import Run


def test_it_is_said_how_many_reports_wait_and_since_when(run: Run, redis_url: str) -> None:
    assert run("reports", "waiting").stdout == "no report waits for a reconciler\n"
    with Redis.from_url(redis_url) as redis:
        seconds, _ = redis.time()
        for age_s in (7_300, 10):
            redis.xadd("reports", {"b": b"[]"}, id=f"{(int(seconds) - age_s) * 1000}-0")
    assert run("reports", "waiting").stdout == "2 wait for a reconciler, the oldest for 2h 2m\n"
    told = json.loads(run("reports", "waiting", "--json").stdout)
    assert told["entries"] == 2
    assert 7_300 <= told["oldest_s"] < 7_360
