from redis.asyncio import Redis

from times_dispatch.ledger.model import CampaignId, Recipients, SenderId
from times_dispatch.ledger.records import cut_link_values, pack_recipients, read_link_values
from times_dispatch.ledger.tracked_links import LinkNumbers

SENDER = SenderId("TIMESM")


async def test_campaigns_of_a_sender_are_numbered_from_1(redis: Redis) -> None:
    numbers = LinkNumbers(redis)

    assert await numbers.number(SENDER, CampaignId("diwali01")) == 1
    assert await numbers.number(SENDER, CampaignId("diwali02")) == 2
    assert await numbers.number(SenderId("OTHERS"), CampaignId("diwali03")) == 1


async def test_a_campaign_keeps_its_number(redis: Redis) -> None:
    numbers = LinkNumbers(redis)

    assert [await numbers.number(SENDER, CampaignId("diwali01")) for _ in range(2)] == [1, 1]


async def test_a_number_without_campaign_is_not_found(redis: Redis) -> None:
    await LinkNumbers(redis).number(SENDER, CampaignId("diwali01"))

    assert await LinkNumbers(redis).find(SENDER, 2) is None
    assert await LinkNumbers(redis).find(SENDER, 1) is None  # the campaign has a number, and has not begun


def test_the_values_of_links_are_read_from_a_packed_batch() -> None:
    batch = Recipients(0, ["919876500000"], [2], [["Asha"]], [1], {"x": ["y"]}, [["C1"], ["Pune"]])

    assert read_link_values(cut_link_values(pack_recipients(batch))) == [["C1"], ["Pune"]]
    without = Recipients(0, ["919876500000"], [2], [], [1])
    assert read_link_values(cut_link_values(pack_recipients(without))) == []


def test_a_value_of_eight_digits_takes_less_than_six_bytes_a_message() -> None:
    values = [f"{number * 7_919_317 % 10**8:08}" for number in range(1_000)]
    numbers = [str(919_876_500_000 + number * 97) for number in range(1_000)]
    batch = Recipients(0, numbers, list(range(1_000)), [], [1] * 1_000)
    with_values = Recipients(0, numbers, list(range(1_000)), [], [1] * 1_000, {}, [values])

    assert (len(pack_recipients(with_values)) - len(pack_recipients(batch))) / 1_000 < 6
