from typing import Any

import pytest

from tests.kit.ledger import CAMPAIGN, PROVIDER, SENDER, Ledger
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.keys import OPT_OUTS, CampaignField, SenderKey, campaign_key, sender_key
from times_dispatch.ledger.lanes.names import lane_senders
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.trail import MAX_ENTRIES, Trail, TrailAction, add_entry, packed_entry, trail_key

ASHA = "asha@host"


async def entries(ledger: Ledger, owner: str = SENDER, **which: Any) -> list[tuple[str, str, str, str]]:
    found = await Trail(ledger.redis).newest([owner], limit=100, **which)
    return [(entry.actor, entry.action, entry.campaign, entry.detail) for entry in found]


async def test_every_change_by_a_person_is_in_the_trail_with_who_made_it(ledger: Ledger) -> None:
    await ledger.submit(3)
    control = Control(ledger.redis, actor=ASHA)
    await control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE, reason="wrong price")
    await control.set_budget(SENDER, CAMPAIGN, 1_000)
    await control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    await control.set_rate(SENDER, 12.5)
    await control.pause_sender(SENDER)
    await control.resume_sender(SENDER)
    await control.resolve(SENDER, CAMPAIGN, "sent")
    await control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL, reason="by hand")
    assert await entries(ledger) == [
        (ASHA, TrailAction.PAUSED, CAMPAIGN, "wrong price"),
        (ASHA, TrailAction.BUDGET_SET, CAMPAIGN, "1,000 parts"),
        (ASHA, TrailAction.RESUMED, CAMPAIGN, ""),
        (ASHA, TrailAction.RATE_SET, "", "12.5/s"),
        (ASHA, TrailAction.SENDER_PAUSED, "", ""),
        (ASHA, TrailAction.SENDER_RESUMED, "", ""),
        (ASHA, TrailAction.RESOLVED, CAMPAIGN, "as sent"),
        (ASHA, TrailAction.CANCELLED, CAMPAIGN, "by hand"),
    ]


async def test_a_change_that_changes_nothing_is_not_in_the_trail(ledger: Ledger) -> None:
    await ledger.submit(3)
    control = Control(ledger.redis, actor=ASHA)
    await control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    await control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    await control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    assert await entries(ledger) == [(ASHA, TrailAction.CANCELLED, CAMPAIGN, "")]


async def test_a_change_of_a_sender_or_a_budget_that_changes_nothing_is_not_in_the_trail(ledger: Ledger) -> None:
    await ledger.submit(3)
    control = Control(ledger.redis, actor=ASHA)
    await control.resume_sender(SENDER)
    for _ in range(2):
        await control.pause_sender(SENDER, reason="holiday")
        await control.pause_sender(SENDER)
    await control.pause_sender(SENDER, reason="strike")
    for _ in range(2):
        await control.resume_sender(SENDER)
        await control.set_rate(SENDER, 12.5)
        await control.set_budget(SENDER, CAMPAIGN, 1_000)
    assert await entries(ledger) == [
        (ASHA, TrailAction.SENDER_PAUSED, "", "holiday"),
        (ASHA, TrailAction.SENDER_PAUSED, "", "strike"),
        (ASHA, TrailAction.SENDER_RESUMED, "", ""),
        (ASHA, TrailAction.RATE_SET, "", "12.5/s"),
        (ASHA, TrailAction.BUDGET_SET, CAMPAIGN, "1,000 parts"),
    ]


async def test_a_resume_is_in_the_trail_only_if_it_ends_a_stop_of_some_lane(ledger: Ledger) -> None:
    control = Control(ledger.redis, actor=ASHA)
    await control.with_lanes(SENDER, 2)
    first, second = (sender_key(lane, SenderKey.SENDER) for lane in lane_senders(SENDER, 2))
    await ledger.redis.hset(first, f"answered_us@{PROVIDER}", 1)  # every push leaves this field
    await control.resume_sender(SENDER)
    assert await entries(ledger) == []
    backs_off: Any = {f"back_off_count@{PROVIDER}": 1, f"back_off_reason@{PROVIDER}": "overloaded"}
    await ledger.redis.hset(second, mapping=backs_off)
    for _ in range(2):
        await control.resume_sender(SENDER)
    assert await entries(ledger) == [(ASHA, TrailAction.SENDER_RESUMED, "", "")]
    backs_off[f"back_off_until_us@{PROVIDER}"] = "damaged"
    await ledger.redis.hset(second, mapping=backs_off)
    await control.resume_sender(SENDER)
    assert len(await entries(ledger)) == 2


