"""Pause, resume and cancel of a campaign: first a page with the effect, then the action, with an entry in the trail."""

from typing import Final

from starlette.responses import Response

from console.access import action, page
from console.figures.action_effects import Effect, cancel_effect, pause_effect, resume_effect
from console.visit import Visit
from console.worker_wakeup import wake_workers_of
from times_dispatch.console_users import ConsoleRole
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import Queries

_ACTIONS: Final = {"pause": ControlAction.PAUSE, "resume": ControlAction.RESUME, "cancel": ControlAction.CANCEL}
_DONE: Final = {"pause": "paused", "resume": "resumed", "cancel": "cancelled"}
_MAX_REASON: Final = 200


async def show_action(visit: Visit) -> Response:
    """Show what an action would do, and ask for a confirmation."""
    return await _ask(visit, await _campaign(visit))


async def do_action(visit: Visit) -> Response:
    """Do an action that a person has confirmed; show its effect again if the campaign has changed meanwhile."""
    view, name = await _campaign(visit), _name(visit)
    if visit.field("state") != view.state.value:
        return await _ask(visit, view, problem="The campaign has changed meanwhile. Please look again.")
    if name == "cancel" and visit.field("sure") != "yes":
        return await _ask(visit, view, problem="Please tick the box: a cancel cannot be undone.")
    control = Control(visit.redis, actor=visit.actor)
    reason = visit.field("reason")[:_MAX_REASON] or (f"by {visit.user.name}" if visit.user else "")
    changed, state = await control.campaign(
        view.plan.sender,
        view.id,
        _ACTIONS[name],
        reason="" if name == "resume" else reason,
        replaces_reason=name == "pause",
    )
    if name == "resume":
        await wake_workers_of(visit, view.plan.sender)
    words = f"The campaign is {_DONE[name]}." if changed else f"Nothing was changed: the campaign is {state.value}."
    return visit.redirect_with_note(f"/campaigns/{view.id}", words)


async def _campaign(visit: Visit) -> CampaignView:
    return await Queries(visit.redis).campaign(CampaignId(visit.request.path_params["campaign"]))


def _name(visit: Visit) -> str:
    return visit.request.url.path.rpartition("/")[2]


async def _ask(visit: Visit, view: CampaignView, *, problem: str = "") -> Response:
    name = _name(visit)
    return visit.page(
        "campaign_action.html",
        status=409 if problem else 200,
        view=view,
        name=name,
        effect=await _effect(visit, view, name),
        problem=problem,
    )


async def _effect(visit: Visit, view: CampaignView, name: str) -> Effect:
    if name == "pause":
        return pause_effect(view, visit.settings, visit.formats)
    if name == "cancel":
        return cancel_effect(view, visit.settings, visit.formats)
    sender = await Queries(visit.redis).sender(view.plan.sender)
    return resume_effect(view, sender, visit.settings, visit.formats)


ROUTES = tuple(
    route
    for name in _ACTIONS
    for route in (
        page(f"/campaigns/{{campaign}}/{name}", show_action, role=ConsoleRole.OPERATOR),
        action(f"/campaigns/{{campaign}}/{name}", do_action, role=ConsoleRole.OPERATOR),
    )
)
