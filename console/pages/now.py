"""The page Now: findings that need attention, and the running campaigns with their rates."""

from starlette.responses import Response

from console.access import page
from console.pages.live import NOW_PIECES
from console.visit import Visit


async def show_now(visit: Visit) -> Response:
    """Show the page; all people who look at the same time share one reading of the ledger."""
    return visit.page("now.html", pieces=NOW_PIECES, now=await visit.resources.now_data.get())


ROUTES = (page("/", show_now),)
