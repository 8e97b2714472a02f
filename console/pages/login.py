"""The login, the logout, and the choice of theme and form of numbers."""

import asyncio
import math
from typing import Final

import structlog
from starlette.responses import Response

from console.access import action, address_of, page
from console.sessions import choose_preferences, log_in, log_out
from console.visit import Visit
from times_dispatch.console_users import MAX_PASSWORD
from times_dispatch.http_server.server_load import grouped

log = structlog.get_logger(__name__)

_MAX_NAME: Final = 64
_ONE_CHECKS = asyncio.Semaphore(2)
"""How many passwords are checked at the same time: a check takes 64 MB, and strangers must not take all memory."""


async def show_login(visit: Visit) -> Response:
    """Show the form of the login."""
    if visit.user:
        return visit.redirect(safe_path(visit.query("next")))
    return _login_page(visit, next_path=visit.query("next"))


async def check_login(visit: Visit) -> Response:
    """Log a person in, or show the reason why not; ``LoginLimits`` bounds the tries."""
    resources = visit.resources
    # One customer has many IPv6 addresses: all addresses of one /64 network count as one address.
    name, address = visit.field("name")[:_MAX_NAME], grouped(address_of(visit.request, resources))
    wait_s = resources.login_limits.wait_s(name, address)
    if wait_s > 0:
        log.warning("too many logins failed", address=address)
        response = _login_page(visit, problem=f"Too many tries. Please wait {math.ceil(wait_s)} s.", status=429)
        response.headers["Retry-After"] = str(math.ceil(wait_s))
        return response
    # Counted before the check, so that tries at the same time count too.
    resources.login_limits.note_failure(name, address)
    password = next(iter(visit.form.get("password", ())), "")[: MAX_PASSWORD + 1]
    async with _ONE_CHECKS:
        user = await asyncio.to_thread(resources.users.with_password, name, password)
    if user is None:
        log.warning("a login failed", address=address)
        return _login_page(visit, problem="This name and password do not belong together.", status=401)
    resources.login_limits.note_success(name, address)
    log_in(visit.request.session, user, now_s=resources.clock.time())
    log.info("a user logged in", user=user.name, role=user.role.value, address=address)
    return visit.redirect(safe_path(visit.field("next")))


async def end_login(visit: Visit) -> Response:
    """Log a person out."""
    log_out(visit.request.session)
    return visit.redirect("/login")


async def keep_preferences(visit: Visit) -> Response:
    """Keep the theme or the form of numbers that a person chose, and go back to the page."""
    choose_preferences(visit.request.session, theme=visit.field("theme"), form=visit.field("form"))
    return visit.redirect(safe_path(visit.field("back")))


def safe_path(path: str) -> str:
    """Return a path of this console; the first page for an address that leads elsewhere."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if is_own else "/"


def _login_page(visit: Visit, *, problem: str = "", status: int = 200, next_path: str = "") -> Response:
    return visit.page(
        "login.html",
        status=status,
        problem=problem,
        name=visit.field("name")[:_MAX_NAME],
        next_path=next_path or visit.field("next"),
        has_users=bool(visit.resources.users.all()),
        by_proxy=bool(visit.settings.console.user_header),
    )


ROUTES = (
    page("/login", show_login, role=None),
    action("/login", check_login, role=None),
    action("/logout", end_login, role=None),
    action("/preferences", keep_preferences, role=None),
)
