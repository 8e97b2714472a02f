"""Sessions: the user who is logged in, the time of the login, and the token against forged requests (CSRF).

Starlette signs the session and keeps it in a cookie. A session holds the name of a user and a stamp of the user's
password, never a role: the role comes from the users file at each request. So a user who is removed, or whose
password is changed, is logged out at once.
"""

import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from console.formats import NumberForm, Preferences, Theme
from times_dispatch.console_users import ConsoleUser

SESSION_COOKIE: Final = "__Host-dispatch-console"
INSECURE_SESSION_COOKIE: Final = "dispatch-console"
"""The name of the cookie without TLS: browsers accept a name with ``__Host-`` only for a secure cookie."""
_TOKEN_BYTES: Final = 24
_USER, _STAMP, _SINCE, _CSRF, _THEME, _FORM = "user", "stamp", "since", "csrf", "theme", "form"

SessionData = MutableMapping[str, Any]


def log_in(session: SessionData, user: ConsoleUser, *, now_s: float) -> None:
    """Log a user in: the session gets the user's name, and a new token against forged requests."""
    session.update({_USER: user.name, _STAMP: _stamp(user), _SINCE: int(now_s), _CSRF: _new_token()})


def log_out(session: SessionData) -> None:
    """End the login of a session, and keep the preferences that the person chose."""
    for name in (_USER, _STAMP, _SINCE, _CSRF):
        session.pop(name, None)


def user_of(
    session: Mapping[str, Any], users: Mapping[str, ConsoleUser], *, now_s: float, max_age_s: float
) -> ConsoleUser | None:
    """Return the user who is logged in; None if nobody is logged in, or if the login has expired.

    Args:
        session: the session.
        users: all users by name.
        now_s: the time now, in epoch seconds.
        max_age_s: how long a login lasts, in seconds.
    """
    user = users.get(str(session.get(_USER, "")))
    since = session.get(_SINCE)
    if user is None or not isinstance(since, int) or not 0 <= now_s - since + 60 <= max_age_s + 60:
        return None
    return user if secrets.compare_digest(str(session.get(_STAMP, "")), _stamp(user)) else None


def csrf_token(session: SessionData) -> str:
    """Return the session's token in a form that differs each time, so that compressed pages do not reveal the token."""
    token = session.get(_CSRF)
    if not isinstance(token, str) or len(token) != 2 * _TOKEN_BYTES:
        token = session[_CSRF] = _new_token()
    mask = secrets.token_bytes(_TOKEN_BYTES)
    return urlsafe_b64encode(mask + _xor(mask, bytes.fromhex(token))).decode()


def is_csrf_token(session: Mapping[str, Any], given: str) -> bool:
    """Return whether a text is the session's token in one of its forms."""
    try:
        decoded = urlsafe_b64decode(given.encode("ascii"))
        expected = bytes.fromhex(str(session.get(_CSRF, "")))
    except ValueError:
        return False
    if len(decoded) != 2 * _TOKEN_BYTES or len(expected) != _TOKEN_BYTES:
        return False
    return secrets.compare_digest(_xor(decoded[:_TOKEN_BYTES], decoded[_TOKEN_BYTES:]), expected)


def preferences_of(session: Mapping[str, Any]) -> Preferences:
    """Return the preferences that the person chose, or the default."""
    try:
        return Preferences(Theme(session.get(_THEME, Theme.AUTO)), NumberForm(session.get(_FORM, NumberForm.INDIA)))
    except ValueError:
        return Preferences()


def choose_preferences(session: SessionData, *, theme: str = "", form: str = "") -> None:
    """Keep a theme, a form of numbers, or both; an unknown value changes nothing."""
    if theme in set(Theme):
        session[_THEME] = theme
    if form in set(NumberForm):
        session[_FORM] = form


def _new_token() -> str:
    return secrets.token_hex(_TOKEN_BYTES)


def _stamp(user: ConsoleUser) -> str:
    """Return a stamp that changes with the user's password, and reveals nothing about the hash of the password."""
    return hashlib.sha256(f"{user.name}\0{user.password}".encode()).hexdigest()[:32]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
