"""A console on an empty ledger, and browsers that are logged in with each role."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.kit.console import Browser, ConsoleRig, make_rig
from tests.kit.ledger import Ledger
from times_dispatch.console_users import ConsoleRole


@pytest.fixture
async def rig(redis: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[ConsoleRig]:
    """A console with the users vera (viewer), omar (operator) and olga (owner)."""
    async with AsyncExitStack() as stack:
        rig = make_rig(redis, redis_url, tmp_path)
        stack.push_async_callback(rig.close)
        yield rig


@pytest.fixture
def browser_of(rig: ConsoleRig) -> Callable[[ConsoleRole], Browser]:
    """Return a browser that is logged in with a role."""
    return rig.logged_in


@pytest.fixture
def viewer(rig: ConsoleRig) -> Browser:
    return rig.logged_in(ConsoleRole.VIEWER)


@pytest.fixture
def operator(rig: ConsoleRig) -> Browser:
    return rig.logged_in(ConsoleRole.OPERATOR)


@pytest.fixture
def owner(rig: ConsoleRig) -> Browser:
    return rig.logged_in(ConsoleRole.OWNER)


@pytest.fixture
async def ledger(redis: Redis) -> Ledger:
    return Ledger(redis)
