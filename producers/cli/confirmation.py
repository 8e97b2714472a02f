"""Asks a person before a command acts, and says what the command would do."""

import sys
from collections.abc import Iterable

import click

from producers.cli import CliContext
from producers.cli.ledger import settings_if_valid
from producers.cli.output import echo_report
from producers.errors import InputInvalid
from times_dispatch.ledger.campaigns.words import state_in_words
from times_dispatch.ledger.model import CampaignView
from times_dispatch.plurals import counted

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
    echo_report(*lines, indent=4, err=True)
    if not sys.stdin.isatty():
        raise InputInvalid("nothing is done: nobody can be asked here, stdin is no terminal; --yes acts without asking")
    click.confirm("go on?", abort=True, err=True)


def campaign_lines(views: Iterable[CampaignView]) -> list[str]:
    """Return a line for each campaign: id, name, sender, state, and how many messages are unsent."""
    return [
        f"  {view.id}  {view.plan.name} from {view.plan.sender}, {state_in_words(view)}: "
        f"{counted(view.unsent, 'message')} of {view.total:,} unsent"
        for view in views
    ]


def about_cost(options: CliContext, view: CampaignView, messages: int) -> str:
    """Return the approximate cost of messages of a campaign, to end a sentence; empty if the price is unknown."""
    if not (settings := settings_if_valid(options)):
        return ""
    from times_dispatch.settings.cost_estimate import estimated_cost  # noqa: PLC0415  # loaded with the settings only
    from times_dispatch.settings.values.money import format_rupees  # noqa: PLC0415

    cost = estimated_cost(settings, view, messages)
    return "" if cost is None else f", about {format_rupees(cost)}"


def unsent_of(views: Iterable[CampaignView]) -> int:
    """Return how many messages of some campaigns are unsent."""
    return sum(view.unsent for view in views)
