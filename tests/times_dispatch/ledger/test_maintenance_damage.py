"""Upkeep and damaged batches or campaigns: each is left out, and all others are processed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import ResponseError

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.errors import Damage
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.maintenance import ExpiredLeases, Maintenance
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.states import CampaignState

KEY = campaign_key(SENDER, CAMPAIGN)
LEASES, ENDS = f"{hash_tag(SENDER)}:leases", f"{hash_tag(SENDER)}:validity_ends"
NOTHING = ExpiredLeases(0, 0, [])


async def _cut_short(ledger: Ledger, number: int) -> None:
    await ledger.redis.set(f"{KEY}:m:{number}", b"aap")


async def _of_another_type(ledger: Ledger, number: int) -> None:
    await ledger.redis.delete(f"{KEY}:m:{number}")
    await ledger.redis.rpush(f"{KEY}:m:{number}", b"aap")


DAMAGED = pytest.mark.parametrize("damage", [_cut_short, _of_another_type])


@pytest.fixture
async def damages(ledger: Ledger) -> AsyncIterator[list[Damage]]:
    """The damage that upkeep finds. The ledger is emptied at the end, because its counters cannot balance."""
    damages: list[Damage] = []
    ledger.maintenance = Maintenance(ledger.redis, on_damage=damages.append)
    yield damages
    await ledger.redis.flushdb()


@DAMAGED
async def test_a_damaged_batch_is_not_reclaimed_and_no_other_batch_is_affected(
    ledger: Ledger, damages: list[Damage], damage: Any
) -> None:
    await ledger.submit(6)
    await ledger.submit(3, campaign="another1")
    leases = [await ledger.take(ref) for ref in await ledger.issue()]
    for lease in leases:
        await ledger.open(lease)
    await damage(ledger, 1)
    await ledger.expire_leases(*(lease.ref for lease in leases))
    assert await ledger.maintenance.expire_leases(SENDER) == ExpiredLeases(2, 6, [])
    assert [(damage.campaign, damage.batch, damage.doing) for damage in damages] == [(CAMPAIGN, "1", "reclaimed")]
    view = await ledger.view()
    assert (view.state, view.reason) == (
        CampaignState.BRAKED,
        "batch 2 cannot be reclaimed: damaged in the ledger",
    )
    assert await ledger.maintenance.expire_leases(SENDER) == NOTHING
    assert await ledger.seconds_until(LEASES, f"{CAMPAIGN}:1") == pytest.approx(60, abs=1)
    assert len(damages) == 1


async def test_a_campaign_whose_plan_is_gone_keeps_no_worker_from_being_woken_for_another(
    ledger: Ledger, damages: list[Damage]
) -> None:
    await ledger.submit(3)
    await ledger.submit(3, campaign="another1")
    refs = await ledger.issue()
    await ledger.redis.hdel(KEY, "plan")
    await ledger.expire_leases(*refs)
    assert [ready.ref for ready in (await ledger.maintenance.expire_leases(SENDER)).ready] == [refs[1]]
    assert [damage.campaign for damage in damages] == [CAMPAIGN]
    assert await ledger.field("state") == "braked"


async def test_a_lease_of_no_campaign_keeps_no_other_lease_from_being_expired(
    ledger: Ledger, damages: list[Damage]
) -> None:
    await ledger.submit(3)
    await ledger.expire_leases(*await ledger.issue())
    await ledger.redis.zadd(LEASES, {"nobody00:0": 1, "nonsense": 1})
    assert len((await ledger.maintenance.expire_leases(SENDER)).ready) == 1
    assert sorted((damage.campaign, damage.batch) for damage in damages) == [("nobody00", "0"), ("nonsense", "")]


@DAMAGED
async def test_a_damaged_batch_does_not_end_and_all_others_do(
    ledger: Ledger, damages: list[Damage], damage: Any
) -> None:
    await ledger.submit(9)
    await ledger.submit(3, campaign="another1")
    await damage(ledger, 1)
    await ledger.end_validity()
    await ledger.end_validity(CampaignId("another1"))
    assert await ledger.maintenance.end_pending(SENDER) == 9
    assert [(damage.campaign, damage.batch, damage.doing) for damage in damages] == [(CAMPAIGN, "1", "ended")]
    view = await ledger.view()
    assert (view.reason, view.counters_add_up) == ("batch 2 cannot be ended: damaged in the ledger", True)
    assert await ledger.seconds_until(ENDS, CAMPAIGN) == pytest.approx(60, abs=1)


async def test_a_campaign_of_which_nothing_can_be_read_keeps_no_other_from_ending(
    ledger: Ledger, damages: list[Damage]
) -> None:
    await ledger.submit(3)
    await ledger.submit(3, campaign="another1")
    await ledger.end_validity(CampaignId("another1"))
    for broken in (f"{hash_tag(SENDER)}:c:broken01", f"{hash_tag(SENDER)}:c:broken02"):
        await ledger.redis.zadd(ENDS, {broken[-8:]: 1})
    await ledger.redis.set(f"{hash_tag(SENDER)}:c:broken01", "not a hash")
    await ledger.redis.hset(f"{hash_tag(SENDER)}:c:broken02", mapping={"state": "running", "batches": "many"})
    assert await ledger.maintenance.end_pending(SENDER) == 3
    assert {damage.campaign for damage in damages} == {"broken01", "broken02"}


@DAMAGED
async def test_a_damaged_batch_is_not_settled_and_all_others_are(
    ledger: Ledger, damages: list[Damage], damage: Any
) -> None:
    await ledger.submit(9)
    for ref in (await ledger.issue())[:2]:
        await ledger.leases.release(await ledger.push(b"a", await ledger.take(ref)))
    await damage(ledger, 0)
    await ledger.end_report_wait()
    assert (await ledger.maintenance.settle_overdue(SENDER)).no_report == 3
    assert [(damage.campaign, damage.batch, damage.doing) for damage in damages] == [(CAMPAIGN, "0", "settled")]
    view = await ledger.view()
    assert (view.state, view.reason) == (CampaignState.BRAKED, "batch 1 cannot be settled: damaged in the ledger")
    assert await ledger.seconds_until(f"{hash_tag(SENDER)}:settle_due", f"{CAMPAIGN}:0") == pytest.approx(60, abs=1)


async def test_an_error_that_may_pass_is_no_damage(ledger: Ledger, damages: list[Damage]) -> None:
    await ledger.submit(3)
    await ledger.end_validity()
    await ledger.redis.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(ResponseError, match="NOREPLICAS"):
            await ledger.maintenance.end_pending(SENDER)
    finally:
        await ledger.redis.config_set("min-replicas-to-write", 0)
    assert damages == []
    assert await ledger.state() is CampaignState.RUNNING
