"""The lease of the process that decides about alerts, and the stored alerts."""

import pytest
from redis.asyncio import Redis

from times_dispatch.ledger.keys import ALERTS, ALERTS_OPEN, ALERTS_WATCHED
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.monitoring.alerts import (
    AlertChange,
    AlertKind,
    AlertRecord,
    AlertStore,
    TargetState,
    Watched,
    read_target_states,
)
from times_dispatch.ledger.scripts import Script, text


def record(name: str = "braked:a", **changes: object) -> AlertRecord:
    fields = {"id": name, "kind": AlertKind.BRAKED, "text": "it is braked", "seen_ms": 1, "opened_ms": 1, **changes}
    return AlertRecord(**fields)  # type: ignore[arg-type]


async def test_one_process_decides_until_it_gives_its_lease_back(redis: Redis) -> None:
    first, second = AlertStore(redis), AlertStore(redis)
    assert await first.keep()
    assert not await second.keep([AlertChange.of_open(record())])
    assert (await second.read()).open == {}
    assert await first.keep([AlertChange.of_open(record())])
    await first.release()
    while not await second.keep():
        pass
    assert (await second.read()).open == {"braked:a": record()}


async def test_a_process_that_is_away_for_longer_than_its_lease_writes_nothing_more(redis: Redis) -> None:
    first, second = AlertStore(redis, lease_s=0.01), AlertStore(redis)
    assert await first.keep()
    while not await second.keep([AlertChange.of_open(record())]):
        pass
    assert not await first.keep([AlertChange.closed(record())])
    assert (await first.read()).open == {"braked:a": record()}


async def test_a_call_that_is_repeated_after_a_later_call_writes_nothing(redis: Redis) -> None:
    script = Script(redis, "keep_alerts")
    for number, value in ((1, b"old"), (2, b"new"), (1, b"old")):
        changes = [AlertChange("targets", "oncall", value)._asdict()]
        reply = await script(ALERTS, token="a", number=number, lease_ms=10_000, changes=changes)
        assert text(reply["status"]) == "recorded"
    assert await redis.hget("{alerts}:targets", "oncall") == b"new"


async def test_alerts_that_ended_are_kept_newest_first_and_only_500_of_them(redis: Redis) -> None:
    store = AlertStore(redis)
    records = [record(f"braked:{number}", resolved_ms=number) for number in range(1, 511)]
    assert await store.keep([AlertChange.ended(one) for one in records])
    assert await store.keep([AlertChange.ended(records[-1])])
    assert await store.ended(limit=2) == [records[-1], records[-2]]
    assert len(await store.ended(limit=1_000)) == 500


async def test_targets_and_the_last_look_are_kept_and_forgotten(redis: Redis) -> None:
    store, state = AlertStore(redis), TargetState(failing_since_ms=5, failures=1, reason="HTTP 401")
    watched = Watched(until_ms=7, live={SenderId("TIMESM"): [CampaignId("diwali01")]}, ended_since_ms=5)
    assert await store.keep([AlertChange.of_target("oncall", state), *AlertChange.of_watched(Watched(), watched)])
    assert (await store.read()).watched == watched
    assert await read_target_states(redis) == {"oncall": state}
    later = Watched(until_ms=8, live=watched.live, ended_since_ms=6)
    assert [change.name for change in AlertChange.of_watched(watched, later)] == ["until_ms", "ended_since_ms"]
    assert await store.keep([AlertChange.no_target("oncall"), *AlertChange.of_watched(watched, later)])
    assert (await store.read()).watched == later
    assert await read_target_states(redis) == {}


@pytest.mark.parametrize("value", [b"", b"{}", b"[", b'{"id": 1}'])
async def test_a_record_of_another_version_is_left_out(redis: Redis, value: bytes) -> None:
    await redis.hset(ALERTS_OPEN, "braked:a", value)
    assert (await AlertStore(redis).read()).open == {}


async def test_after_a_check_by_an_earlier_version_the_ended_campaigns_of_a_minute_are_known(redis: Redis) -> None:
    await redis.hset(ALERTS_WATCHED, "until_ms", "100000")
    assert (await AlertStore(redis).read()).watched == Watched(until_ms=100_000, ended_since_ms=40_000)
