import pytest
from redis.exceptions import RedisError

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.audit import (
    COUNTERS,
    Audit,
    CampaignCounters,
    counter_mismatch,
    read_counters,
    reason_with_mismatch,
)
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.protocol import ControlAction, StopReason, stop_reason_in_words

BALANCED = read_counters([b"5", *[b"1" if name in "pad" else b"2" if name == "x" else None for name in COUNTERS[1:]]])
BROKEN = {**BALANCED, "total": 1_007}


def test_missing_counters_are_zero_and_other_values_are_an_error() -> None:
    assert read_counters([None] * len(COUNTERS)) == dict.fromkeys(COUNTERS, 0)
    with pytest.raises(ValueError, match="many"):
        read_counters([b"many", *[None] * (len(COUNTERS) - 1)])


def test_counters_that_add_up_have_no_mismatch() -> None:
    assert counter_mismatch(BALANCED) == ""


def test_a_mismatch_names_the_total_and_every_state() -> None:
    assert counter_mismatch(BROKEN) == (
        "the counters do not add up to the total: 1,007 in all, but 1 pending, 1 accepted, 1 delivered, 2 cancelled"
    )
    assert counter_mismatch({**dict.fromkeys(COUNTERS, 0), "total": 1}).endswith("1 in all, but none in any state")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("", counter_mismatch(BROKEN)),
        ("a person paused it", f"{counter_mismatch(BROKEN)}; a person paused it"),
        (StopReason.COUNTERS_MISMATCH, counter_mismatch(BROKEN)),
    ],
)
def test_a_mismatch_precedes_the_reason_and_replaces_the_reason_of_a_brake_for_a_mismatch(
    reason: str, expected: str
) -> None:
    assert reason_with_mismatch(reason, "", BROKEN) == expected
    assert reason_with_mismatch(reason, "", BALANCED) == stop_reason_in_words(reason, "")


async def test_an_audit_reads_every_campaign_once_per_round_a_few_at_a_time(ledger: Ledger) -> None:
    campaigns = [CampaignId(f"campaig{number}") for number in range(5)]
    for campaign in campaigns:
        await ledger.submit(2, campaign=campaign)
    audit = Audit(ledger.redis)
    for _ in range(2):
        rounds = [await audit.next_counters(2) for _ in range(3)]
        assert [len(counters) for counters in rounds] == [2, 2, 1]
        assert sorted(item.campaign for counters in rounds for item in counters) == campaigns
    assert (await audit.next_counters(1))[0].counters["total"] == 2


async def test_without_campaigns_an_audit_reads_nothing(ledger: Ledger) -> None:
    assert await Audit(ledger.redis).next_counters(10) == []


async def test_a_campaign_with_invalid_data_is_damaged_and_no_other_is_affected(ledger: Ledger) -> None:
    others = [CampaignId("another1"), CampaignId("another2")]
    for campaign in (CAMPAIGN, *others):
        await ledger.submit(1, campaign=campaign)
    await ledger.redis.hset(campaign_key(SENDER, others[0]), "total", "many")
    await ledger.redis.set(campaign_key(SENDER, others[1]), "not a hash")
    found = {item.campaign: item for item in await Audit(ledger.redis).next_counters(10)}
    assert found[CAMPAIGN].damage == ""
    assert found[others[0]] == CampaignCounters(SENDER, others[0], {}, "ValueError")
    assert found[others[1]] == CampaignCounters(SENDER, others[1], {}, "ResponseError")
    await ledger.redis.flushdb()  # the counters of these campaigns cannot balance


async def test_an_audit_of_a_ledger_that_is_away_raises_the_error(unused_tcp_port: int) -> None:
    async with connect(f"redis://127.0.0.1:{unused_tcp_port}/0", retries=0) as redis:
        with pytest.raises(RedisError):
            await Audit(redis).next_counters(1)


async def test_the_audit_indexes_the_campaigns_of_a_ledger_without_indexes(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.submit(3, campaign="another1")
    await ledger.control.campaign(SENDER, CampaignId("another1"), ControlAction.CANCEL)
    await ledger.submissions.claim("claimed", SENDER, CampaignId("no-more1"))
    await ledger.redis.delete(f"{hash_tag(SENDER)}:live", f"{hash_tag(SENDER)}:ended")
    assert await ledger.queries.live_and_ended(max_ended=9) == ([], 0)
    await Audit(ledger.redis).next_counters(9)
    listed, _ = await ledger.queries.live_and_ended(max_ended=9)
    assert sorted(view.id for view in listed) == ["another1", CAMPAIGN]
    assert [view.id for view in await ledger.queries.live(SENDER)] == [CAMPAIGN]
