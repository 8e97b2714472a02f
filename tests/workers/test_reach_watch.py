"""While a provider is lost, the watch looks for signs of the provider; otherwise the watch does nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.kit.clock import FakeClock
from tests.kit.fake_provider import FakeProvider, described_provider
from times_dispatch.provider.client import Client
from times_dispatch.provider.failures import OUTCOMES, Failure
from times_dispatch.provider.reach import ProviderReach
from workers.reach_watch import ReachWatch

LOST = OUTCOMES[Failure.UNREACHABLE]


class FakeClient(Client):
    """A client that counts attempts to connect; ``is_reached`` says whether they succeed."""

    def __init__(self) -> None:
        super().__init__(described_provider(), FakeProvider())
        self.is_reached = False
        self.error: Exception | None = None
        self.asked_at: list[float] = []
        self.clock = FakeClock()

    async def can_connect(self) -> bool:
        self.asked_at.append(self.clock.monotonic())
        if self.error:
            raise self.error
        return self.is_reached


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
async def reach(client: FakeClient) -> AsyncIterator[ProviderReach]:
    reach = ProviderReach(clock=client.clock)
    watching = asyncio.create_task(ReachWatch(reach, {"times": client}, clock=client.clock).run())
    yield reach
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def lose(reach: ProviderReach, client: FakeClient, provider: str = "times") -> None:
    reach.note(provider, [LOST])
    await client.clock.advance(3)
    reach.note(provider, [LOST])
    await client.clock.advance(0)


async def test_connections_to_a_lost_provider_are_tried_until_one_is_made(
    reach: ProviderReach, client: FakeClient
) -> None:
    await client.clock.advance(60)
    assert client.asked_at == []
    await lose(reach, client)
    began = client.clock.monotonic()
    await client.clock.advance(20)
    gaps = [later - earlier for earlier, later in zip([began, *client.asked_at], client.asked_at, strict=False)]
    assert gaps == pytest.approx([0.5, 1, 2, 4, 4, 4], abs=0.2)
    assert reach.is_cut_off(["times"])
    client.is_reached = True
    await client.clock.advance(4.2)
    assert not reach.is_cut_off(["times"])
    asked = len(client.asked_at)
    await client.clock.advance(60)
    assert len(client.asked_at) == asked


async def test_after_a_response_no_more_connections_are_tried_until_the_next_loss(
    reach: ProviderReach, client: FakeClient
) -> None:
    await lose(reach, client)
    reach.note_response("times")
    await client.clock.advance(60)
    assert client.asked_at == []
    await lose(reach, client)
    await client.clock.advance(1)
    assert len(client.asked_at) == 1


async def test_a_provider_without_a_client_is_tried_with_a_message_at_once(
    reach: ProviderReach, client: FakeClient
) -> None:
    await lose(reach, client, "unknown")
    await client.clock.advance(1)
    assert not reach.is_cut_off(["unknown"])


async def test_an_unexpected_error_counts_as_no_connection_and_the_watch_goes_on(
    reach: ProviderReach, client: FakeClient
) -> None:
    client.error = RuntimeError("the handler is closed")
    await lose(reach, client)
    await client.clock.advance(10)
    tried = len(client.asked_at)
    assert tried >= 2
    client.error, client.is_reached = None, True
    await client.clock.advance(10)
    assert len(client.asked_at) == tried + 1
    assert reach.limits_of(["times"]).tried == "times"
