"""The meanings of a campaign's codes, by the settings of its providers."""

from collections.abc import Callable
from functools import partial

from producers.cli import CliContext
from producers.cli.ledger import settings_if_valid
from times_dispatch.ledger.model import CampaignView
from times_dispatch.provider.description.responses import TIMES_MOBILE_RESPONSES
from times_dispatch.status.code_meanings import text_of


def meaning_of_codes(options: CliContext, view: CampaignView) -> Callable[[str], str]:
    """Return a function from a code to its meaning, by the settings of a campaign's providers."""
    settings = settings_if_valid(options) if view.codes else None
    providers = settings.providers if settings else {}
    rules = [providers[nickname].response_rules for nickname in view.plan.chain if nickname in providers]
    return partial(text_of, rules=rules or [TIMES_MOBILE_RESPONSES])
