import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from urllib.parse import parse_qs

import httpx
import pytest
from structlog.testing import capture_logs

from tests.kit.clock import FakeClock
from tests.kit.waiting import eventually
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.provider.oauth.token_cache import REFUSED_FOR_S, UNAVAILABLE_FOR_S, TokenCache
from times_dispatch.provider.oauth.token_store import InMemoryTokenStore
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.push_errors import NotSent

CREDENTIALS = ClientCredentials(
    token_url="https://sms.example/token", client_id="cid", client_secret="hush", extra=(("scope", "sms"),)
)
LIFETIME_S = 1_000
GET_TIMEOUT_S = 0.2


class TokenServer(httpx.AsyncBaseTransport):
    """Grants token-1, token-2 and so on, unless ``replies`` has other answers."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.replies: list[httpx.Response | Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.asked.set()
        number = len(self.requests)
        await self.gate.wait()
        reply = self.replies.pop(0) if self.replies else granted(f"token-{number}")
        if isinstance(reply, Exception):
            raise reply
        return reply


def granted(token: str, expires_in: object = LIFETIME_S) -> httpx.Response:
    return httpx.Response(200, json={"access_token": token, "token_type": "bearer", "expires_in": expires_in})


class TokenProcesses:
    """A token server, a store, and processes that share both."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.server = TokenServer()
        self.store: InMemoryTokenStore = InMemoryTokenStore(clock=self.clock)
        self.caches: list[TokenCache] = []

    def cache(self, credentials: ClientCredentials = CREDENTIALS) -> TokenCache:
        cache = TokenCache(
            "other",
            credentials,
            transport=self.server,
            store=self.store,
            request_timeout_s=15,
            get_timeout_s=GET_TIMEOUT_S,
            clock=self.clock,
        )
        self.caches.append(cache)
        return cache


@pytest.fixture
async def processes() -> AsyncIterator[TokenProcesses]:
    processes = TokenProcesses()
    yield processes
    for cache in processes.caches:
        await cache.aclose()


async def settle() -> None:
    """Let tasks in the background run as far as they can while the clock stands still."""
    for _ in range(50):
        await asyncio.sleep(0)


def throttled(outcome: str | Outcome, code: Failure, *, about_s: float) -> bool:
    assert isinstance(outcome, Outcome)
    assert outcome.verdict is Verdict.THROTTLED
    assert outcome.retry_after_s == pytest.approx(about_s, abs=1)
    return outcome.code == code


async def test_the_request_is_that_of_the_client_credentials_grant(processes: TokenProcesses) -> None:
    assert await processes.cache().get() == "Bearer token-1"
    (request,) = processes.server.requests
    assert (request.method, str(request.url)) == ("POST", CREDENTIALS.token_url)
    assert request.headers["authorization"] == "Basic Y2lkOmh1c2g="
    assert parse_qs(request.content.decode()) == {"grant_type": ["client_credentials"], "scope": ["sms"]}


async def test_a_hundred_pushes_that_wait_for_a_token_ask_for_one(processes: TokenProcesses) -> None:
    cache = processes.cache()
    assert set(await asyncio.gather(*(cache.get() for _ in range(100)))) == {"Bearer token-1"}
    assert len(processes.server.requests) == 1


async def test_two_processes_that_start_together_ask_for_one_token(processes: TokenProcesses) -> None:
    processes.server.gate.clear()
    first, second = (asyncio.create_task(processes.cache().get()) for _ in range(2))
    await processes.server.asked.wait()
    processes.server.gate.set()
    assert await first == "Bearer token-1"
    await processes.clock.advance(0.1)  # until the other process reads the store again
    async with asyncio.timeout(30):
        assert await second == "Bearer token-1"
    assert len(processes.server.requests) == 1


async def test_a_process_that_starts_later_takes_the_token_that_is_there(processes: TokenProcesses) -> None:
    await processes.cache().get()
    assert await processes.cache().get() == "Bearer token-1"
    assert len(processes.server.requests) == 1


async def test_a_token_is_renewed_before_it_ends_and_good_until_then(processes: TokenProcesses) -> None:
    cache = processes.cache()
    await cache.get()
    await processes.clock.advance(LIFETIME_S - 66)
    assert cache.current() == "Bearer token-1"
    await settle()
    assert len(processes.server.requests) == 1

    await processes.clock.advance(5)  # less than a minute before its end
    assert cache.current() == "Bearer token-1"
    await eventually(lambda: cache.current() == "Bearer token-2", every_s=0)
    assert len(processes.server.requests) == 2


async def test_a_short_token_is_renewed_when_a_fifth_of_its_life_is_left(processes: TokenProcesses) -> None:
    processes.server.replies = [granted("short", 10)]
    cache = processes.cache()
    await cache.get()
    await processes.clock.advance(7.7)
    cache.current()
    await settle()
    assert len(processes.server.requests) == 1
    await processes.clock.advance(0.2)
    await eventually(lambda: cache.current() == "Bearer token-2", every_s=0)


