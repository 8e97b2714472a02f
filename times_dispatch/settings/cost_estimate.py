"""An estimate of the cost of a campaign's remaining messages, for people who decide about these messages."""

import re
from decimal import Decimal

from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import SENT
from times_dispatch.settings.model import Settings
from times_dispatch.settings.prices import price
from times_dispatch.sms.encoding import measure


def estimated_cost(settings: Settings, view: CampaignView, messages: int) -> Decimal | None:
    """Return the estimated cost of some messages of a campaign, in rupees; None if the settings have no price.

    The estimate uses the average number of parts of the campaign's accepted messages. Before a message is accepted, it
    uses the number of parts of the text without values.
    """
    sender = settings.senders.get(view.plan.sender)
    if sender is None:
        return None
    category = next((name for name in settings.categories if name == view.plan.category), sender.category)
    per_part = price(sender, category, settings.categories)
    if not per_part:
        return None
    accepted = sum(view.counts[state] for state in SENT)
    text = re.sub(r"\{#[^#]*#\}", "", view.plan.text)
    parts_each = view.parts / accepted if accepted else measure(text).parts
    return per_part * round(messages * max(1, parts_each))
