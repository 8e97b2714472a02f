"""The streams of events behind the live pages."""

from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Final, TypeVar

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from console.access import current_user, page
from console.figures.campaign_figures import CampaignFigures, read_campaign
from console.live.subject import EVERY_S, Piece, Pieces
from console.now_data import NowData
from console.pages.campaign import campaign_values
from console.visit import Visit
from times_dispatch.console_users import ConsoleRole, ConsoleUsersInvalid
from times_dispatch.ledger.model import CampaignId

T = TypeVar("T")

NOW_PIECES: Final = ("needs", "figures", "running", "senders", "ended", "read")
"""The pieces of the page Now, from top to bottom."""
CAMPAIGN_PIECES: Final = ("title", "states", "funnel", "retries", "course", "codes", "money", "trail")
"""The pieces of the page of a campaign that change by themselves."""

_MEDIA_TYPE: Final = "text/event-stream"


async def follow_now(visit: Visit) -> Response:
    """Send the pieces of the page Now that change."""
    # A little sooner than pages need a new reading, so that a timer that ends too early skips no reading.
    read = partial(visit.resources.now_data.get, max_age_s=EVERY_S / 2)
    return _stream(visit, "now", read, partial(now_pieces, visit), kind=visit.preferences.form)


async def follow_campaign(visit: Visit) -> Response:
    """Send the pieces of the page of a campaign that change."""
    campaign = CampaignId(visit.request.path_params["campaign"])
    read = partial(read_campaign, visit.redis, campaign, clock=visit.resources.clock)
    await read()  # an unknown campaign is a 404, and not an empty stream
    kind = visit.preferences.form, visit.may(ConsoleRole.OPERATOR)
    return _stream(visit, f"campaign:{campaign}", read, partial(campaign_pieces, visit), kind=kind)


def now_pieces(visit: Visit, now: NowData) -> Pieces:
    """Return the pieces of the page Now. A campaign's card is a piece, and so is the list of the cards.

    All people see the same pieces, so the templates get nothing about a person but the form of the numbers.
    """
    render = partial(visit.resources.renderer.render, f=visit.formats)
    html = {name: render(f"fragments/now_{name}.html", now=now) for name in NOW_PIECES}
    cards = {f"campaign-{item.view.id}": render("fragments/running_campaign.html", item=item) for item in now.campaigns}
    pieces = {name: Piece(text) for name, text in [*html.items(), *cards.items()]}
    # The list is sent again only when campaigns come or go, and not when the text of a card in the list changes.
    return {**pieces, "running": Piece(html["running"], version=(now.not_shown, *cards))}


def campaign_pieces(visit: Visit, figures: CampaignFigures) -> Pieces:
    """Return the pieces of the page of a campaign, which differ for operators."""
    values = {**campaign_values(visit, figures), "f": visit.formats, "is_operator": visit.may(ConsoleRole.OPERATOR)}
    render = visit.resources.renderer.render
    return {name: Piece(render(f"fragments/campaign_{name}.html", **values)) for name in CAMPAIGN_PIECES}


def _stream(
    visit: Visit, name: str, read: Callable[[], Awaitable[T]], render: Callable[[T], Pieces], *, kind: Hashable
) -> Response:
    """Return the stream of a subject; 503 if its user has too many streams already.

    Args:
        visit: the request, and who made it.
        name: the name of the subject.
        read: reads what the pieces show.
        render: makes the pieces of a page.
        kind: everything in the visit on which the pieces depend.
    """
    if visit.request.method == "HEAD":  # the body of a stream has no end, and a response to HEAD has no body
        return Response(media_type=_MEDIA_TYPE)
    user = visit.user
    if not visit.resources.live.has_room(user.name if user else ""):
        return PlainTextResponse("Too many live pages are open.\n", 503, {"Retry-After": "60"})

    def is_allowed() -> bool:
        try:
            return current_user(visit.request, visit.resources) == user
        except ConsoleUsersInvalid:
            return False

    events = visit.resources.live.events(
        name, read, user=user.name if user else "", kind=kind, render=render, is_allowed=is_allowed
    )
    return StreamingResponse(events, media_type=_MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})


ROUTES = (page("/live/now", follow_now), page("/live/campaigns/{campaign}", follow_campaign))
