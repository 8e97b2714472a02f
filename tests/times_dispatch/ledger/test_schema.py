"""The ledger records its schema, and a program that is too old for the ledger prints the remedy."""

import pytest
from redis.asyncio import Redis

from times_dispatch.ledger.errors import LedgerNewer
from times_dispatch.ledger.heartbeats import Heartbeat, ProcessKind, program_version
from times_dispatch.ledger.keys import SCHEMA
from times_dispatch.ledger.schema import MAJOR, MINOR, refuse_newer_ledger
from times_dispatch.ledger.scripts import text


async def record(redis: Redis, *, major: int, minor: int) -> None:
    await redis.hset(SCHEMA, mapping={"major": major, "minor": minor, "version": "9.0"})


async def recorded(redis: Redis) -> tuple[int, int, str]:
    major, minor, version = map(text, await redis.hmget(SCHEMA, ["major", "minor", "version"]))
    return int(major), int(minor), version


async def test_a_ledger_without_a_record_can_be_read_and_gets_one_from_the_first_process(redis: Redis) -> None:
    await refuse_newer_ledger(redis)
    assert not await redis.exists(SCHEMA)
    await Heartbeat(redis, ProcessKind.RECONCILER).beat()
    assert await recorded(redis) == (MAJOR, MINOR, program_version())
    await refuse_newer_ledger(redis)


@pytest.mark.parametrize(("major", "minor"), [(MAJOR - 1, MINOR + 5), (MAJOR, MINOR - 1)])
async def test_a_process_raises_an_older_schema(redis: Redis, major: int, minor: int) -> None:
    await record(redis, major=major, minor=minor)
    await Heartbeat(redis, ProcessKind.WORKER).beat()
    assert await recorded(redis) == (MAJOR, MINOR, program_version())


@pytest.mark.parametrize("kind", sorted(set(ProcessKind) - {"worker", "reconciler", "console"}))
async def test_a_process_that_does_not_change_the_ledger_raises_no_schema(redis: Redis, kind: ProcessKind) -> None:
    await record(redis, major=MAJOR, minor=MINOR - 1)
    await Heartbeat(redis, kind).beat()
    assert await recorded(redis) == (MAJOR, MINOR - 1, "9.0")
    await record(redis, major=MAJOR + 1, minor=0)
    with pytest.raises(LedgerNewer):
        await Heartbeat(redis, kind).beat()


async def test_a_process_works_with_a_newer_minor_schema_and_leaves_the_record(redis: Redis) -> None:
    await record(redis, major=MAJOR, minor=MINOR + 1)
    await refuse_newer_ledger(redis)
    await Heartbeat(redis, ProcessKind.WORKER).beat()
    assert await recorded(redis) == (MAJOR, MINOR + 1, "9.0")


async def test_a_newer_schema_ends_a_process_with_one_line_that_says_what_to_do(redis: Redis) -> None:
    await record(redis, major=MAJOR + 1, minor=0)
    with pytest.raises(LedgerNewer) as newer:
        await refuse_newer_ledger(redis)
    assert "\n" not in str(newer.value)
    assert "start that version, or restore the backup from before the upgrade" in str(newer.value)
    with pytest.raises(LedgerNewer):
        await Heartbeat(redis, ProcessKind.WORKER).beat()
    assert await recorded(redis) == (MAJOR + 1, 0, "9.0")
