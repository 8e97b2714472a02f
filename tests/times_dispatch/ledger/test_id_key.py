"""The processes that may start, or may continue, while the id key is changed."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from times_dispatch.ledger.errors import IdKeyRefused
from times_dispatch.ledger.id_key import MAKE_S, READ_S, IdKeyGuard
from times_dispatch.ledger.keys import ID_KEY

FIRST, SECOND, THIRD = b"first-key-first-key", b"second-key-second-key", b"third-key-third-key"


async def record(redis: Redis) -> dict[str, str]:
    fields: dict[Any, Any] = await redis.hgetall(ID_KEY)
    return {name.decode(): value.decode() for name, value in fields.items()}


async def pass_time(redis: Redis, seconds: int) -> None:
    """Make the last change of the key *seconds* older."""
    await redis.hincrby(ID_KEY, "changed_ms", -seconds * 1000)


@pytest.fixture
async def changed(redis: Redis) -> Redis:
    """A ledger whose id key was changed from the first key to the second key."""
    await IdKeyGuard(redis, FIRST).register()
    await IdKeyGuard(redis, SECOND, FIRST).register()
    return redis


async def test_the_first_process_records_its_key_and_the_others_with_the_same_key_change_nothing(redis: Redis) -> None:
    assert await IdKeyGuard(redis, FIRST).register()
    recorded = await record(redis)
    assert set(recorded) == {"digest"}
    assert not await IdKeyGuard(redis, FIRST).register()
    assert not await IdKeyGuard(redis, FIRST, THIRD).register()
    assert await record(redis) == recorded


async def test_the_record_shows_nothing_of_the_keys(changed: Redis) -> None:
    shown = str(await record(changed))
    for key in (FIRST, SECOND):
        assert key.decode() not in shown
        assert key.hex() not in shown


@pytest.mark.parametrize("old_key", [b"", THIRD])
async def test_a_process_with_another_key_is_refused_and_told_where_and_what_to_do(
    redis: Redis, old_key: bytes
) -> None:
    await IdKeyGuard(redis, FIRST).register()
    before = await record(redis)
    with pytest.raises(IdKeyRefused) as refused:
        await IdKeyGuard(redis, SECOND, old_key).register()
    message = str(refused.value)
    assert message.startswith("Redis at 127.0.0.1:")
    assert "DISPATCH_ID_KEY" in message
    assert ("DISPATCH_ID_KEY_OLD is the key" in message) == bool(old_key)
    assert "docs/operations.md" in message
    assert "\n" not in message
    assert "key-first" not in message
    assert "key-second" not in message
    assert await record(redis) == before


async def test_a_process_whose_old_key_the_ledger_records_changes_the_key(redis: Redis) -> None:
    await IdKeyGuard(redis, FIRST).register()
    first = (await record(redis))["digest"]
    seconds, _ = await redis.time()
    assert await IdKeyGuard(redis, SECOND, FIRST).register()
    recorded = await record(redis)
    assert recorded["previous"] == first != recorded["digest"]
    assert 0 <= int(recorded["changed_ms"]) - seconds * 1000 < 60_000
    assert not await IdKeyGuard(redis, SECOND, FIRST).register()
    assert not await IdKeyGuard(redis, SECOND).register()
    assert await record(redis) == recorded


async def test_a_process_with_only_the_replaced_key_does_not_start_again(changed: Redis) -> None:
    with pytest.raises(IdKeyRefused, match="DISPATCH_ID_KEY is still the previous key: set DISPATCH_ID_KEY to"):
        await IdKeyGuard(changed, FIRST).register()


async def test_a_host_that_is_not_changed_yet_does_not_change_the_key_back(changed: Redis) -> None:
    recorded = await record(changed)
    not_yet_changed = IdKeyGuard(changed, FIRST, SECOND)
    assert not await not_yet_changed.register()
    assert await record(changed) == recorded
    await not_yet_changed.check_reading()
    await not_yet_changed.check_known()
    assert await not_yet_changed.check_making()
    await pass_time(changed, MAKE_S)
    with pytest.raises(IdKeyRefused, match="still the previous key"):
        await not_yet_changed.register()


async def test_a_change_is_taken_back_when_the_record_of_it_is_deleted(changed: Redis) -> None:
    await changed.hdel(ID_KEY, "previous", "changed_ms")
    assert await IdKeyGuard(changed, FIRST, SECOND).register()
    assert await IdKeyGuard(changed, FIRST).check_making() == ""
    assert await IdKeyGuard(changed, SECOND).check_making()
    with pytest.raises(IdKeyRefused):
        await IdKeyGuard(changed, FIRST).check_reading()


async def test_commands_record_nothing(redis: Redis) -> None:
    guard = IdKeyGuard(redis, FIRST)
    await guard.check_known()
    await guard.check_making()
    await guard.check_reading()
    assert not await redis.exists(ID_KEY)


async def test_a_command_with_the_new_key_makes_no_id_before_a_reconciler_or_worker_has_recorded_it(
    redis: Redis,
) -> None:
    await IdKeyGuard(redis, FIRST).register()
    command = IdKeyGuard(redis, SECOND, FIRST)
    await command.check_known()
    with pytest.raises(IdKeyRefused, match="first start a reconciler or a worker with the new key"):
        await command.check_making()


async def test_a_command_with_another_key_is_refused(changed: Redis) -> None:
    with pytest.raises(IdKeyRefused, match="DISPATCH_ID_KEY is not the key"):
        await IdKeyGuard(changed, THIRD).check_known()
    with pytest.raises(IdKeyRefused, match="still the previous key"):
        await IdKeyGuard(changed, FIRST).check_known()


async def test_a_second_change_waits_until_no_report_of_the_key_before_the_last_can_come(changed: Redis) -> None:
    await pass_time(changed, READ_S - 60)
    with pytest.raises(IdKeyRefused, match="can be changed again at "):
        await IdKeyGuard(changed, THIRD, SECOND).register()
    await pass_time(changed, 60)
    assert await IdKeyGuard(changed, THIRD, SECOND).register()


async def test_many_processes_may_change_the_key_at_the_same_time(redis: Redis) -> None:
    await IdKeyGuard(redis, FIRST).register()
    results = await asyncio.gather(*(IdKeyGuard(redis, SECOND, FIRST).register() for _ in range(20)))
    assert results.count(True) == 1


async def test_of_two_new_keys_at_the_same_time_the_ledger_accepts_one(redis: Redis) -> None:
    await IdKeyGuard(redis, FIRST).register()
    results = await asyncio.gather(
        *(IdKeyGuard(redis, key, FIRST).register() for key in (SECOND, THIRD)), return_exceptions=True
    )
    assert sorted(map(str, map(type, results))) == sorted(map(str, (bool, IdKeyRefused)))


@pytest.mark.parametrize("keys", [(SECOND, FIRST), (FIRST, SECOND)])
async def test_a_process_with_both_keys_reads_ids(changed: Redis, keys: tuple[bytes, bytes]) -> None:
    await IdKeyGuard(changed, *keys).check_reading()


async def test_a_process_with_only_the_replaced_key_reads_no_ids_any_more(changed: Redis) -> None:
    await pass_time(changed, 10 * READ_S)
    with pytest.raises(IdKeyRefused, match="still the previous key"):
        await IdKeyGuard(changed, FIRST).check_reading()


async def test_a_process_with_only_the_new_key_reads_ids_when_no_report_of_the_old_one_can_come(
    changed: Redis,
) -> None:
    await pass_time(changed, READ_S - 60)
    with pytest.raises(IdKeyRefused, match="set DISPATCH_ID_KEY_OLD to that key"):
        await IdKeyGuard(changed, SECOND).check_reading()
    await pass_time(changed, 60)
    await IdKeyGuard(changed, SECOND).check_reading()


async def test_a_running_process_makes_ids_with_the_replaced_key_for_some_days(changed: Redis) -> None:
    running = IdKeyGuard(changed, FIRST)
    await pass_time(changed, MAKE_S - 60)
    assert "it may not make ids after " in await running.check_making()
    await pass_time(changed, 60)
    with pytest.raises(IdKeyRefused, match="still the previous key"):
        await running.check_making()


async def test_a_running_process_with_the_recorded_key_is_not_warned(changed: Redis) -> None:
    assert await IdKeyGuard(changed, SECOND).check_making() == ""
    assert await IdKeyGuard(changed, SECOND, FIRST).check_making() == ""


async def test_a_running_process_is_refused_if_the_ledger_records_a_key_that_it_never_knew(changed: Redis) -> None:
    with pytest.raises(IdKeyRefused):
        await IdKeyGuard(changed, THIRD).check_making()


async def test_without_a_record_running_processes_go_on(redis: Redis) -> None:
    guard = IdKeyGuard(redis, FIRST)
    assert await guard.check_making() == ""
    await guard.check_reading()


def test_a_report_can_come_for_the_last_id_of_the_old_key_before_readers_may_lack_it() -> None:
    assert MAKE_S + 72 * 3600 < READ_S
