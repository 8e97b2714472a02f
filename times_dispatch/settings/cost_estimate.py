"""About what the rest of a campaign costs, for people who decide about the rest."""

import re
from decimal import Decimal

from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import SENT
from times_dispatch.settings.model import Settings
from times_dispatch.settings.prices import price
from times_dispatch.sms.encoding import measure


def estimated_cost(settings: Settings, view: CampaignView, messages: int) -> Decimal | None:
    """Return about what some messages of a campaign cost, in rupees; None if the settings have no price.

    A message is taken to have as many parts as the campaign's accepted messages have on average; before any is
    accepted, as many as the text without its values needs at least.
    """
    sender = settings.senders.get(view.plan.sender)
    if sender is None:
        return None
    category = next((name for name in settings.categories if name == view.plan.category), sender.category)
    per_part = price(sender, category, settings.categories)
    if not per_part:
        return None
    accepted = sum(view.counts[state] for state in SENT)
    text = re.sub(r"\{#.*?#\}", "", view.plan.text)
    parts_each = view.parts / accepted if accepted else measure(text).parts
    return per_part * round(messages * max(1, parts_each))
