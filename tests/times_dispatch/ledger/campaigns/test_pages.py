"""Pages of campaigns: order, filters, and the boundary between pages."""

from datetime import date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis

from tests.kit.lanes import people, submit_in_lanes
from tests.kit.ledger import PROVIDER, SENDER, Ledger
from tests.kit.redis_clock import moved_clock
from times_dispatch.ledger.campaigns.pages import CampaignFilter, CampaignOrder, CampaignPages, PagePosition
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState, MessageState

OTHER = SenderId("OTHERS")


async def _cancel(ledger: Ledger, campaign: str, sender: SenderId = SENDER) -> None:
    await ledger.control.campaign(sender, CampaignId(campaign), ControlAction.CANCEL)


async def _ids(
    redis: Redis,
    *,
    count: int = 50,
    order: CampaignOrder = CampaignOrder.NEWEST,
    max_examined: int = 400,
    **fields: object,
) -> list[str]:
    """Return the ids of all campaigns that match the filter, in the order of the pages."""
    pages, ids, after = CampaignPages(redis, max_examined=max_examined), list[str](), None
    while True:
        page = await pages.page(CampaignFilter(**fields), count=count, after=after, order=order)  # type: ignore[arg-type]
        ids += [view.id for view in page.campaigns]
        if page.next is None:
            return ids
        after = page.next


@pytest.mark.parametrize("count", [1, 2, 3, 50])
async def test_pages_hold_each_campaign_once_the_newest_first(redis: Redis, ledger: Ledger, count: int) -> None:
    created = [await ledger.submit(1, campaign=f"c{number:07}") for number in range(9)]
    created += [await ledger.submit(1, campaign=f"d{number:07}", sender=OTHER) for number in range(3)]
    for campaign in ("c0000000", "c0000003", "c0000004", "c0000008"):
        await _cancel(ledger, campaign)
    await _cancel(ledger, "d0000001", OTHER)
    views = {view.id: view.created_ms for view in await ledger.queries.campaigns()}
    newest_first = sorted(created, key=lambda each: (views[each], each), reverse=True)
    assert await _ids(redis, count=count) == newest_first
    assert await _ids(redis, count=count, order=CampaignOrder.OLDEST) == newest_first[::-1]


async def test_campaigns_of_one_moment_stand_on_one_page_each(redis: Redis, ledger: Ledger) -> None:
    for number in range(7):
        campaign = await ledger.submit(1, campaign=f"c{number:07}")
        await redis.hset(campaign_key(SENDER, campaign), "created_ms", 1_700_000_000_000)
        if number % 2:
            await _cancel(ledger, campaign)
            await redis.zadd(f"{{{SENDER}}}:ended", {campaign: 1_700_000_000_000})
    ids = [f"c{number:07}" for number in range(7)]
    assert await _ids(redis, count=2) == ids[::-1]
    assert await _ids(redis, count=2, order=CampaignOrder.OLDEST) == ids


