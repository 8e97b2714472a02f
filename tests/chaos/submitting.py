"""Submits campaigns through the command line, and decides messages in doubt, also while Redis is in trouble."""

import json

from tests.chaos.commands import dispatch_until_ok
from tests.chaos.scenarios import CampaignSpec, Scenario
from tests.chaos.settings import campaign_toml
from tests.chaos.testbed import ChaosTestbed, until
from times_dispatch.demo import recipients
from times_dispatch.ledger.model import CampaignId


async def submit(testbed: ChaosTestbed, scenario: Scenario, spec: CampaignSpec, *, began_s: float = 0.0) -> CampaignId:
    """Submit a campaign at its time and return its id; a submit that fails is repeated."""
    number = len(list(testbed.stack.folder.glob("*.csv"))) + 1
    rows = testbed.stack.folder / f"campaign-{number}.csv"
    recipients.write(rows, spec.messages, seed=testbed.seed * 1_000 + number, wrong=False)
    name = f"{scenario.name} {number}"
    file = rows.with_suffix(".toml")
    text = campaign_toml(
        name=name,
        sender=spec.sender,
        validity=f"{scenario.validity_m}m",
        in_doubt=spec.in_doubt,
        rate_per_s=spec.rate_per_s,
    )
    file.write_text(text, "utf-8")
    await until(began_s + spec.at_s)
    command = await dispatch_until_ok(testbed, "submit", str(file), "--recipients", str(rows), "--json")
    campaign = CampaignId(json.loads(command.output)["campaign"])
    testbed.campaigns[campaign] = spec.sender
    testbed.sent[campaign] = spec.messages
    testbed.log_action(f"submitted {campaign}, {spec.messages:,} messages of {spec.sender}")
    return campaign


async def resend(testbed: ChaosTestbed) -> None:
    """Send every message in doubt again, by command."""
    for campaign in testbed.campaigns:
        await dispatch_until_ok(testbed, "resolve", campaign, "--as", "resend")
        testbed.log_action(f"resent the messages in doubt of {campaign}")
