"""Submits campaigns through the command line, and decides messages in doubt, also while Redis is unavailable."""

import asyncio
import json

import msgspec

from tests.chaos.commands import dispatch_until_ok
from tests.chaos.scenario import CampaignSpec
from tests.chaos.settings import campaign_toml
from tests.chaos.testbed import ChaosTestbed, until
from times_dispatch.demo import recipients
from times_dispatch.ledger.model import CampaignId, Plan, Recipients, SenderId
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.submission import Submissions
from times_dispatch.provider.correlation_ids import new_campaign_id

_FIRST_COPIED_NUMBER = 917_000_000_000
"""A phone number far from the phone numbers of ``recipients``."""
_COPIES_AT_ONCE = 16


async def submit(
    testbed: ChaosTestbed, spec: CampaignSpec, *, name: str, validity_s: int, began_s: float = 0.0
) -> CampaignId:
    """Submit a campaign at its time and return its id; repeat a submit that fails.

    Args:
        testbed: The processes.
        spec: The campaign.
        name: The campaign's name, to which a number is added.
        validity_s: The campaign's validity, in seconds.
        began_s: The time from which ``spec.at_s`` counts, in seconds since the epoch.
    """
    number = len(list(testbed.stack.folder.glob("*.csv"))) + 1
    rows = testbed.stack.folder / f"campaign-{number}.csv"
    recipients.write(rows, spec.messages, seed=testbed.seed * 1_000 + number, wrong=False)
    file = rows.with_suffix(".toml")
    text = campaign_toml(
        name=f"{name} {number}",
        sender=spec.sender,
        validity=f"{validity_s}s",
        in_doubt=spec.in_doubt,
        rate_per_s=spec.rate_per_s,
        with_links=testbed.has_links,
    )
    file.write_text(text, "utf-8")
    await until(began_s + spec.at_s)
    command = await dispatch_until_ok(testbed, "submit", str(file), "--recipients", str(rows), "--yes", "--json")
    campaign = CampaignId(json.loads(command.output)["campaign"])
    testbed.campaigns[campaign] = spec.sender
    testbed.sent[campaign] = spec.messages
    testbed.log_action(f"submitted {campaign}, {spec.messages:,} messages of {spec.sender}")
    return campaign


async def copy_campaign(
    testbed: ChaosTestbed, plan: Plan, *, sender: str, count: int, messages: int, rate_per_s: float = 0.0
) -> list[CampaignId]:
    """Write campaigns with one plan directly to the ledger, because a command for each campaign would take minutes.

    Args:
        testbed: The processes.
        plan: The plan of a campaign that was submitted.
        sender: The sender of the copies.
        count: Number of copies.
        messages: Messages of each copy, in one batch, all to different numbers.
        rate_per_s: The rate limit of each copy; 0 means no limit.
    """
    submissions = Submissions(testbed.redis)
    copied = msgspec.structs.replace(plan, sender=SenderId(sender), rate_per_s=rate_per_s)
    at_once = asyncio.Semaphore(_COPIES_AT_ONCE)
    first_number = _FIRST_COPIED_NUMBER + sum(testbed.sent.values())

    async def copy(position: int) -> CampaignId:
        rows = _recipients(first_number + position * messages, messages)
        async with at_once:
            campaign = await submissions.claim(new_campaign_id(), copied.sender, CampaignId(new_campaign_id()))
            await submissions.begin(campaign, copied, batch_size=messages)
            await submissions.add_batch(campaign, copied.sender, 0, rows)
            await submissions.seal(campaign, copied.sender, total=messages, batches=1)
            testbed.campaigns[campaign] = sender
            testbed.sent[campaign] = messages
            return campaign

    campaigns = await asyncio.gather(*(copy(position) for position in range(count)))
    testbed.log_action(f"submitted {count} campaigns of {messages:,} messages of {sender}")
    return campaigns


def _recipients(first: int, count: int) -> Recipients:
    numbers = [str(first + index) for index in range(count)]
    slots = [["Asha"] * count, [f"OD{index:08}" for index in range(count)], ["Rs 499"] * count]
    return Recipients(0, numbers, list(range(2, count + 2)), slots, [1] * count)


async def resend(testbed: ChaosTestbed) -> None:
    """Send every message in doubt again, with ``dispatch resolve``."""
    for campaign in testbed.campaigns:
        if (await testbed.queries.campaign(campaign)).counts[MessageState.IN_DOUBT]:
            await dispatch_until_ok(testbed, "resolve", campaign, "--as", "resend", "--yes")
            testbed.log_action(f"resent the messages in doubt of {campaign}")
