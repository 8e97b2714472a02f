from typing import Any

from console.formats import NumberForm, Preferences, Theme
from console.sessions import choose_preferences, csrf_token, is_csrf_token, log_in, log_out, preferences_of, user_of
from times_dispatch.console_users import ConsoleRole, ConsoleUser

ASHA = ConsoleUser(name="asha", role=ConsoleRole.VIEWER, password="a hash")
USERS = {"asha": ASHA}


def _user(session: dict[str, Any], users: dict[str, ConsoleUser] | None = None, now_s: float = 1_000) -> Any:
    return user_of(session, USERS if users is None else users, now_s=now_s, max_age_s=3600)


def test_a_login_ends_after_its_time_with_a_new_password_and_without_the_user() -> None:
    session = dict[str, Any]()
    assert _user(session) is None
    log_in(session, ASHA, now_s=1_000)
    assert _user(session) == ASHA
    assert _user(session, now_s=1_000 + 3600) == ASHA
    assert _user(session, now_s=1_000 + 3601) is None
    assert _user(session, now_s=900) is None
    assert _user(session, {}) is None
    assert _user(session, {"asha": ConsoleUser(name="asha", role=ConsoleRole.VIEWER, password="another")}) is None


def test_a_role_is_not_kept_in_the_session() -> None:
    session = dict[str, Any]()
    log_in(session, ASHA, now_s=1_000)
    promoted = ConsoleUser(name="asha", role=ConsoleRole.OWNER, password="a hash")
    assert _user(session, {"asha": promoted}) == promoted


def test_a_damaged_session_is_nobody() -> None:
    for session in ({"user": "asha"}, {"user": "asha", "since": "x", "stamp": 5}, {"user": ["asha"], "since": 1}):
        assert _user(session) is None


def test_each_form_of_the_token_is_good_and_no_two_are_equal() -> None:
    session = dict[str, Any]()
    tokens = {csrf_token(session) for _ in range(20)}
    assert len(tokens) == 20
    assert all(is_csrf_token(session, token) for token in tokens)
    assert not any(is_csrf_token({}, token) for token in tokens)
    for guess in ("", "x", "é", "A" * 64, "A" * 63):
        assert not is_csrf_token(session, guess)


def test_a_login_changes_the_token() -> None:
    session = dict[str, Any]()
    before = csrf_token(session)
    log_in(session, ASHA, now_s=1)
    assert not is_csrf_token(session, before)


def test_a_logout_keeps_the_look() -> None:
    session = dict[str, Any]()
    log_in(session, ASHA, now_s=1_000)
    choose_preferences(session, theme="dark", form="international")
    choose_preferences(session, theme="pink", form="")
    log_out(session)
    assert _user(session) is None
    assert preferences_of(session) == Preferences(Theme.DARK, NumberForm.INTERNATIONAL)
    assert preferences_of({"theme": "pink"}) == Preferences()
