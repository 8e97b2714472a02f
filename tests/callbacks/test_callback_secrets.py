"""The secrets with which the path of the receiver may end, and the response to an unknown secret."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from callbacks.callback_secrets import CALLBACK_SECRETS, READ_EVERY_S, CallbackSecrets
from tests.kit.clock import FakeClock
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect

FIRST, SECOND, THIRD = "the-first-secret-1", "the-second-secret", "the-third-secret-3"
CHANGE_S = 3600


@asynccontextmanager
async def started(
    redis: Redis, *secrets: str, change_s: float = CHANGE_S, clock: FakeClock | None = None
) -> AsyncIterator[CallbackSecrets]:
    """Yield the secrets of a receiver that has recorded them."""
    running = CallbackSecrets(redis, secrets, change_s=change_s, clock=clock or FakeClock())
    stop = asyncio.Event()
    recording = asyncio.create_task(running.record(stop))
    async with asyncio.timeout(30):
        while not running.is_recorded:
            await asyncio.sleep(0.01)
    yield running
    stop.set()
    await recording


async def change(redis: Redis, *, ago_s: float = 0) -> None:
    """Change the callback secret from the first to the second."""
    async with started(redis, FIRST), started(redis, SECOND, FIRST):
        await redis.hincrby(CALLBACK_SECRETS, "changed_ms", int(-ago_s * 1000))


@pytest.mark.parametrize(
    ("path", "is_valid"),
    [
        (f"/callbacks/{FIRST}", True),
        (f"/callbacks/{SECOND}", True),
        (f"/callbacks/{THIRD}", False),
        (f"/callbacks/{FIRST}/", True),
        (f"/callbacks/{FIRST}//", False),
        (f"/callbacks/{FIRST}x", False),
        (f"/callbacks/{FIRST}"[:-1], False),
        ("/callbacks/", False),
        ("", False),
    ],
)
def test_a_path_ends_with_one_of_the_secrets(redis: Redis, path: str, is_valid: bool) -> None:
    assert CallbackSecrets(redis, (FIRST, SECOND), change_s=0).match(path.encode()) == is_valid


def test_an_old_secret_that_is_not_given_is_not_valid(redis: Redis) -> None:
    assert not CallbackSecrets(redis, (FIRST, ""), change_s=0).match(b"/callbacks/")


async def test_the_first_start_and_starts_with_the_same_secrets_are_no_change(redis: Redis) -> None:
    async with started(redis, FIRST, SECOND) as secrets:
        assert not await secrets.is_change_recent()
    async with started(redis, SECOND, FIRST) as secrets:
        assert not await secrets.is_change_recent()


@pytest.mark.parametrize("before", [(FIRST,), (SECOND, FIRST), (FIRST, THIRD)])
async def test_a_start_with_other_secrets_is_a_change(redis: Redis, before: tuple[str, ...]) -> None:
    async with started(redis, *before):
        pass
    async with started(redis, SECOND) as secrets:
        assert await secrets.is_change_recent()


@pytest.mark.parametrize(("ago_s", "is_recent"), [(CHANGE_S - 30, True), (CHANGE_S + 1, False)])
async def test_a_change_lasts_as_long_as_the_settings_say(redis: Redis, ago_s: float, is_recent: bool) -> None:
    await change(redis, ago_s=ago_s)
    async with started(redis, SECOND, FIRST) as secrets:
        assert await secrets.is_change_recent() == is_recent


async def test_a_receiver_that_knows_only_the_old_secret_learns_of_the_change_within_a_second(redis: Redis) -> None:
    clock = FakeClock()
    async with started(redis, FIRST, clock=clock) as running:
        assert not await running.is_change_recent()
        async with started(redis, SECOND, FIRST):
            pass
        assert not await running.is_change_recent()
        await clock.advance(READ_EVERY_S)
        assert await running.is_change_recent()


async def test_many_guesses_read_redis_once_a_second(redis: Redis) -> None:
    async with started(redis, FIRST) as secrets:
        await redis.config_resetstat()
        await asyncio.gather(*(secrets.is_change_recent() for _ in range(200)))
        assert (await redis.info("commandstats"))["cmdstat_hgetall"]["calls"] == 1


async def test_with_a_duration_of_0_there_is_no_change(redis: Redis) -> None:
    await change(redis)
    async with started(redis, SECOND, change_s=0) as secrets:
        assert not await secrets.is_change_recent()


@pytest.mark.processes
async def test_while_redis_is_unavailable_a_change_may_be_recent() -> None:
    with EmbeddedServer(appendonly=False) as server:
        async with connect(server.url, retries=0) as redis, started(redis, FIRST) as secrets:
            server.kill()
            assert await secrets.is_change_recent()


async def test_before_the_secrets_are_recorded_a_change_may_be_recent(redis: Redis) -> None:
    assert await CallbackSecrets(redis, (FIRST,), change_s=CHANGE_S).is_change_recent()


async def test_redis_holds_no_secret(redis: Redis) -> None:
    await change(redis)
    held = str(await redis.hgetall(CALLBACK_SECRETS))
    for secret in (FIRST, SECOND):
        assert secret not in held
        assert secret.encode().hex() not in held