async def test_filters_choose_by_name_id_state_sender_and_day(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(1, campaign="diwali01", name='Diwali "mega" sale')
    await ledger.submit(1, campaign="holi0001", name="होली sale")
    await ledger.submit(1, campaign="others01", name="bill", sender=OTHER)
    await _cancel(ledger, "diwali01")
    assert await _ids(redis, words="SALE") == ["holi0001", "diwali01"]
    assert await _ids(redis, words='"mega"') == ["diwali01"]
    assert await _ids(redis, words="होली") == ["holi0001"]
    assert await _ids(redis, words="others0") == ["others01"]
    assert await _ids(redis, words="%a*") == []
    assert await _ids(redis, words="TIMESM") == []
    assert await _ids(redis, states=frozenset({CampaignState.CANCELLED})) == ["diwali01"]
    assert await _ids(redis, states=frozenset({CampaignState.RUNNING}), words="sale") == ["holi0001"]
    assert await _ids(redis, sender=OTHER) == ["others01"]
    assert await _ids(redis, sender=SenderId("NOBODY")) == []
    assert await _ids(redis, until=date(2020, 1, 1)) == []
    assert len(await _ids(redis, since=date(2020, 1, 1))) == 3


@pytest.mark.parametrize("max_examined", [2, 400])
async def test_a_search_goes_through_all_campaigns_in_slices(redis: Redis, ledger: Ledger, max_examined: int) -> None:
    search = partial(_ids, redis, max_examined=max_examined)
    for number in range(11):
        campaign = await ledger.submit(1, campaign=f"c{number:07}", name="rare" if number in {0, 4} else "often")
        await _cancel(ledger, campaign)
    assert await search(words="rare") == ["c0000004", "c0000000"]
    assert await search(words="rare", count=1) == ["c0000004", "c0000000"]
    assert await search(words="rare", order=CampaignOrder.OLDEST) == ["c0000000", "c0000004"]
    assert len(await search(words="often", count=4)) == 9


async def test_the_number_of_all_campaigns_is_known_without_a_search(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(1, campaign="diwali01")
    await ledger.submit(1, campaign="holi0001")
    await _cancel(ledger, "holi0001")
    pages = CampaignPages(redis)
    assert (await pages.page(CampaignFilter())).total == 2
    assert (await pages.page(CampaignFilter(words="x"))).total is None


async def test_a_damaged_campaign_is_named_beside_the_others(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(1, campaign="diwali01")
    await ledger.submit(1, campaign="holi0001")
    await redis.hset(campaign_key(SENDER, CampaignId("holi0001")), "plan", "{")
    page = await CampaignPages(redis).page(CampaignFilter())
    assert [view.id for view in page.campaigns] == ["diwali01"]
    assert [damage.campaign for damage in page.damaged] == ["holi0001"]
    await redis.delete(campaign_key(SENDER, CampaignId("holi0001")))
    await redis.set(campaign_key(SENDER, CampaignId("holi0001")), "x")
    assert [view.id for view in (await CampaignPages(redis).page(CampaignFilter(words="s"))).campaigns] == ["diwali01"]
    await redis.hdel("campaigns", "holi0001")
    await redis.delete(campaign_key(SENDER, CampaignId("holi0001")))


@pytest.mark.parametrize("written", ["", "x", "-", "x-y", "1" * 20 + "-a", "-5-a"])
def test_a_damaged_position_is_none(written: str) -> None:
    assert PagePosition.parse(written) is None
    assert PagePosition.parse(str(PagePosition(5, "abc"))) == PagePosition(5, "abc")


async def test_campaigns_of_an_earlier_version_are_found_by_first_and_last_push(redis: Redis, ledger: Ledger) -> None:
    sent = {
        "before00": ("2026-11-24T23:59", "2026-11-24T23:59"),
        "ended000": ("2026-11-24T20:00", "2026-11-25T00:00"),
        "around00": ("2026-11-20T09:00", "2026-11-30T09:00"),
        "live0000": ("2026-11-26T23:59", "2026-11-27T10:00"),
        "after000": ("2026-11-27T00:00", "2026-11-27T10:00"),
    }
    for campaign, (first, last) in sent.items():
        await ledger.submit(1, campaign=campaign)
        fields = {"first_sent_ms": _india_ms(first), "last_sent_ms": _india_ms(last)}
        await redis.hset(campaign_key(SENDER, CampaignId(campaign)), mapping=fields)  # type: ignore[arg-type]
        await redis.hdel(campaign_key(SENDER, CampaignId(campaign)), "sent_days")
        if campaign not in {"live0000", "after000"}:
            await _cancel(ledger, campaign)
            await ledger.maintenance.end_pending(SENDER)
    await ledger.submit(1, campaign="unsent00")
    for count in (1, 50):
        chosen = await _ids(redis, count=count, sent_since=date(2026, 11, 25), sent_until=date(2026, 11, 26))
        assert sorted(chosen) == ["around00", "ended000", "live0000"]
    assert sorted(await _ids(redis, sent_since=date(2026, 11, 28))) == ["around00"]
    assert sorted(await _ids(redis, sent_until=date(2026, 11, 24))) == ["around00", "before00", "ended000"]
    assert sorted(await _ids(redis, sent_since=date(2026, 11, 28), provider=PROVIDER)) == ["around00"]
    assert await _ids(redis, sent_since=date(2026, 11, 28), provider="backup") == []
    page = await CampaignPages(redis).page(CampaignFilter(sent_since=date(2026, 11, 25)))
    assert page.total is None


async def test_campaigns_are_found_by_the_days_and_the_providers_that_the_statistics_count(
    redis: Redis, ledger: Ledger
) -> None:
    await ledger.submit(3, campaign="unsent00", fallbacks=("backup",))
    await _cancel(ledger, "unsent00")
    await ledger.maintenance.end_pending(SENDER)
    for campaign, results in (("accepted", b"aaa"), ("rejected", b"rrr")):
        await ledger.submit(3, campaign=campaign, fallbacks=("backup",), template=f"of-{campaign}")
        await ledger.push(results)
    await ledger.control.brake_provider(SENDER, PROVIDER, "for the test")
    await ledger.submit(3, campaign="fallback", fallbacks=("backup",))
    await ledger.push(b"aaa")
    today = datetime.now(ZoneInfo("Asia/Kolkata")).date()
    for count in (1, 50):
        for max_examined in (1, 400):
            search = partial(_ids, redis, count=count, max_examined=max_examined, sent_since=today, sent_until=today)
            assert sorted(await search()) == ["accepted", "fallback", "rejected"]
            assert sorted(await search(provider=PROVIDER)) == ["accepted", "rejected"]
            assert await search(provider="backup") == ["fallback"]
            assert await search(template="of-rejected") == ["rejected"]
    assert await _ids(redis, provider="backup") == ["fallback"]
    assert await _ids(redis, provider="back") == []
    assert await _ids(redis, sent_until=today - timedelta(days=1)) == []
    assert (await CampaignPages(redis).page(CampaignFilter(provider="backup"))).total is None
    assert (await CampaignPages(redis).page(CampaignFilter(template="x"))).total is None


async def test_days_on_which_only_an_earlier_version_sent_are_found_also_after_newer_days(redis: Redis) -> None:
    with moved_clock(redis) as clock:
        ledger, today = Ledger(redis), datetime.now(ZoneInfo("Asia/Kolkata")).date()
        for campaign in ("mixed000", "newer000"):
            await clock.set_ahead(0)
            await ledger.submit(3, campaign=campaign, batch_size=1, valid_until_ms=_india_ms("2096-01-01T00:00"))
            first, second, third = await ledger.issue()
            await ledger.push(lease=await ledger.take(first))
            await clock.set_ahead(2 * 86_400)
            if campaign == "mixed000":
                key, fields = campaign_key(SENDER, CampaignId(campaign)), ["sent_days", "sent_days_until_ms"]
                before = await redis.hmget(key, fields)
                await ledger.push(lease=await ledger.take(second))
                # An earlier version does not know these fields.
                await redis.hset(key, mapping=dict(zip(fields, before, strict=True)))  # type: ignore[arg-type]
            await clock.set_ahead(4 * 86_400)
            await ledger.push(lease=await ledger.take(third))
            await _cancel(ledger, campaign)
            await ledger.maintenance.end_pending(SENDER)
    search = partial(_ids, redis)
    for days, expected in enumerate((["mixed000", "newer000"], ["mixed000"], ["mixed000"], ["mixed000"])):
        day = today + timedelta(days=days)
        assert sorted(await search(sent_since=day, sent_until=day)) == expected
    day = today + timedelta(days=4)
    assert sorted(await search(sent_since=day)) == ["mixed000", "newer000"]
    assert await search(sent_since=day + timedelta(days=1)) == []


def _india_ms(moment: str) -> int:
    return int(datetime.fromisoformat(f"{moment}+05:30").timestamp() * 1000)


async def test_campaigns_are_found_by_the_state_and_the_code_of_their_messages(redis: Redis, ledger: Ledger) -> None:
    for campaign, results in (("accepted", b"aaa"), ("rejected", b"rra"), ("ended000", b"rrr")):
        await ledger.submit(3, campaign=campaign)
        await ledger.send_all(results)
    [code] = {each.record.code for each in await ledger.messages(CampaignId("rejected")) if each.record.state == "r"}
    await _cancel(ledger, "ended000")
    for count in (1, 50):
        search = partial(_ids, redis, count=count)
        assert sorted(await search(reason=(MessageState.REJECTED, code))) == ["ended000", "rejected"]
        assert await search(reason=(MessageState.REJECTED, code), words="rej") == ["rejected"]
        assert await search(reason=(MessageState.FAILED, code)) == []
        assert await search(reason=(MessageState.REJECTED, code + 1)) == []
    page = await CampaignPages(redis).page(CampaignFilter(reason=(MessageState.REJECTED, code)))
    assert page.total is None


@pytest.mark.parametrize("count", [1, 50])
async def test_every_lane_of_a_campaign_is_searched(redis: Redis, count: int) -> None:
    ids = [await submit_in_lanes(redis, people(40), lanes=2, campaign=letter * 8) for letter in "abc"]
    other = (await Queries(redis).campaign(ids[1])).lanes[1]
    key = campaign_key(other.plan.sender, other.id)
    await redis.hset(key, "sent_days", " 20000:backup")
    await redis.hset(f"{key}:statistics", "r:2054", 2)
    ended = (await Queries(redis).campaign(ids[2])).lanes[0]
    await redis.hset(campaign_key(SENDER, ended.id), "state", "finished")
    await redis.smove(f"{{{SENDER}}}:live", f"{{{SENDER}}}:gone", ended.id)
    await redis.zadd(f"{{{SENDER}}}:ended", {ended.id: ended.created_ms})
    search = partial(_ids, redis, count=count)
    assert await search(provider="backup") == [ids[1]]
    assert await search(sent_since=date(2024, 10, 4), sent_until=date(2024, 10, 4)) == [ids[1]]
    assert await search(sent_since=date(2024, 10, 5)) == []
    assert await search(reason=(MessageState.REJECTED, 2054), provider="backup") == [ids[1]]
    assert await search(reason=(MessageState.REJECTED, 2055)) == []
    assert await search(states=frozenset({CampaignState.RUNNING})) == ids[::-1]
    assert await search(states=frozenset({CampaignState.FINISHED})) == []
    assert await search(words="bbb", states=frozenset({CampaignState.RUNNING})) == [ids[1]]
