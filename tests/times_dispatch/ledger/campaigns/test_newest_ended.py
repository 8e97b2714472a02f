from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.campaigns.newest_ended import newest_ended
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.protocol import ControlAction

OTHER = SenderId("OTHERS")


async def _end(ledger: Ledger, campaign: str, created_ms: int, sender: SenderId = SENDER) -> None:
    await ledger.submit(1, campaign=campaign, sender=sender)
    await ledger.redis.hset(campaign_key(sender, CampaignId(campaign)), "created_ms", created_ms)
    await ledger.control.campaign(sender, CampaignId(campaign), ControlAction.CANCEL)
    await ledger.maintenance.end_pending(sender)


async def test_the_newest_campaigns_of_all_senders_that_ended_are_read(ledger: Ledger) -> None:
    for number in range(4):
        await _end(ledger, f"ended00{number}", 1_000 * number, OTHER if number % 2 else SENDER)
    await ledger.submit(1)
    damaged = list[CampaignDamaged]()
    live = await ledger.queries.live(SENDER)
    views = await newest_ended(ledger.redis, [SENDER, OTHER], [view.id for view in live], limit=3, damaged=damaged)
    assert [view.id for view in views] == ["ended003", "ended002", "ended001"]
    assert await newest_ended(ledger.redis, [OTHER], [], limit=1, damaged=damaged) == views[:1]
    assert not damaged


async def test_a_campaign_of_which_a_lane_is_live_has_not_ended(ledger: Ledger) -> None:
    await ledger.submit(1)
    [view] = await ledger.queries.live(SENDER)
    await _end(ledger, "ended001", 1_000)
    await ledger.redis.zadd(f"{{{SENDER}}}:ended", {CAMPAIGN: 2_000})  # as if the first lane ended before the others
    views = await newest_ended(ledger.redis, [SENDER], [view.id], limit=1, damaged=[])
    assert [each.id for each in views] == ["ended001"]


async def test_a_damaged_campaign_is_told(ledger: Ledger) -> None:
    await _end(ledger, "ended001", 1_000)
    key = campaign_key(SENDER, CampaignId("ended001"))
    await ledger.redis.hset(key, "total", "many")
    damaged = list[CampaignDamaged]()
    assert await newest_ended(ledger.redis, [SENDER], [], limit=5, damaged=damaged) == []
    assert [damage.campaign for damage in damaged] == ["ended001"]
    await ledger.redis.hset(key, "total", 1)
