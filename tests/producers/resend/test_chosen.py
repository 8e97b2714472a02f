"""Messages whose data is forgotten are not resent."""

from pathlib import Path
from typing import cast

import pytest
from redis.asyncio import Redis

from producers.draft import Draft
from producers.export.rows import RowFilter
from producers.resend.chosen import ChosenMessages
from producers.resend.resender import Resender
from producers.submit import submit
from tests.producers.resend.test_resender import FAILED, NOW, lines, resends, settle, stored
from times_dispatch.ledger.batch_columns import BatchColumns, read_batches
from times_dispatch.ledger.keys import BatchKey, batch_key
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.numbers.forgetting import NumberForgetting
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.records import pack_recipients, unpack_recipients
from times_dispatch.settings.model import Settings


@pytest.fixture
async def parent(campaign: Path, recipients: Path, settings: Settings, redis: Redis) -> CampaignId:
    """A campaign of 25 messages in three batches, all of which failed with 912."""
    draft = Draft(campaign, recipients, settings=settings)
    made = await submit(draft, settings=settings, redis=redis, batch_size=10, now=NOW)
    await settle(redis, made.campaign, ["f912"])
    return made.campaign


async def first_batch(redis: Redis, campaign: CampaignId) -> BatchColumns:
    view = await Queries(redis).campaign(campaign)
    return await anext(aiter(read_batches(redis, view)))


async def test_a_message_whose_number_or_values_are_forgotten_is_not_resent(
    parent: CampaignId, settings: Settings, redis: Redis
) -> None:
    view = await Queries(redis).campaign(parent)
    key = batch_key(view.plan.sender, parent, BatchKey.RECIPIENTS, 0)
    rows = unpack_recipients(cast("bytes", await redis.get(key)))
    rows.slots[0][1] = f"call {rows.to[0]}"
    await redis.set(key, pack_recipients(rows))
    await OptOuts(redis).add(["000000", rows.to[0]])
    forgetting = NumberForgetting(redis, rows.to[0])
    async for of_campaign, batch in forgetting.batches(damaged=[]):
        await forgetting.forget_batch(of_campaign, batch)
    assert [message.slots for message in await stored(redis, parent)][:2] == [["", ""], ["", ""]]

    survey = await Resender(redis, settings, parent, FAILED).survey()
    result = await Resender(redis, settings, parent, FAILED).submit(now=NOW)

    assert await lines(redis, result.campaign) == (await lines(redis, parent))[2:]
    assert survey.messages == result.messages == view.total - 2
    assert await resends(redis, parent) == [result.campaign]


async def test_a_message_that_was_submitted_without_values_is_taken(parent: CampaignId, redis: Redis) -> None:
    batch = await first_batch(redis, parent)
    for column in batch.recipients.slots:
        column[3] = ""
    never_forgotten = await ChosenMessages.of_ledger(redis, RowFilter())
    assert list(never_forgotten.positions(batch)) == list(range(10))
    await OptOuts(redis).add(["000000"])
    forgotten_before = await ChosenMessages.of_ledger(redis, RowFilter())
    assert list(forgotten_before.positions(batch)) == [0, 1, 2, *range(4, 10)]