async def test_the_other_processes_see_the_new_token_without_asking(processes: TokenProcesses) -> None:
    first, second = processes.cache(), processes.cache()
    await first.get()
    await second.get()
    await processes.clock.advance(LIFETIME_S - 30)
    await eventually(lambda: first.current() == "Bearer token-2", every_s=0)
    await processes.clock.advance(1)
    await eventually(lambda: second.current() == "Bearer token-2", every_s=0)
    assert len(processes.server.requests) == 2


async def test_a_token_is_not_used_after_its_end(processes: TokenProcesses) -> None:
    cache = processes.cache()
    await cache.get()
    await processes.clock.advance(LIFETIME_S)
    processes.server.replies = [httpx.Response(503)]
    assert throttled(await cache.get(), Failure.TOKEN_UNAVAILABLE, about_s=UNAVAILABLE_FOR_S)


async def test_a_refused_token_is_asked_for_again_after_120_s_and_not_before(processes: TokenProcesses) -> None:
    processes.server.replies = [httpx.Response(401, json={"error": "invalid_client"})]
    cache = processes.cache()
    outcome = await cache.get()
    assert throttled(outcome, Failure.TOKEN_REFUSED, about_s=REFUSED_FOR_S)
    assert isinstance(outcome, Outcome)
    assert outcome.reason == "token refused: HTTP 401: invalid_client"

    await processes.clock.advance(REFUSED_FOR_S - 1)
    assert throttled(await cache.get(), Failure.TOKEN_REFUSED, about_s=1)
    assert throttled(await processes.cache().get(), Failure.TOKEN_REFUSED, about_s=1)
    assert len(processes.server.requests) == 1

    await processes.clock.advance(1)
    assert await cache.get() == "Bearer token-2"


async def test_a_token_that_the_provider_refuses_stops_all_processes_for_120_s(processes: TokenProcesses) -> None:
    first, second = processes.cache(), processes.cache()
    assert await first.get() == await second.get() == "Bearer token-1"

    assert throttled(first.note_refusal("Bearer token-1"), Failure.TOKEN_REFUSED, about_s=REFUSED_FOR_S)
    assert first.current() == ""
    await processes.clock.advance(1)
    await eventually(lambda: second.current() == "", every_s=0)
    assert throttled(await second.get(), Failure.TOKEN_REFUSED, about_s=REFUSED_FOR_S)
    assert len(processes.server.requests) == 1

    await processes.clock.advance(REFUSED_FOR_S)
    assert await first.get() == "Bearer token-2"
    assert await second.get() == "Bearer token-2"
    assert len(processes.server.requests) == 2


async def test_late_answers_do_not_stop_it_for_longer(processes: TokenProcesses) -> None:
    cache = processes.cache()
    await cache.get()
    cache.note_refusal("Bearer token-1")
    await processes.clock.advance(10)
    assert throttled(cache.note_refusal("Bearer token-1"), Failure.TOKEN_REFUSED, about_s=REFUSED_FOR_S - 10)


async def test_a_401_for_an_older_token_stops_nothing(processes: TokenProcesses) -> None:
    cache = processes.cache()
    await cache.get()
    await processes.clock.advance(LIFETIME_S - 30)
    await eventually(lambda: cache.current() == "Bearer token-2", every_s=0)
    assert throttled(cache.note_refusal("Bearer token-1"), Failure.TOKEN_UNAVAILABLE, about_s=1)
    assert cache.current() == "Bearer token-2"


async def test_a_refusal_holds_although_a_renewal_is_under_way(processes: TokenProcesses) -> None:
    cache = processes.cache()
    await cache.get()
    await processes.clock.advance(LIFETIME_S - 30)
    processes.server.gate.clear()
    processes.server.asked.clear()
    cache.current()
    await processes.server.asked.wait()
    cache.note_refusal("Bearer token-1")
    processes.server.gate.set()
    await settle()
    assert throttled(await cache.get(), Failure.TOKEN_REFUSED, about_s=REFUSED_FOR_S)


async def test_nobody_waits_long_for_a_slow_token_server(processes: TokenProcesses) -> None:
    processes.server.gate.clear()
    cache = processes.cache()
    getting = asyncio.create_task(cache.get())
    await processes.server.asked.wait()
    await processes.clock.advance(GET_TIMEOUT_S - 0.01)
    assert not getting.done()
    await processes.clock.advance(0.01)
    assert throttled(await getting, Failure.TOKEN_UNAVAILABLE, about_s=1)
    processes.server.gate.set()
    assert await cache.get() == "Bearer token-1"
    assert len(processes.server.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        NotSent(Failure.REFUSED),
        httpx.ReadTimeout("x"),
        OSError("x"),
        httpx.Response(500),
        httpx.Response(429),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"token": "x"}),
        httpx.Response(200, json={"access_token": "a\r\nb"}),
    ],
)
async def test_a_token_server_that_gives_none_is_asked_again_after_5_s(
    processes: TokenProcesses, reply: httpx.Response | Exception
) -> None:
    processes.server.replies = [reply]
    cache = processes.cache()
    assert throttled(await cache.get(), Failure.TOKEN_UNAVAILABLE, about_s=UNAVAILABLE_FOR_S)
    assert throttled(await processes.cache().get(), Failure.TOKEN_UNAVAILABLE, about_s=UNAVAILABLE_FOR_S)
    assert len(processes.server.requests) == 1
    await processes.clock.advance(UNAVAILABLE_FOR_S)
    assert await cache.get() == "Bearer token-2"


