"""The benchmark of the console finds the number of delivered messages in the events of the console."""

from collections.abc import AsyncIterator
from pathlib import Path

from redis.asyncio import Redis

from benchmarks.console import delivered_numbers
from console.live.subject import event
from tests.kit.console import make_rig, sent_campaign
from tests.kit.ledger import Ledger
from times_dispatch.console_users import ConsoleRole
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import MessageState


async def _in_pieces(data: bytes) -> AsyncIterator[str]:
    for at in range(0, len(data), 100):
        yield data[at : at + 100].decode()


async def test_the_number_on_the_page_is_found_in_a_stream_that_comes_in_pieces(
    redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    campaign = await sent_campaign(Ledger(redis))
    view = await Queries(redis).campaign(campaign)
    rig = make_rig(redis, redis_url, tmp_path)
    page = (await rig.logged_in(ConsoleRole.VIEWER).get(f"/campaigns/{campaign}")).text
    await rig.close()
    states = page.partition('<div sse-swap="states">')[2].partition('<div sse-swap="funnel">')[0]
    stream = (
        event("title", "1,234") + event("states", states) + event("states", "no message yet") + event("states", states)
    )
    numbers = [number async for number in delivered_numbers(_in_pieces(stream))]
    assert numbers == [view.counts[MessageState.DELIVERED]] * 2
    assert numbers[0] > 0
