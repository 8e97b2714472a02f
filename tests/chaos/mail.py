"""Submitting campaigns through the command line, also while Redis is in trouble."""

import json

from tests.chaos.commands import insist
from tests.chaos.scenarios import Mailing, Scenario
from tests.chaos.settings import campaign_toml
from tests.chaos.stage import Stage, until
from times_dispatch.demo import recipients
from times_dispatch.ledger.model import CampaignId


async def post(stage: Stage, scenario: Scenario, mailing: Mailing, *, began_s: float = 0.0) -> CampaignId:
    """Submit a campaign at its time and return its id; a submit that breaks off is simply run again."""
    number = len(list(stage.stack.folder.glob("*.csv"))) + 1
    rows = stage.stack.folder / f"mail-{number}.csv"
    recipients.write(rows, mailing.messages, seed=stage.seed * 1_000 + number, wrong=False)
    name = f"{scenario.name} {number}"
    file = rows.with_suffix(".toml")
    text = campaign_toml(
        name=name,
        sender=mailing.sender,
        validity=f"{scenario.validity_m}m",
        in_doubt=mailing.in_doubt,
        rate_per_s=mailing.rate_per_s,
    )
    file.write_text(text, "utf-8")
    await until(began_s + mailing.at_s)
    told = json.loads((await insist(stage, "submit", str(file), "--recipients", str(rows), "--json")).output)
    campaign = CampaignId(told["campaign"])
    stage.campaigns[campaign] = mailing.sender
    stage.sent[campaign] = mailing.messages
    stage.note(f"submitted {campaign}, {mailing.messages:,} messages of {mailing.sender}")
    return campaign


async def resend(stage: Stage) -> None:
    """Decide by hand that whatever is in doubt is to be sent again."""
    for campaign in stage.campaigns:
        await insist(stage, "resolve", campaign, "--as", "resend")
        stage.note(f"resent what was in doubt of {campaign}")
