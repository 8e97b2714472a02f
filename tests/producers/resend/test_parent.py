"""Campaigns that cannot be resent now, and the text of the refusal."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from producers.draft import Draft
from producers.errors import InputInvalid
from producers.resend.parent import resendable
from producers.submit import submit
from tests.kit.producers import SETTINGS, WriteFile, load_settings
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignView, Plan, RetryRule
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.settings.model import Settings

FAILED = frozenset({MessageState.FAILED})


@pytest.fixture
async def parent(campaign: Path, recipients: Path, settings: Settings, redis: Redis) -> CampaignView:
    made = await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis)
    return await Queries(redis).campaign(made.campaign)


async def change_plan(redis: Redis, parent: CampaignView, **changes: Any) -> Plan:
    plan = msgspec.structs.replace(parent.plan, **changes)
    await redis.hset(campaign_key(plan.sender, parent.id), "plan", msgspec.json.encode(plan))
    return plan


async def test_a_campaign_under_the_same_settings_can_be_resent(
    parent: CampaignView, settings: Settings, redis: Redis
) -> None:
    assert (await resendable(redis, settings, parent.id, states=FAILED)).id == parent.id


async def test_messages_in_doubt_are_refused_if_the_campaign_sends_them_again_by_itself(
    parent: CampaignView, settings: Settings, redis: Redis
) -> None:
    plan = await change_plan(redis, parent, in_doubt="resend")
    await redis.hset(campaign_key(plan.sender, parent.id), MessageState.IN_DOUBT.value, "2")
    assert await resendable(redis, settings, parent.id, states=FAILED)
    with pytest.raises(InputInvalid, match="sends its messages in doubt again by itself"):
        await resendable(redis, settings, parent.id, states={MessageState.IN_DOUBT})


async def test_a_campaign_that_may_try_failed_messages_again_is_refused_until_it_has_ended(
    parent: CampaignView, settings: Settings, redis: Redis
) -> None:
    plan = await change_plan(redis, parent, retry=RetryRule(codes=[912], after_s=[60], at_most=1))
    with pytest.raises(InputInvalid, match="may send failed messages again by its rule"):
        await resendable(redis, settings, parent.id, states=FAILED)
    await Control(redis).campaign(plan.sender, parent.id, ControlAction.CANCEL)
    assert (await resendable(redis, settings, parent.id, states=FAILED)).state is CampaignState.CANCELLED


async def test_a_lane_that_a_cancel_did_not_reach_yet_may_still_send_by_itself(
    parent: CampaignView, settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = RetryRule(codes=[912], after_s=[60], at_most=1)
    lanes = [msgspec.structs.replace(parent, state=state) for state in (CampaignState.CANCELLED, CampaignState.RUNNING)]
    counts = parent.counts | {MessageState.IN_DOUBT: 2}

    async def campaign(_: Queries, __: str) -> CampaignView:
        return msgspec.structs.replace(
            parent, plan=plan, state=CampaignState.CANCELLED, sealed_ms=0, lanes=lanes, counts=counts
        )

    monkeypatch.setattr(Queries, "campaign", campaign)
    plan = msgspec.structs.replace(parent.plan, retry=rule)
    with pytest.raises(InputInvalid, match="may send failed messages again by its rule"):
        await resendable(redis, settings, parent.id, states=FAILED)
    plan = msgspec.structs.replace(parent.plan, in_doubt="resend")
    with pytest.raises(InputInvalid, match="sends its messages in doubt again by itself"):
        await resendable(redis, settings, parent.id, states={MessageState.IN_DOUBT})


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"TIMESM": "ABCDEF"}, "its sender TIMESM is not in the settings any more: add the sender again"),
        (
            {"providers.tm": "providers.other"},
            "its provider tm is not in the settings any more: add the provider again",
        ),
    ],
    ids=["sender", "provider"],
)
async def test_settings_that_lack_something_of_the_campaign_are_named(
    parent: CampaignView, write: WriteFile, redis: Redis, changed: dict[str, str], reason: str
) -> None:
    settings = SETTINGS
    for old, new in changed.items():
        settings = settings.replace(old, new)
    with pytest.raises(InputInvalid, match=reason):
        await resendable(redis, load_settings(write("other.toml", settings)), parent.id, states=FAILED)


async def test_a_campaign_that_is_not_submitted_whole_is_refused(
    parent: CampaignView, settings: Settings, redis: Redis
) -> None:
    await redis.hset(campaign_key(parent.plan.sender, parent.id), "state", CampaignState.SUBMITTING.value)
    with pytest.raises(InputInvalid, match="is still being submitted"):
        await resendable(redis, settings, parent.id, states=FAILED)


async def test_a_campaign_that_lanes_would_not_keep_is_refused_and_any_other_is_not(
    parent: CampaignView, write: WriteFile, redis: Redis
) -> None:
    laned = SETTINGS.replace("rate_per_s = 500", "rate_per_s = 500\nlanes = 3")
    settings = load_settings(write("other.toml", laned))
    assert await resendable(redis, settings, parent.id, states=FAILED)
    await change_plan(redis, parent, max_parts=100)
    with pytest.raises(InputInvalid, match="a resend in lanes cannot have max_parts or max_money"):
        await resendable(redis, settings, parent.id, states=FAILED)
    await change_plan(redis, parent, rate_per_s=59.0)
    with pytest.raises(InputInvalid, match="a resend in lanes cannot have a rate_per_s below 60"):
        await resendable(redis, settings, parent.id, states=FAILED)
