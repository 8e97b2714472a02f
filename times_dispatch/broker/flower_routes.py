"""The routes of Flower: every page needs a login, and by default no route changes anything."""

from typing import Any

import flower.app  # type: ignore[import-untyped]
import flower.events  # type: ignore[import-untyped]
import flower.urls  # type: ignore[import-untyped]
from celery.events.receiver import EventReceiver
from flower.inspector import Inspector  # type: ignore[import-untyped]
from flower.views import BaseHandler  # type: ignore[import-untyped]
from flower.views.monitor import Metrics  # type: ignore[import-untyped]
from tornado.routing import URLSpec
from tornado.web import HTTPError, StaticFileHandler, authenticated, url

from times_dispatch.broker.flower_server import BoundedServer


class MetricsBehindLogin(Metrics):  # type: ignore[misc]  # Flower has no types
    """``/metrics``, which Flower itself shows without a login."""

    @authenticated
    async def get(self) -> None:
        """Answer with the metrics, for people who are logged in."""
        await super().get()


class ControlRefused(BaseHandler):  # type: ignore[misc]  # Flower has no types
    """Replaces each route that stops workers, or that revokes, sends or changes tasks."""

    @authenticated
    async def post(self, *_: str) -> None:
        """Answer 403, with the option that starts Flower with control."""
        raise HTTPError(403, "Flower may not change workers or tasks; start Flower with --allow-control to allow this")


class _FlowerStaticFiles(StaticFileHandler):
    """Static files; a path that no file can have gets 404, instead of an error with a traceback in the log."""

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Return the path if it is the path of a file; raise ``HTTPError`` otherwise."""
        if "\0" in absolute_path:
            raise HTTPError(404)
        validated: str | None = super().validate_absolute_path(root, absolute_path)
        return validated


class _SilentReceiver(EventReceiver):
    """Receives events, and sends no broadcast to find workers: workers send a heartbeat every two seconds."""

    def wakeup_workers(self, channel: Any = None) -> None:
        """Send no broadcast to the workers."""


def restrict(*, allow_control: bool) -> None:
    """Change the routes that Flower's application will have.

    Without control, Flower also sends no commands to workers: it shows only data from the events of workers.

    Args:
        allow_control: whether logged-in people may stop workers, and revoke and send tasks.
    """
    flower.app.HTTPServer = BoundedServer
    flower.urls.settings["static_handler_class"] = _FlowerStaticFiles
    flower.urls.handlers[:] = [_restricted(route, allow_control=allow_control) for route in flower.urls.handlers]
    if not allow_control:
        Inspector.inspect_methods = ()
        flower.events.EventReceiver = _SilentReceiver


def _restricted(route: Any, *, allow_control: bool) -> Any:
    pattern, handler = _parts(route)
    if handler is Metrics:
        return url(pattern, MetricsBehindLogin)
    if not allow_control and "post" in vars(handler) and pattern.startswith("/api/"):
        return url(pattern, ControlRefused)
    return route


def _parts(route: Any) -> tuple[str, Any]:
    return (route.regex.pattern, route.handler_class) if isinstance(route, URLSpec) else (route[0], route[1])
