import pytest
from redis.asyncio import Redis

from times_dispatch.ledger.campaigns.search import CampaignSearch
from times_dispatch.ledger.errors import CampaignUnknown


async def test_an_empty_ledger_has_no_last_campaign(redis: Redis) -> None:
    with pytest.raises(CampaignUnknown, match="last"):
        await CampaignSearch(redis).find("last")


async def test_an_empty_word_means_no_campaign(redis: Redis) -> None:
    await redis.hset("campaigns", "diwali01", "TIMESM")
    with pytest.raises(CampaignUnknown):
        await CampaignSearch(redis).find("")


async def test_the_beginning_of_an_id_is_found_among_all_campaigns(redis: Redis) -> None:
    await redis.hset("campaigns", mapping={"diwali01": "TIMESM", "holi0001": "TIMESM"})
    assert await CampaignSearch(redis).find("diw") == "diwali01"


async def test_a_pattern_is_not_the_beginning_of_an_id(redis: Redis) -> None:
    await redis.hset("campaigns", "diwali01", "TIMESM")
    for words in ("*", "d?wali", "[a-z]"):
        with pytest.raises(CampaignUnknown):
            await CampaignSearch(redis).find(words)
