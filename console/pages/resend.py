"""Resend of chosen messages of a campaign: first their number and cost, then a new campaign."""

from collections.abc import Collection
from typing import Final

from starlette.responses import Response

from console.access import action, page
from console.visit import Visit, check_known
from console.words import BAR_ORDER, MEANINGS, words_of
from console.worker_wakeup import wake_workers_of
from producers.errors import CommandFailed, InputInvalid
from producers.resend.parent import resendable
from producers.resend.resender import RESENDABLE, Choice, Resender, Survey
from times_dispatch.console_users import ConsoleRole
from times_dispatch.ledger.errors import IdKeyRefused, LanesRefused, SubmissionRefused, WorkerTooOld
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.visible_text import without_long_numbers

_REFUSALS: Final = (IdKeyRefused, LanesRefused, SubmissionRefused, WorkerTooOld)
"""The errors of the ledger that say why there can be no resend now."""
_CHOICES: Final = tuple(state for state in BAR_ORDER if state in RESENDABLE)


async def show_resend(visit: Visit) -> Response:
    """Show which messages can be sent once more; after a choice, also the number and cost of the chosen messages."""
    view = await _campaign(visit)
    labels = visit.request.query_params.getlist("state")
    check_known("state", labels, [state.label for state in _CHOICES])
    states = _states(labels)
    try:
        await resendable(visit.redis, visit.settings, view.id, states=states)
    except InputInvalid as error:
        return _page(visit, view, states, refusal=_in_words(error, view))
    try:
        survey = await _resender(visit, view, states).survey() if states else None
    except (InputInvalid, CommandFailed) as error:
        return _page(visit, view, states, problem=_in_words(error, view))
    return _page(visit, view, states, survey=survey)


async def do_resend(visit: Visit) -> Response:
    """Make the new campaign; if the effect has changed since the person saw it, show the effect again."""
    view = await _campaign(visit)
    states = _states(visit.form.get("state", []))
    resender = _resender(visit, view, states)
    try:
        survey = await resender.survey() if states else None
        if survey is None or str(survey.messages) != visit.field("messages"):
            problem = "The messages have changed meanwhile. Please look again." if survey else "Choose messages first."
            return _page(visit, view, states, survey=survey, problem=problem)
        result = await resender.submit(actor=visit.actor)
    except (InputInvalid, CommandFailed, *_REFUSALS) as error:
        return _page(visit, view, states, problem=_in_words(error, view))
    if result.state is CampaignState.CANCELLED:
        return _page(visit, view, states, problem=f"Campaign {result.campaign} was cancelled: nothing of it is sent.")
    await wake_workers_of(visit, view.plan.sender)
    name = without_long_numbers(view.plan.name)
    words = (
        "These messages were resent before, by this campaign."
        if result.already_submitted
        else f"This campaign resends {visit.formats.number(result.messages)} messages of {name}."
    )
    return visit.redirect_with_note(f"/campaigns/{result.campaign}", words)


async def _campaign(visit: Visit) -> CampaignView:
    return await Queries(visit.redis).campaign(CampaignId(visit.request.path_params["campaign"]))


def _resender(visit: Visit, view: CampaignView, states: frozenset[MessageState]) -> Resender:
    return Resender(visit.redis, visit.settings, view.id, Choice(states=states))


def _states(labels: Collection[str]) -> frozenset[MessageState]:
    return frozenset(state for state in _CHOICES if state.label in labels)


def _in_words(error: Exception, view: CampaignView) -> str:
    """Return an error without the name of the campaign at its beginning: the head of the page has the name."""
    return str(error).removeprefix(f"campaign {view.id}: ")


def _page(
    visit: Visit,
    view: CampaignView,
    states: frozenset[MessageState],
    *,
    survey: Survey | None = None,
    refusal: str = "",
    problem: str = "",
) -> Response:
    """Return the page.

    Args:
        visit: the request.
        view: the campaign whose messages are chosen.
        states: the states that are chosen.
        survey: what a resend would send; None before a choice.
        refusal: why there can be no resend now; empty if there can be one.
        problem: why nothing was sent; empty if nothing is wrong.
    """
    return visit.page(
        "resend.html",
        status=409 if problem and visit.request.method == "POST" else 200,
        view=view,
        choices=[(state, words_of(state), MEANINGS[state], view.counts[state], state in states) for state in _CHOICES],
        survey=survey,
        suppressed=list(survey.suppressed.in_words(visit.settings.senders[view.plan.sender])) if survey else [],
        cost=survey.price * survey.parts if survey and survey.price else None,
        refusal=refusal,
        problem=problem,
    )


ROUTES = (
    page("/campaigns/{campaign}/resend", show_resend, role=ConsoleRole.OPERATOR),
    action("/campaigns/{campaign}/resend", do_resend, role=ConsoleRole.OPERATOR),
)
