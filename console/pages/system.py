"""The page System: the report of ``dispatch status``; owners also see the users and the trail."""

from typing import Final

from starlette.responses import Response

from console.access import page
from console.pages.campaign import detail_of
from console.visit import Visit
from times_dispatch.console_users import ConsoleRole
from times_dispatch.ledger.keys import OPT_OUTS
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.trail import Trail
from times_dispatch.status.model import KindStatus
from times_dispatch.status.roles import ROLES

_MAX_TRAIL: Final = 300


async def show_system(visit: Visit) -> Response:
    """Show the state of the deployment."""
    now = await visit.resources.now_data.get()
    kinds = [(kind, _figures(kind), _without(kind)) for kind in now.status.kinds]
    return visit.page("system.html", status=200, state=now.status, kinds=kinds, users=_users(visit))


async def show_trail(visit: Visit) -> Response:
    """Show who changed what, in all campaigns and senders and in the opt-out list, the newest first."""
    senders = await Queries(visit.redis).senders()
    entries = await Trail(visit.redis).newest([*senders, OPT_OUTS], limit=_MAX_TRAIL)
    return visit.page("trail.html", entries=[(entry, detail_of(entry)) for entry in reversed(entries)])


def _figures(kind: KindStatus) -> dict[str, int]:
    """Return the sums of the figures in the heartbeats of all living processes of a kind."""
    figures = dict[str, int]()
    for process in kind.alive:
        for name, value in process.record.figures.items():
            figures[name.replace("_", " ")] = figures.get(name.replace("_", " "), 0) + value
    return figures


def _without(kind: KindStatus) -> str:
    """Return in words the consequence of a missing process of a kind, and the command that starts one."""
    role = ROLES.get(ProcessKind(kind.kind)) if kind.kind in set(ProcessKind) else None
    return f"{role.without}; start one: {role.start}" if role else ""


def _users(visit: Visit) -> list[tuple[str, str, bool]]:
    """Return name and role of each user, and whether the user has a password; for owners only."""
    if not visit.may(ConsoleRole.OWNER):
        return []
    users = visit.resources.users.all().values()
    return [(user.name, user.role.value, bool(user.password)) for user in users]


ROUTES = (page("/system", show_system), page("/system/trail", show_trail, role=ConsoleRole.OWNER))
