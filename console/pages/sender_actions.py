"""Pause and resume of a sender, and another rate within the settings' bounds: first the effect, then the action."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from console.access import action, page
from console.figures.action_effects import Effect, rate_effect, sender_pause_effect, sender_resume_effect
from console.visit import Visit
from console.worker_wakeup import wake_workers_of
from times_dispatch.console_users import ConsoleRole
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.model import CampaignView, SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.settings.values.rates import rate_problem

_ACTIONS: Final = ("pause", "resume", "rate")
_MAX_REASON: Final = 200


async def show_action(visit: Visit) -> Response:
    """Show what an action would do, and ask for a confirmation."""
    return _ask(visit, *await _sender(visit))


async def do_action(visit: Visit) -> Response:
    """Do an action that a person has confirmed."""
    view, campaigns = await _sender(visit)
    name, control = _name(visit), Control(visit.redis, actor=visit.actor)
    if name == "rate":
        rate, problem = wanted_rate(visit, visit.field("rate"))
        if problem or visit.field("confirmed") != visit.field("rate"):
            return _ask(visit, view, campaigns, problem=problem)
        await control.set_rate(view.id, rate)
        words = f"The sender may send {visit.formats.limit(rate)}."
    elif name == "pause":
        await control.pause_sender(view.id, reason=visit.field("reason")[:_MAX_REASON])
        words = "The sender is paused."
    else:
        resumed = await control.resume_sender(view.id)
        words = "The sender goes on." if resumed else "The sender was stopped at this moment. Please look again."
    if name != "pause":
        await wake_workers_of(visit, view.id)
    return visit.redirect_with_note(f"/senders/{view.id}", words)


def wanted_rate(visit: Visit, written: str) -> tuple[float, str]:
    """Return the rate that a person wants, and the problem with it, if any; the settings bound the rate."""
    try:
        rate = float(written.replace(",", "")) if written else -1.0
    except ValueError:
        return 0.0, "The rate must be a number."
    if problem := rate_problem(rate):
        return 0.0, f"The rate {problem}."
    settings = visit.settings.senders.get(visit.request.path_params["sender"])
    if settings is None:
        return 0.0, "The settings do not have this sender. To set a rate: dispatch sender rate."
    if settings.rate_per_s and not 0 < rate <= settings.rate_per_s:
        bound = visit.formats.rate(settings.rate_per_s)
        return 0.0, f"The settings allow at most {bound}. For a higher rate: dispatch sender rate, or the settings."
    return rate, ""


async def _sender(visit: Visit) -> tuple[SenderView, list[CampaignView]]:
    name, queries = SenderId(visit.request.path_params["sender"]), Queries(visit.redis)
    if name not in await queries.senders():
        raise HTTPException(404)
    damaged = list[CampaignDamaged]()
    return await queries.sender(name), await queries.live(name, damaged=damaged)


def _name(visit: Visit) -> str:
    return visit.request.url.path.rpartition("/")[2]


def _ask(visit: Visit, view: SenderView, campaigns: list[CampaignView], *, problem: str = "") -> Response:
    name, written = _name(visit), visit.field("rate") or visit.query("rate")
    rate, rate_is_wrong = wanted_rate(visit, written) if name == "rate" and written else (0.0, "")
    settings = visit.settings.senders.get(view.id)
    problem = problem or rate_is_wrong
    effect: Effect | None
    if name == "pause":
        effect = sender_pause_effect(campaigns, visit.settings, visit.formats)
    elif name == "resume":
        effect = sender_resume_effect(view, campaigns, visit.settings, visit.formats)
    else:
        has_rate = written and not problem
        effect = rate_effect(view, rate, campaigns, visit.settings, visit.formats) if has_rate else None
    return visit.page(
        "sender_action.html",
        status=409 if problem else 200,
        view=view,
        name=name,
        effect=effect,
        problem=problem,
        rate=written,
        bound=settings.rate_per_s if settings else None,
    )


ROUTES = tuple(
    route
    for name in _ACTIONS
    for route in (
        page(f"/senders/{{sender}}/{name}", show_action, role=ConsoleRole.OPERATOR),
        action(f"/senders/{{sender}}/{name}", do_action, role=ConsoleRole.OPERATOR),
    )
)
