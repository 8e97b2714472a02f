"""Who may see a page: every request passes here before its page runs.

A page needs a login and a role. A POST also needs the CSRF token of the session, and must not come from another site.
"""

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlencode

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from console.sessions import is_csrf_token, user_of
from console.visit import ConsoleResources, FormTooLong, Visit, read_form
from times_dispatch.console_users import ConsoleRole, ConsoleUser

Page = Callable[[Visit], Awaitable[Response]]
"""Makes the response to a request that its user may make."""
CSRF_FIELD: Final = "csrf"
CSRF_HEADER: Final = "X-CSRF-Token"
_OWN_SITES: Final = frozenset({"", "same-origin", "none"})


def page(path: str, answer: Page, *, role: ConsoleRole | None = ConsoleRole.VIEWER) -> Route:
    """Return the route of a page that only reads.

    Args:
        path: its address.
        answer: makes the response to a request that its user may make.
        role: the role that the user needs; None if the page needs no login.
    """

    async def endpoint(request: Request) -> Response:
        resources = resources_of(request)
        user = current_user(request, resources)
        visit = Visit(request=request, resources=resources, user=user)
        return refusal(visit, role) or await answer(visit)

    return Route(path, endpoint, methods=["GET"], name=f"GET {path}")


def action(path: str, answer: Page, *, role: ConsoleRole | None) -> Route:
    """Return the route of a POST, with the arguments of ``page``; the form must have the CSRF token of the session."""

    async def endpoint(request: Request) -> Response:
        resources = resources_of(request)
        user = current_user(request, resources)
        try:
            form = await read_form(request)
        except FormTooLong:
            return PlainTextResponse("This form is too long.", 413)
        except ClientDisconnect:
            return PlainTextResponse("This form is incomplete.", 400)  # the connection is closed
        except ValueError:
            return PlainTextResponse("This is not a form in UTF-8.", 400)
        token = request.headers.get(CSRF_HEADER) or next(iter(form.get(CSRF_FIELD, ())), "")
        visit = Visit(request=request, resources=resources, user=user, form=form)
        if request.headers.get("sec-fetch-site", "") not in _OWN_SITES or not is_csrf_token(request.session, token):
            return visit.page("forged.html", status=403)
        return refusal(visit, role) or await answer(visit)

    return Route(path, endpoint, methods=["POST"], name=f"POST {path}")


def resources_of(request: Request) -> ConsoleResources:
    """Return the resources that all requests share."""
    resources: ConsoleResources = request.app.state.resources
    return resources


def current_user(request: Request, resources: ConsoleResources) -> ConsoleUser | None:
    """Return the user who is logged in, or whom a trusted proxy names; None if there is no such user."""
    settings, users = resources.settings.console, resources.users.all()
    if settings.user_header and is_trusted_proxy(request, resources):
        named = request.headers.getlist(settings.user_header)
        # Two lines: the proxy added its own, and the browser sent another one.
        return users.get(named[0]) if len(named) == 1 else None
    return user_of(request.session, users, now_s=resources.clock.time(), max_age_s=settings.session_s)


def is_trusted_proxy(request: Request, resources: ConsoleResources) -> bool:
    """Return whether the peer of the connection is a proxy that the settings trust."""
    try:
        peer = ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    return any(peer in network for network in resources.settings.console.trusted_networks)


def address_of(request: Request, resources: ConsoleResources) -> str:
    """Return the address of the browser: the peer of the connection, or the last address that a trusted proxy names."""
    forwarded = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
    if forwarded and is_trusted_proxy(request, resources):
        return forwarded[:64]
    return request.client.host if request.client else ""


def refusal(visit: Visit, role: ConsoleRole | None) -> Response | None:
    """Return the response to a user who may not see a page; None if the user may see the page."""
    if role is None or visit.may(role):
        return None
    if visit.user is None:
        if visit.request.headers.get("hx-request") or visit.request.url.path.startswith("/live/"):
            return Response(status_code=401, headers={"HX-Redirect": "/login"})  # htmx asked for a piece of a page
        if visit.request.method != "GET":
            return RedirectResponse("/login", status_code=303)
        url = visit.request.url
        back = urlencode({"next": url.path + (f"?{url.query}" if url.query else "")})
        return RedirectResponse("/login" if url.path == "/" else f"/login?{back}", status_code=303)
    return visit.page("forbidden.html", status=403, needed=role.value)
