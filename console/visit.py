"""One request of a person who may make it, with all that its page needs: ledger, settings, user, form."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from urllib.parse import parse_qsl

from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console.formats import Formats, Preferences, day_typed
from console.live.hub import LiveHub
from console.login_limits import LoginLimits
from console.now_data import NowData
from console.rendering import Renderer
from console.sessions import csrf_token, preferences_of
from console.shared_reading import SharedReading
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.console_users import ConsoleRole, ConsoleUser, ConsoleUsers
from times_dispatch.settings.model import Settings

_NOTE: Final = "note"
MAX_FORM_BYTES: Final = 16 * 1024
_MAX_FIELDS: Final = 100
_MAX_SHOWN: Final = 40
_MAX_DIGITS: Final = 9


class FormTooLong(Exception):
    """The body of a request is longer than any form of the console."""


class QueryInvalid(Exception):
    """A parameter of the address has a value that the page does not know; the text says which, and what is possible.

    The value is an error, because without it the page would show another list than the address says.
    """

    def __init__(self, name: str, written: str, possible: str) -> None:
        """Make the error.

        Args:
            name: the parameter.
            written: its value.
            possible: the values that are possible, in words.
        """
        super().__init__(f"The address has {name}={written[:_MAX_SHOWN]}. Possible: {possible}.")


def check_known(name: str, written: Iterable[str], known: Collection[str]) -> None:
    """Raise QueryInvalid if a parameter has a value that does not exist.

    Args:
        name: the parameter.
        written: its values.
        known: the values that exist.
    """
    for each in written:
        if each not in known:
            raise QueryInvalid(name, each, ", ".join(known))


@dataclass(frozen=True, kw_only=True)
class ConsoleResources:
    """The resources that all requests share."""

    redis: Redis
    settings: Settings
    users: ConsoleUsers
    renderer: Renderer
    now_data: SharedReading[NowData]
    """The data of the page Now, read once for all people who look at the same time."""
    live: LiveHub
    """The streams of the live pages."""
    login_limits: LoginLimits
    clock: Clock = SYSTEM_CLOCK


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request of a person who may make the request."""

    request: Request
    resources: ConsoleResources
    user: ConsoleUser | None
    """The user who is logged in; None on the page of the login only."""
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The fields of the posted form, whose CSRF token was right; empty for a GET."""

    @property
    def redis(self) -> Redis:
        return self.resources.redis

    @property
    def settings(self) -> Settings:
        return self.resources.settings

    @property
    def preferences(self) -> Preferences:
        """The preferences of the person."""
        return preferences_of(self.request.session)

    @property
    def formats(self) -> Formats:
        """The formats of this page."""
        return Formats(self.preferences.form, now_s=self.resources.clock.time())

    @property
    def actor(self) -> str:
        """The name of the actor, for the trail."""
        return f"{self.user.name} (console)" if self.user else ""

    def may(self, role: ConsoleRole) -> bool:
        """Return whether the user has a role."""
        return self.user is not None and self.user.role.includes(role)

    def query(self, name: str) -> str:
        """Return a parameter of the address; empty if there is none."""
        return self.request.query_params.get(name, "").strip()

    def choice(self, name: str, known: Collection[str]) -> str:
        """Return a parameter that is one of some values, or empty; raise QueryInvalid for another value."""
        written = self.query(name)
        check_known(name, [written] if written else [], known)
        return written

    def number(self, name: str, *, below: int = 10**_MAX_DIGITS) -> int | None:
        """Return a parameter that is a whole number; None if there is none; raise QueryInvalid for another value.

        Args:
            name: the parameter.
            below: the smallest number that is too large.
        """
        written = self.query(name)
        if not written:
            return None
        is_number = written.isascii() and written.isdecimal() and len(written) <= _MAX_DIGITS
        if not is_number or int(written) >= below:
            raise QueryInvalid(name, written, f"whole numbers from 0 to {below - 1}")
        return int(written)

    def day(self, name: str) -> date | None:
        """Return a parameter that is a day; None if there is none; raise QueryInvalid for another value."""
        written = self.query(name)
        typed = day_typed(written)
        if written and typed is None:
            raise QueryInvalid(name, written, "days from 2000 to 2999, such as 31/12/2026 or 2026-12-31")
        return typed

    def field(self, name: str) -> str:
        """Return a field of the posted form; empty if there is none."""
        return next(iter(self.form.get(name, ())), "").strip()

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page.

        Args:
            template: the name of its template.
            status: the HTTP status.
            values: values of this template, besides the values that all templates get.
        """
        url, session = self.request.url, self.request.session
        text = self.resources.renderer.render(
            template,
            visit=self,
            user=self.user,
            preferences=self.preferences,
            f=self.formats,
            csrf=csrf_token(session),
            path=url.path,
            here=url.path + (f"?{url.query}" if url.query else ""),
            is_operator=self.may(ConsoleRole.OPERATOR),
            is_owner=self.may(ConsoleRole.OWNER),
            note=session.pop(_NOTE, ""),
            **values,
        )
        return HTMLResponse(text, status_code=status)

    def redirect(self, path: str) -> Response:
        """Return a redirect to another page of the console."""
        return RedirectResponse(path, status_code=303)

    def redirect_with_note(self, path: str, note: str) -> Response:
        """Return a redirect to another page, which shows a note once."""
        self.request.session[_NOTE] = note
        return self.redirect(path)


async def read_form(request: Request) -> dict[str, list[str]]:
    """Return the fields of a posted form; raise FormTooLong, or ValueError if the body is not a form in UTF-8."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_FORM_BYTES:
            raise FormTooLong
    fields = dict[str, list[str]]()
    for name, value in parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS):
        fields.setdefault(name, []).append(value)
    return fields