async def test_a_renewal_that_fails_leaves_the_old_token_in_use_to_its_end(processes: TokenProcesses) -> None:
    cache = processes.cache()
    await cache.get()
    await processes.clock.advance(LIFETIME_S - 30)
    processes.server.replies = [httpx.Response(503)]
    cache.current()
    await eventually(lambda: len(processes.server.requests) == 2, every_s=0)
    await settle()
    assert cache.current() == "Bearer token-1"
    assert len(processes.server.requests) == 2
    await processes.clock.advance(UNAVAILABLE_FOR_S)
    await eventually(lambda: cache.current() == "Bearer token-3", every_s=0)


async def test_a_token_that_ends_on_its_way_is_none(processes: TokenProcesses) -> None:
    processes.server.gate.clear()
    cache = processes.cache()
    getting = asyncio.create_task(cache.get())
    await processes.server.asked.wait()
    await processes.clock.advance(LIFETIME_S)
    await getting
    processes.server.gate.set()
    await settle()
    outcome = await cache.get()
    assert throttled(outcome, Failure.TOKEN_UNAVAILABLE, about_s=UNAVAILABLE_FOR_S)
    assert isinstance(outcome, Outcome)
    assert outcome.reason == "no token: the token expired before it arrived"


async def test_the_store_holds_nothing_that_can_be_read_without_the_client_secret(processes: TokenProcesses) -> None:
    await processes.cache().get()
    ((name, (value, _)),) = processes.store._values.items()
    for secret in ("token-1", "Bearer", "hush", "cid"):
        assert secret not in name
        assert secret.encode() not in value


async def test_other_credentials_get_a_token_of_their_own(processes: TokenProcesses) -> None:
    await processes.cache().get()
    rotated = ClientCredentials(token_url=CREDENTIALS.token_url, client_id="cid", client_secret="new")
    assert await processes.cache(rotated).get() == "Bearer token-2"


async def test_a_value_that_somebody_else_wrote_is_no_token(processes: TokenProcesses) -> None:
    cache = processes.cache()
    await cache.get()
    (name,) = processes.store._values
    await processes.store.write(name, b"Bearer stolen", ttl_s=100)
    assert await processes.cache().get() == "Bearer token-2"


class UnavailableStore:
    async def read(self, name: str) -> tuple[bytes, float] | None:
        raise ConnectionError

    async def write(self, name: str, value: bytes, *, ttl_s: float) -> None:
        raise ConnectionError

    def lock(self, name: str, *, ttl_s: float) -> AbstractAsyncContextManager[bool]:
        raise ConnectionError


async def test_without_its_store_a_process_asks_for_no_token_and_keeps_the_one_it_has(
    processes: TokenProcesses,
) -> None:
    good = processes.cache()
    await good.get()
    good._store = UnavailableStore()
    await processes.clock.advance(10)
    assert good.current() == "Bearer token-1"
    await settle()
    assert good.current() == "Bearer token-1"

    fresh = TokenCache(
        "x",
        CREDENTIALS,
        transport=processes.server,
        store=UnavailableStore(),
        request_timeout_s=1,
        clock=processes.clock,
    )
    assert throttled(await fresh.get(), Failure.TOKEN_UNAVAILABLE, about_s=1)
    assert len(processes.server.requests) == 1


Story = Callable[[TokenProcesses], Awaitable[object]]


async def _granted(processes: TokenProcesses) -> None:
    await processes.cache().get()


async def _refused(processes: TokenProcesses) -> None:
    processes.server.replies = [httpx.Response(401, json={"error": "invalid_client hush", "x": "hush"})]
    await processes.cache().get()


async def _refused_by_the_provider(processes: TokenProcesses) -> None:
    cache = processes.cache()
    await cache.get()
    cache.note_refusal("Bearer token-1")


@pytest.mark.parametrize("story", [_granted, _refused, _refused_by_the_provider])
async def test_no_log_line_holds_a_secret(processes: TokenProcesses, story: Story) -> None:
    with capture_logs() as lines:
        await story(processes)
    assert lines
    assert not [word for word in ("token-1", "hush", "cid") if word in repr(lines)]
