"""The ASGI application of the console: its routes, and the pages of errors."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from console.access import current_user, resources_of
from console.live.hub import LiveHub
from console.live.subject import EVERY_S
from console.login_limits import LoginLimits
from console.now_data import NowReader
from console.pages import routes
from console.rendering import Renderer
from console.security_headers import SecurityHeaders
from console.sessions import INSECURE_SESSION_COOKIE, SESSION_COOKIE
from console.shared_reading import SharedReading
from console.visit import ConsoleResources, QueryInvalid, Visit
from times_dispatch.archive.errors import ArchiveError
from times_dispatch.broker.queues import queue_lengths
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.console_users import ConsoleUsers, ConsoleUsersInvalid
from times_dispatch.ledger.connection import RedisUnavailable
from times_dispatch.ledger.errors import (
    RESTORE,
    CampaignArchived,
    CampaignDamaged,
    CampaignUnknown,
    cluster_trouble,
    damage_of,
)
from times_dispatch.settings.model import Settings
from times_dispatch.tls_options import connection_problem

log = structlog.get_logger(__name__)

_COOKIE_LASTS_S = 30 * 24 * 3600
"""The cookie also keeps the preferences of the person. The settings say how long a login lasts."""


def make_resources(
    redis: Redis, settings: Settings, *, users: ConsoleUsers, clock: Clock = SYSTEM_CLOCK
) -> ConsoleResources:
    """Return the resources that all requests share.

    Args:
        redis: the ledger.
        settings: the settings, with the secret of the console.
        users: the users of the console.
        clock: the clock of logins and readings.
    """
    reader = NowReader(
        redis,
        partial(queue_lengths, settings, redis),
        max_memory_share=settings.ledger.max_memory_share,
        clock=clock,
    )
    return ConsoleResources(
        redis=redis,
        settings=settings,
        users=users,
        renderer=Renderer(),
        now_data=SharedReading(reader.read, fresh_s=EVERY_S, clock=clock),
        live=LiveHub(clock=clock),
        login_limits=LoginLimits(clock=clock),
        clock=clock,
    )


def make_application(resources: ConsoleResources) -> Starlette:
    """Return the application of all pages."""
    settings = resources.settings
    is_secure = settings.console.has_secure_cookies
    application = Starlette(
        routes=[
            Route("/health", _health),
            Mount("/static", StaticFiles(packages=[("console", "static")])),
            *routes(),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
            Middleware(
                SessionMiddleware,
                secret_key=settings.console_secret,
                session_cookie=SESSION_COOKIE if is_secure else INSECURE_SESSION_COOKIE,
                max_age=_COOKIE_LASTS_S,
                same_site="lax",
                https_only=is_secure,
            ),
        ],
        exception_handlers=_EXCEPTION_HANDLERS,
    )
    application.state.resources = resources
    return application


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _problem(request: Request, *, status: int, title: str, reason: str) -> Response:
    """Return the page of a problem for people who are logged in, and a line of text for others."""
    resources = resources_of(request)
    try:
        user = current_user(request, resources)
    except ConsoleUsersInvalid:
        user = None
    if user is None or request.headers.get("hx-request"):
        return PlainTextResponse(f"{title}\n", status)
    visit = Visit(request=request, resources=resources, user=user)
    return visit.page("problem.html", status=status, title=title, reason=reason)


async def _not_found(request: Request, error: Exception) -> Response:
    reason = str(error) if isinstance(error, CampaignUnknown) else "There is no such page."
    return await _problem(request, status=404, title="Not found", reason=reason)


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        return await _not_found(request, error)
    return PlainTextResponse(f"{status}\n", status)


async def _query_invalid(request: Request, error: Exception) -> Response:
    return await _problem(request, status=400, title="Unknown value in the address", reason=str(error))


async def _ledger_unavailable(request: Request, error: Exception) -> Response:
    log.warning("the ledger does not answer a page", error=connection_problem(error))
    reason = "Redis does not answer. Sending has stopped too, and goes on by itself when Redis is back."
    if trouble := cluster_trouble(error):
        reason = f"Redis {trouble}. The senders of these data wait, and go on by themselves."
    return await _problem(request, status=503, title="The ledger is unavailable", reason=reason)


async def _redis_error(request: Request, error: Exception) -> Response:
    damage = damage_of(error)
    if not damage:
        return await _ledger_unavailable(request, error)
    log.error("data of the ledger is damaged", reason=damage)
    return await _problem(request, status=500, title="The ledger is damaged", reason=f"{damage}; {RESTORE}")


async def _damaged(request: Request, error: Exception) -> Response:
    return await _problem(request, status=500, title="This campaign is damaged", reason=str(error))


async def _archived(request: Request, error: Exception) -> Response:
    return await _problem(request, status=410, title="This campaign is archived", reason=str(error))


async def _archive_unreadable(request: Request, error: Exception) -> Response:
    return await _problem(request, status=503, title="The archive cannot be read", reason=str(error))


async def _users_invalid(_request: Request, error: Exception) -> Response:
    log.error("the users of the console cannot be read", reason=str(error))
    return PlainTextResponse("The users of the console cannot be read; its log says why.\n", 503)


_EXCEPTION_HANDLERS: Mapping[Any, Any] = {
    HTTPException: _http_error,
    CampaignUnknown: _not_found,
    QueryInvalid: _query_invalid,
    CampaignDamaged: _damaged,
    CampaignArchived: _archived,
    ArchiveError: _archive_unreadable,
    ConsoleUsersInvalid: _users_invalid,
    RedisUnavailable: _ledger_unavailable,
    RedisError: _redis_error,
    OSError: _ledger_unavailable,
}
