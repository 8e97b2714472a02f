"""Fixtures for all tests: a real Redis, empty at the start of each test."""

import gc
from collections.abc import AsyncIterator, Generator, Iterator

import pytest
import structlog
from hypothesis import settings
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from tests.kit.one_slot import refusing_mixed_slots
from tests.kit.process_guard import allowing_processes, refusing_processes
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect

# Every run tries the same examples, and no example has a time limit. New examples: pytest --hypothesis-profile=default
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("quick", settings.get_profile("repeatable"), max_examples=10)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of ``make fast``."""
    parser.addoption("--fork-readers", action="store_true", help="fork reader processes instead of starting a program")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import and collect all tests without garbage collections: next to nothing that is made here is garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark each test that uses the Redis of these tests, by itself or by way of other fixtures."""
    if "redis_server" in getattr(item, "fixturenames", ()):
        item.add_marker("redis")


# A hook and not two fixtures, because fixtures would take as long as many a test does.
@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let only a marked test start processes (``make fast`` leaves it out), and take back what it did to the logs."""
    is_marked = item.get_closest_marker("processes") is not None
    fork_readers = bool(item.config.getoption("--fork-readers"))
    with allowing_processes() if is_marked else refusing_processes(fork_readers=fork_readers):
        try:
            return (yield)
        finally:
            structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def one_slot() -> Iterator[None]:
    """What works with the Redis of these tests works on a cluster, too."""
    with refusing_mixed_slots():
        yield


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedServer]:
    """One embedded server for the whole run, without a file of its own; do not kill it, start another for that."""
    server = EmbeddedServer(appendonly=False)
    with allowing_processes():
        server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def emptying(redis_server: EmbeddedServer) -> Iterator[SyncRedis]:
    """One client that empties the server before each test: a new client would cost more than the emptying."""
    with SyncRedis.from_url(redis_server.url) as redis:
        yield redis


@pytest.fixture
def redis_url(redis_server: EmbeddedServer, emptying: SyncRedis) -> str:
    """The URL of an empty database."""
    emptying.flushall()
    return redis_server.url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """An asyncio client on the empty database, as the processes make theirs."""
    async with connect(redis_url) as client:
        yield client