async def test_a_budget_that_stays_replaces_no_budget_that_another_person_sets_meanwhile(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.submit(3)
    await Control(ledger.redis, actor=ASHA).set_budget(SENDER, CAMPAIGN, 1_000)
    read: Any = ledger.redis.hget

    async def read_before_the_other(key: str, field: str) -> Any:
        value = await read(key, field)
        if field == CampaignField.MAX_PARTS:
            monkeypatch.undo()
            await Control(ledger.redis, actor="omar@host").set_budget(SENDER, CAMPAIGN, 50)
        return value

    monkeypatch.setattr(ledger.redis, "hget", read_before_the_other)
    await Control(ledger.redis, actor=ASHA).set_budget(SENDER, CAMPAIGN, 1_000)
    assert await ledger.redis.hget(campaign_key(SENDER, CAMPAIGN), CampaignField.MAX_PARTS) == b"50"
    assert (await entries(ledger))[-1] == ("omar@host", TrailAction.BUDGET_SET, CAMPAIGN, "50 parts")


async def test_brakes_are_the_program_s_own(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.control.brake_provider(SENDER, PROVIDER, "1007: balance")
    await ledger.control.brake_provider(SENDER, PROVIDER, "another reason")
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.BRAKE, reason="too_many_rejected")
    assert await entries(ledger) == [
        ("times-dispatch", TrailAction.PROVIDER_BRAKED, "", f"{PROVIDER}: 1007: balance"),
        ("times-dispatch", TrailAction.BRAKED, CAMPAIGN, "too_many_rejected"),
    ]


async def test_a_budget_that_is_used_up_is_noted_by_the_script_that_finds_it(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.control.set_budget(SENDER, CAMPAIGN, 1)
    lease = await ledger.push(b"a")
    await ledger.open_block(lease)
    assert (await entries(ledger))[-1] == ("times-dispatch", TrailAction.BRAKED, CAMPAIGN, "budget_spent")


async def test_changes_of_the_opt_out_list_are_counted_and_hold_no_number(ledger: Ledger) -> None:
    numbers = [f"9198765{index:05}" for index in range(2_500)]
    await OptOuts(ledger.redis, actor=ASHA).add(numbers)
    await OptOuts(ledger.redis, actor=ASHA).remove(numbers[:2])
    await OptOuts(ledger.redis).add(numbers[:1])
    assert await entries(ledger, OPT_OUTS) == [
        (ASHA, TrailAction.OPT_OUTS_ADDED, "", "2,500 numbers"),
        (ASHA, TrailAction.OPT_OUTS_REMOVED, "", "2 numbers"),
    ]
    assert b"9198765" not in repr(await ledger.redis.xrange(trail_key(OPT_OUTS))).encode()


async def test_an_entry_that_was_written_twice_by_one_call_is_shown_once(ledger: Ledger) -> None:
    entry = packed_entry(ASHA, TrailAction.RATE_SET, detail="5/s")
    for _ in range(2):
        await Trail(ledger.redis).note(SENDER, entry)
    assert len(await entries(ledger)) == 1


async def test_the_trail_is_bounded_and_its_newest_entries_stay(ledger: Ledger) -> None:
    async with ledger.redis.pipeline(transaction=False) as pipe:
        for number in range(MAX_ENTRIES + 3_000):
            add_entry(pipe, SENDER, packed_entry(ASHA, TrailAction.RATE_SET, detail=f"{number}/s"))
        await pipe.execute()
    assert MAX_ENTRIES <= await ledger.redis.xlen(trail_key(SENDER)) < MAX_ENTRIES + 500
    found = await Trail(ledger.redis).newest([SENDER], limit=3)
    assert [entry.detail for entry in found] == [f"{MAX_ENTRIES + 2_997 + last}/s" for last in range(3)]


async def test_entries_of_one_campaign_are_found_among_thousands_of_others(ledger: Ledger) -> None:
    trail = Trail(ledger.redis)
    await trail.note(SENDER, packed_entry(ASHA, TrailAction.SUBMITTED, campaign=CAMPAIGN))
    async with ledger.redis.pipeline(transaction=False) as pipe:
        for number in range(2_000):
            add_entry(pipe, SENDER, packed_entry(ASHA, TrailAction.PAUSED, campaign=CampaignId(f"other{number}")))
        await pipe.execute()
    assert await entries(ledger, campaign=CAMPAIGN) == [(ASHA, TrailAction.SUBMITTED, CAMPAIGN, "")]


@pytest.mark.parametrize("fields", [{"entry": "no JSON"}, {"other": "x"}, {"entry": '{"actor": 5}'}])
async def test_a_damaged_entry_hides_no_other(ledger: Ledger, fields: dict[Any, Any]) -> None:
    trail = Trail(ledger.redis)
    await trail.note(SENDER, packed_entry(ASHA, TrailAction.PAUSED))
    await ledger.redis.xadd(trail_key(SENDER), fields)
    assert await entries(ledger) == [(ASHA, TrailAction.PAUSED, "", "")]


async def test_on_a_full_redis_a_pause_and_an_export_are_possible_and_in_the_trail(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.redis.config_set("maxmemory", 1)
    try:
        await Control(ledger.redis, actor=ASHA).campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
        await Trail(ledger.redis).note(SENDER, packed_entry(ASHA, TrailAction.EXPORTED, campaign=CAMPAIGN))
        assert await entries(ledger) == [
            (ASHA, TrailAction.PAUSED, CAMPAIGN, ""),
            (ASHA, TrailAction.EXPORTED, CAMPAIGN, ""),
        ]
    finally:
        await ledger.redis.config_set("maxmemory", 0)
