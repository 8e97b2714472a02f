import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from urllib.parse import parse_qs

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from times_dispatch.provider.failures import Failure, NotSent
from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.provider.oauth.token_cache import AWAY_FOR_S, REFUSED_FOR_S, TokenCache
from times_dispatch.provider.oauth.token_store import OwnTokens
from times_dispatch.provider.outcomes import Outcome, Verdict

CREDENTIALS = ClientCredentials(
    token_url="https://sms.example/token", client_id="cid", client_secret="hush", extra=(("scope", "sms"),)
)
LIFETIME_S = 1_000


class Clock:
    def __init__(self) -> None:
        self.now = 5_000.0

    def __call__(self) -> float:
        return self.now


class TokenServer(httpx.AsyncBaseTransport):
    """Grants token-1, token-2 and so on, unless told otherwise."""

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


class House:
    """A token server, a store, and processes that share both."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.server = TokenServer()
        self.store: OwnTokens = OwnTokens(clock=self.clock)
        self.keepers: list[TokenCache] = []

    def keeper(self, credentials: ClientCredentials = CREDENTIALS) -> TokenCache:
        keeper = TokenCache(
            "other",
            credentials,
            transport=self.server,
            store=self.store,
            timeout_s=15,
            patience_s=0.2,
            clock=self.clock,
        )
        self.keepers.append(keeper)
        return keeper


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    for keeper in house.keepers:
        await keeper.aclose()


async def settled(keeper: TokenCache, wanted: Callable[[], object]) -> None:
    """Let what runs in the background come to an end, not for ever."""
    for _ in range(200):
        if wanted():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to pass")


def throttled(outcome: str | Outcome, code: Failure, *, about_s: float) -> bool:
    assert isinstance(outcome, Outcome)
    assert outcome.verdict is Verdict.THROTTLED
    assert outcome.retry_after_s == pytest.approx(about_s, abs=1)
    return outcome.code == code


async def test_the_request_is_that_of_the_client_credentials_grant(house: House) -> None:
    assert await house.keeper().obtain() == "Bearer token-1"
    (request,) = house.server.requests
    assert (request.method, str(request.url)) == ("POST", CREDENTIALS.token_url)
    assert request.headers["authorization"] == "Basic Y2lkOmh1c2g="
    assert parse_qs(request.content.decode()) == {"grant_type": ["client_credentials"], "scope": ["sms"]}


async def test_a_hundred_pushes_that_wait_for_a_token_ask_for_one(house: House) -> None:
    keeper = house.keeper()
    assert set(await asyncio.gather(*(keeper.obtain() for _ in range(100)))) == {"Bearer token-1"}
    assert len(house.server.requests) == 1


async def test_two_processes_that_start_together_ask_for_one_token(house: House) -> None:
    house.server.gate.clear()
    first, second = (asyncio.create_task(house.keeper().obtain()) for _ in range(2))
    await house.server.asked.wait()
    house.server.gate.set()
    assert {*await asyncio.gather(first, second)} == {"Bearer token-1"}
    assert len(house.server.requests) == 1


async def test_a_process_that_starts_later_takes_the_token_that_is_there(house: House) -> None:
    await house.keeper().obtain()
    assert await house.keeper().obtain() == "Bearer token-1"
    assert len(house.server.requests) == 1


async def test_a_token_is_renewed_before_it_ends_and_good_until_then(house: House) -> None:
    keeper = house.keeper()
    await keeper.obtain()
    house.clock.now += LIFETIME_S - 66
    assert keeper.current() == "Bearer token-1"
    await settled(keeper, lambda: True)
    assert len(house.server.requests) == 1

    house.clock.now += 5  # less than a minute before its end
    assert keeper.current() == "Bearer token-1"
    await settled(keeper, lambda: keeper.current() == "Bearer token-2")
    assert len(house.server.requests) == 2


async def test_a_short_token_is_renewed_when_a_fifth_of_its_life_is_left(house: House) -> None:
    house.server.replies = [granted("short", 10)]
    keeper = house.keeper()
    await keeper.obtain()
    house.clock.now += 7.7
    keeper.current()
    await asyncio.sleep(0.01)
    assert len(house.server.requests) == 1
    house.clock.now += 0.2
    await settled(keeper, lambda: keeper.current() == "Bearer token-2")


async def test_the_other_processes_see_the_new_token_without_asking(house: House) -> None:
    first, second = house.keeper(), house.keeper()
    await first.obtain()
    await second.obtain()
    house.clock.now += LIFETIME_S - 30
    await settled(first, lambda: first.current() == "Bearer token-2")
    house.clock.now += 1
    await settled(second, lambda: second.current() == "Bearer token-2")
    assert len(house.server.requests) == 2


async def test_a_token_is_not_used_after_its_end(house: House) -> None:
    keeper = house.keeper()
    await keeper.obtain()
    house.clock.now += LIFETIME_S
    house.server.replies = [httpx.Response(503)]
    assert throttled(await keeper.obtain(), Failure.TOKEN_AWAY, about_s=AWAY_FOR_S)


async def test_a_refused_token_is_asked_for_again_after_120_s_and_not_before(house: House) -> None:
    house.server.replies = [httpx.Response(401, json={"error": "invalid_client"})]
    keeper = house.keeper()
    outcome = await keeper.obtain()
    assert throttled(outcome, Failure.TOKEN_REFUSED, about_s=REFUSED_FOR_S)
    assert isinstance(outcome, Outcome)
    assert outcome.reason == "token refused: HTTP 401: invalid_client"

    house.clock.now += REFUSED_FOR_S - 1
    assert throttled(await keeper.obtain(), Failure.TOKEN_REFUSED, about_s=1)
    assert throttled(await house.keeper().obtain(), Failure.TOKEN_REFUSED, about_s=1)
    assert len(house.server.requests) == 1

    house.clock.now += 1
    assert await keeper.obtain() == "Bearer token-2"


async def test_a_token_that_the_provider_refuses_stops_all_processes_for_120_s(house: House) -> None:
    first, second = house.keeper(), house.keeper()
    assert await first.obtain() == await second.obtain() == "Bearer token-1"

    assert throttled(first.refused("Bearer token-1"), Failure.TOKEN_REFUSED, about_s=REFUSED_FOR_S)
    assert first.current() == ""
    house.clock.now += 1
    await settled(second, lambda: second.current() == "")
    assert throttled(await second.obtain(), Failure.TOKEN_REFUSED, about_s=REFUSED_FOR_S)
    assert len(house.server.requests) == 1

    house.clock.now += REFUSED_FOR_S
    assert await first.obtain() == "Bearer token-2"
    assert await second.obtain() == "Bearer token-2"
    assert len(house.server.requests) == 2


async def test_late_answers_do_not_stop_it_for_longer(house: House) -> None:
    keeper = house.keeper()
    await keeper.obtain()
    keeper.refused("Bearer token-1")
    house.clock.now += 10
    assert throttled(keeper.refused("Bearer token-1"), Failure.TOKEN_REFUSED, about_s=REFUSED_FOR_S - 10)


async def test_a_401_for_an_older_token_stops_nothing(house: House) -> None:
    keeper = house.keeper()
    await keeper.obtain()
    house.clock.now += LIFETIME_S - 30
    await settled(keeper, lambda: keeper.current() == "Bearer token-2")
    assert throttled(keeper.refused("Bearer token-1"), Failure.TOKEN_AWAY, about_s=1)
    assert keeper.current() == "Bearer token-2"


async def test_a_refusal_holds_although_a_renewal_is_under_way(house: House) -> None:
    keeper = house.keeper()
    await keeper.obtain()
    house.clock.now += LIFETIME_S - 30
    house.server.gate.clear()
    house.server.asked.clear()
    keeper.current()
    await house.server.asked.wait()
    keeper.refused("Bearer token-1")
    house.server.gate.set()
    await asyncio.sleep(0.01)
    assert throttled(await keeper.obtain(), Failure.TOKEN_REFUSED, about_s=REFUSED_FOR_S)


async def test_nobody_waits_long_for_a_slow_token_server(house: House) -> None:
    house.server.gate.clear()
    keeper = house.keeper()
    async with asyncio.timeout(5):
        assert throttled(await keeper.obtain(), Failure.TOKEN_AWAY, about_s=1)
    house.server.gate.set()
    assert await keeper.obtain() == "Bearer token-1"
    assert len(house.server.requests) == 1


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
    house: House, reply: httpx.Response | Exception
) -> None:
    house.server.replies = [reply]
    keeper = house.keeper()
    assert throttled(await keeper.obtain(), Failure.TOKEN_AWAY, about_s=AWAY_FOR_S)
    assert throttled(await house.keeper().obtain(), Failure.TOKEN_AWAY, about_s=AWAY_FOR_S)
    assert len(house.server.requests) == 1
    house.clock.now += AWAY_FOR_S
    assert await keeper.obtain() == "Bearer token-2"


async def test_a_renewal_that_fails_leaves_the_old_token_in_use_to_its_end(house: House) -> None:
    keeper = house.keeper()
    await keeper.obtain()
    house.clock.now += LIFETIME_S - 30
    house.server.replies = [httpx.Response(503)]
    keeper.current()
    await settled(keeper, lambda: len(house.server.requests) == 2)
    await asyncio.sleep(0.01)
    assert keeper.current() == "Bearer token-1"
    assert len(house.server.requests) == 2
    house.clock.now += AWAY_FOR_S
    await settled(keeper, lambda: keeper.current() == "Bearer token-3")


async def test_a_token_that_ends_on_its_way_is_none(house: House) -> None:
    house.server.gate.clear()
    keeper = house.keeper()
    obtaining = asyncio.create_task(keeper.obtain())
    await house.server.asked.wait()
    house.clock.now += LIFETIME_S
    house.server.gate.set()
    assert throttled(await obtaining, Failure.TOKEN_AWAY, about_s=AWAY_FOR_S)


async def test_the_store_holds_nothing_that_can_be_read_without_the_client_secret(house: House) -> None:
    await house.keeper().obtain()
    ((name, (value, _)),) = house.store._values.items()
    for secret in ("token-1", "Bearer", "hush", "cid"):
        assert secret not in name
        assert secret.encode() not in value


async def test_other_credentials_get_a_token_of_their_own(house: House) -> None:
    await house.keeper().obtain()
    rotated = ClientCredentials(token_url=CREDENTIALS.token_url, client_id="cid", client_secret="new")
    assert await house.keeper(rotated).obtain() == "Bearer token-2"


async def test_a_value_that_somebody_else_wrote_is_no_token(house: House) -> None:
    keeper = house.keeper()
    await keeper.obtain()
    (name,) = house.store._values
    await house.store.write(name, b"Bearer stolen", ttl_s=100)
    assert await house.keeper().obtain() == "Bearer token-2"


class AwayStore:
    async def read(self, name: str) -> tuple[bytes, float] | None:
        raise ConnectionError

    async def write(self, name: str, value: bytes, *, ttl_s: float) -> None:
        raise ConnectionError

    def alone(self, name: str, *, longest_s: float) -> AbstractAsyncContextManager[bool]:
        raise ConnectionError


async def test_without_its_store_a_process_asks_for_no_token_and_keeps_the_one_it_has(house: House) -> None:
    good = house.keeper()
    await good.obtain()
    good._store = AwayStore()
    house.clock.now += 10
    assert good.current() == "Bearer token-1"
    await asyncio.sleep(0.01)
    assert good.current() == "Bearer token-1"

    fresh = TokenCache("x", CREDENTIALS, transport=house.server, store=AwayStore(), timeout_s=1, clock=house.clock)
    assert throttled(await fresh.obtain(), Failure.TOKEN_AWAY, about_s=1)
    assert len(house.server.requests) == 1


Story = Callable[[House], Awaitable[object]]


async def _granted(house: House) -> None:
    await house.keeper().obtain()


async def _refused(house: House) -> None:
    house.server.replies = [httpx.Response(401, json={"error": "invalid_client hush", "x": "hush"})]
    await house.keeper().obtain()


async def _refused_by_the_provider(house: House) -> None:
    keeper = house.keeper()
    await keeper.obtain()
    keeper.refused("Bearer token-1")


@pytest.mark.parametrize("story", [_granted, _refused, _refused_by_the_provider])
async def test_no_log_line_holds_a_secret(house: House, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    # A logger that was used before has its processors for good.
    monkeypatch.setattr("times_dispatch.provider.oauth.token_cache._log", structlog.get_logger())
    with capture_logs() as lines:
        await story(house)
    assert lines
    assert not [word for word in ("token-1", "hush", "cid") if word in repr(lines)]


def test_no_representation_shows_a_secret() -> None:
    shown = repr(CREDENTIALS) + str(CREDENTIALS) + repr(CREDENTIALS.__rich_repr__())
    assert not [word for word in ("hush", "cid") if word in shown]
