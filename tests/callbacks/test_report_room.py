"""Reports are refused before Redis is full, and taken again when there is room."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from callbacks.report_room import ReportRoom
from callbacks.stream_writer import ReportStreamWriter
from tests.kit.callbacks import posted, row


@pytest.fixture
async def limited(redis: Redis) -> AsyncIterator[Redis]:
    """A Redis whose maxmemory is twice the used memory."""
    used = int((await redis.info("memory"))["used_memory"])
    await redis.config_set("maxmemory", 2 * used)
    yield redis
    await redis.config_set("maxmemory", 0)


async def test_without_a_limit_there_is_always_room(redis: Redis) -> None:
    room = ReportRoom(redis, max_memory_share=0.01)
    await room.check()
    assert room.refusal == ""


@pytest.mark.parametrize(("share", "refused"), [(0.9, False), (0.3, True)])
async def test_above_the_share_of_maxmemory_no_report_is_taken(limited: Redis, share: float, refused: bool) -> None:
    room = ReportRoom(limited, max_memory_share=share)
    await room.check()
    assert room.refusal.startswith("Redis uses ") is refused


async def test_reports_are_taken_again_when_those_that_wait_are_applied(redis: Redis) -> None:
    room = ReportRoom(redis, max_waiting_bytes=5_000)
    writer = ReportStreamWriter(redis)
    for number in range(100):
        await writer.put(posted("delivered", row(f"m{number}" * 10)))
    await room.check()
    assert room.refusal == "too many reports wait for a reconciler"
    await redis.xtrim("reports", maxlen=1, approximate=False)
    await room.check()
    assert room.refusal == ""


async def test_the_last_answer_stands_while_redis_is_away(limited: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    room = ReportRoom(limited, max_memory_share=0.3)
    await room.check()

    async def fail(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(limited, "info", fail)
    with pytest.raises(ConnectionError):
        await room.check()
    assert room.refusal


async def test_the_health_names_the_memory_before_it_is_full(redis: Redis) -> None:
    room = ReportRoom(redis)
    assert await room.warnings() == []
    used = int((await redis.info("memory"))["used_memory"])
    await redis.config_set("maxmemory", int(used / 0.85))
    try:
        (warning,) = await room.warnings()
    finally:
        await redis.config_set("maxmemory", 0)
    assert "of its memory is used" in warning
    assert "raise maxmemory before reports and campaigns are refused" in warning
