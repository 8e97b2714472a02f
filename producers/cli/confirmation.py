"""Asks a person before a command does what cannot be undone, and says what the command would do."""

import re
import sys
from collections.abc import Iterable

import click

from producers.cli import CliContext
from producers.cli.ledger import settings_if_valid
from producers.cli.output import counted, echo
from producers.errors import InputInvalid
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import SENT
from times_dispatch.sms.encoding import measure

yes_option = click.option("--yes", is_flag=True, help="Do not ask; for scripts.")
"""The option of every command that asks."""


def confirm(*lines: str) -> None:
    """Print on stderr what a command would do, and ask whether to do it; return if the answer is yes.

    Args:
        lines: what the command would do, one sentence or table row a line.

    Raises:
        click.Abort: the answer is no.
        InputInvalid: stdin is not a terminal, so nobody can be asked.
    """
    echo(*lines, err=True)
    if not sys.stdin.isatty():
        raise InputInvalid("nothing is done: nobody can be asked here; --yes does it without asking")
    click.confirm("go on?", abort=True, err=True)


def campaign_lines(views: Iterable[CampaignView]) -> list[str]:
    """Return a line for each campaign: id, name, sender, state, and how many messages are unsent."""
    return [
        f"  {view.id}  {view.plan.name} from {view.plan.sender}, {view.state}: "
        f"{counted(view.unsent, 'message')} of {view.total:,} unsent"
        for view in views
    ]


def about_cost(options: CliContext, view: CampaignView, messages: int) -> str:
    """Return about what some messages of a campaign cost, as the end of a sentence; empty if the price is unknown.

    A message is taken to have as many parts as the campaign's accepted messages have on average; before any is
    accepted, as many as the text without its values needs at least.
    """
    if not (settings := settings_if_valid(options)) or not (sender := settings.senders.get(view.plan.sender)):
        return ""
    from times_dispatch.settings.money import format_rupees  # noqa: PLC0415  # loaded with the settings only
    from times_dispatch.settings.prices import price  # noqa: PLC0415

    category = next((name for name in settings.categories if name == view.plan.category), sender.category)
    per_part = price(sender, category, settings.categories)
    if not per_part:
        return ""
    accepted = sum(view.counts[state] for state in SENT)
    text = re.sub(r"\{#.*?#\}", "", view.plan.text)
    parts_each = view.parts / accepted if accepted else measure(text).parts
    return f", about {format_rupees(per_part * round(messages * max(1, parts_each)))}"


def unsent_of(views: Iterable[CampaignView]) -> int:
    """Return how many messages of some campaigns are unsent."""
    return sum(view.unsent for view in views)
