"""The page of one campaign: the results of its messages with reasons, times and cost, and the trail."""

from typing import Any, Final

from starlette.responses import Response

from console.access import page
from console.charts.course import bucket_label, course_chart, delivery_chart, hour_label
from console.figures.campaign_figures import CampaignFigures, read_campaign
from console.figures.code_words import CodeBook
from console.figures.funnel import funnel_of
from console.figures.message_list import MessageFilter, list_messages
from console.visit import Visit
from console.words import BAR_ORDER, MEANINGS, words_of
from producers.resend.parent import why_not_resendable
from producers.resend.resender import RESENDABLE
from times_dispatch.console_users import ConsoleRole
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.protocol import stop_reason_in_words
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.trail import TrailAction, TrailEntry
from times_dispatch.settings.cost_estimate import estimated_cost
from times_dispatch.settings.model import Settings

_SAMPLES: Final = 5


async def show_campaign(visit: Visit) -> Response:
    """Show a campaign with the figures that ``dispatch stats`` and ``dispatch show`` print."""
    figures = await read_campaign(
        visit.redis, CampaignId(visit.request.path_params["campaign"]), clock=visit.resources.clock
    )
    view = figures.view
    samples = (
        await list_messages(visit.redis, view, MessageFilter(), count=_SAMPLES, shows_people=True)
        if visit.may(ConsoleRole.OPERATOR) and view.sealed_ms and figures.stub is None
        else None
    )
    return visit.page("campaign.html", samples=samples, is_live=figures.stub is None, **campaign_values(visit, figures))


def campaign_values(visit: Visit, figures: CampaignFigures) -> dict[str, Any]:
    """Return the values that the templates of the page need."""
    view, statistics, f = figures.view, figures.statistics, visit.formats
    codes = CodeBook(visit.settings, view.plan.chain).words(statistics.codes)
    href = f"/campaigns/{view.id}/messages"
    has_actions = visit.may(ConsoleRole.OPERATOR) and figures.stub is None
    return {
        "view": view,
        "statistics": statistics,
        "moments": _moments(view),
        "trail": [(entry, detail_of(entry)) for entry in figures.trail],
        "states": [(state, view.counts[state], words_of(state), MEANINGS[state]) for state in BAR_ORDER],
        "funnel": funnel_of(view, statistics, codes),
        "codes": codes,
        "course": course_chart(statistics.course, f, href=href),
        "hours": [(hour_label(hour, f), hour, each) for hour, each in statistics.course.items()],
        "delivery": delivery_chart(statistics.delivery_times, f, href=href),
        "buckets": [
            (bucket_label(bucket, f), bucket, messages)
            for bucket, messages in sorted(statistics.delivery_times.counts.items())
        ],
        "rest_cost": estimated_cost(visit.settings, view, view.unsent) if view.unsent else None,
        "actions": actions_for(view, visit.settings) if has_actions else [],
        "no_resend": why_no_resend(view, visit.settings) if has_actions else "",
        "archived": figures.stub,
        "href": href,
    }


def actions_for(view: CampaignView, settings: Settings) -> list[tuple[str, str]]:
    """Return the actions that a campaign allows now, each with the text of its button."""
    actions = list[tuple[str, str]]()
    if view.state is CampaignState.RUNNING:
        actions.append(("pause", "Pause"))
    if view.state in {CampaignState.PAUSED, CampaignState.BRAKED}:
        actions.append(("resume", "Resume"))
    if view.state not in {CampaignState.FINISHED, CampaignState.CANCELLED}:
        actions.append(("cancel", "Cancel"))
    if _has_resendable(view) and not why_not_resendable(view, settings):
        actions.append(("resend", "Resend"))
    return actions


def why_no_resend(view: CampaignView, settings: Settings) -> str:
    """Return why no resend is possible now; empty if one is possible, or if no message can be resent."""
    return why_not_resendable(view, settings) if _has_resendable(view) else ""


def _has_resendable(view: CampaignView) -> bool:
    return bool(view.sealed_ms) and any(view.counts[state] for state in RESENDABLE)


def detail_of(entry: TrailEntry) -> str:
    """Return the detail of an entry of the trail in words."""
    if entry.action == TrailAction.BRAKED:
        return stop_reason_in_words(entry.detail, entry.reason_detail)
    return entry.detail


def _moments(view: CampaignView) -> list[tuple[str, int]]:
    """Return the known times in the life of a campaign, each with a name."""
    moments = [
        ("Created", view.created_ms),
        ("Submitted", view.sealed_ms),
        ("Start", view.plan.start_at_ms),
        ("First sent", view.first_sent_ms),
        ("Last sent", view.last_sent_ms),
        ("Finished", view.finished_ms),
        ("Valid until", view.plan.valid_until_ms),
    ]
    return [(name, at_ms) for name, at_ms in moments if at_ms]


ROUTES = (page("/campaigns/{campaign}", show_campaign),)
