"""Nobody sees or changes anything without a login, a role and the token of the session."""

import pytest
from starlette.routing import Route

from tests.kit.console import NAMES, PASSWORD, Browser, ConsoleRig, signed
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.console_users import ConsoleRole, write_users

OPEN = {"/login", "/health", "/logout", "/preferences"}
"""Addresses that need no login: they neither show nor change anything in the ledger."""


def _paths(rig: ConsoleRig, method: str) -> list[str]:
    routes = [route for route in rig.application.routes if isinstance(route, Route) and method in (route.methods or ())]
    names = {"campaign": CAMPAIGN, "sender": SENDER, "template": "bill", "action": "pause"}
    paths = []
    for route in routes:
        path = route.path
        for name, value in names.items():
            path = path.replace(f"{{{name}}}", value)
        paths.append(path)
    return paths


async def test_every_page_asks_for_a_login_and_leads_back_after_it(rig: ConsoleRig, redis: object) -> None:
    browser = rig.browser()
    for path in set(_paths(rig, "GET")) - OPEN:
        response = await browser.get(path)
        if path.startswith("/live/"):  # the client of a stream cannot follow a redirect to a page
            assert response.status_code == 401, path
        else:
            assert response.status_code == 303, path
            assert response.headers["location"].startswith("/login"), path
    response = await browser.get("/campaigns?q=a&state=running")
    assert response.headers["location"] == "/login?next=%2Fcampaigns%3Fq%3Da%26state%3Drunning"
    assert (await browser.get("/", headers={"HX-Request": "true"})).status_code == 401


async def test_every_post_needs_the_token_of_the_session(rig: ConsoleRig, owner: Browser) -> None:
    paths = _paths(rig, "POST")
    assert "/login" in paths
    other = rig.logged_in(ConsoleRole.OWNER)
    await owner.get("/")
    await other.get("/campaigns")
    for path in paths:
        for token in ("", "guess", "A" * 64, other.csrf):
            assert (await owner.post(path, {"csrf": token})).status_code == 403, (path, token)


async def test_a_post_of_another_site_is_refused_also_with_a_token(owner: Browser) -> None:
    await owner.get("/")
    assert (await owner.post("/preferences", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
    assert (await owner.post("/preferences", headers={"Sec-Fetch-Site": "same-origin"})).status_code == 303


async def test_a_form_that_is_too_long_is_refused(owner: Browser) -> None:
    await owner.get("/")
    assert (await owner.post("/preferences", {"back": "x" * 20_000})).status_code == 413


async def test_no_action_is_left_to_viewers(rig: ConsoleRig, viewer: Browser, redis: object) -> None:
    await viewer.get("/")
    for path in set(_paths(rig, "POST")) - OPEN:
        assert (await viewer.post(path)).status_code == 403, path


async def test_a_role_that_changes_in_the_file_changes_at_the_next_request(rig: ConsoleRig, operator: Browser) -> None:
    assert (await operator.get("/")).status_code == 200
    users = dict(rig.resources.users.all())
    del users[NAMES[ConsoleRole.OPERATOR]]
    write_users(rig.resources.users.path, users)
    assert (await operator.get("/")).status_code == 303


@pytest.mark.parametrize("secret", ["another-secret-of-another-console!!", ""])
async def test_a_session_that_somebody_else_signed_is_none(rig: ConsoleRig, secret: str) -> None:
    browser = rig.browser()
    session = {"user": "olga", "stamp": "", "since": int(rig.resources.clock.time())}
    browser.http.cookies.set("__Host-dispatch-console", signed(session, secret=secret or "x"), domain="console.test")
    assert (await browser.get("/")).status_code == 303


async def test_a_header_with_a_user_is_believed_from_trusted_proxies_only(rig: ConsoleRig) -> None:
    rig.resources.settings.console.__dict__.update(user_header="X-Forwarded-User", trusted_proxies=["10.0.0.0/8"])
    header = {"X-Forwarded-User": "olga"}
    assert (await rig.browser(address="10.1.2.3").get("/", headers=header)).status_code == 200
    assert (await rig.browser(address="10.1.2.3").get("/", headers={"X-Forwarded-User": "nobody"})).status_code == 303
    assert (await rig.browser(address="10.1.2.3").get("/")).status_code == 303
    assert (await rig.browser(address="192.168.1.1").get("/", headers=header)).status_code == 303


async def test_a_login_opens_the_page_that_was_asked_for(rig: ConsoleRig) -> None:
    browser = rig.browser()
    await browser.get("/login?next=/campaigns")
    response = await browser.post("/login", {"name": "vera", "password": PASSWORD, "next": "/campaigns?q=a"})
    assert response.headers["location"] == "/campaigns?q=a"
    assert (await browser.get("/campaigns")).status_code == 200
    cookie = response.headers["set-cookie"].lower()
    for attribute in ("__host-dispatch-console=", "httponly", "samesite=lax", "secure", "path=/"):
        assert attribute in cookie


async def test_a_campaign_is_shown_to_each_role(rig: ConsoleRig, ledger: Ledger) -> None:
    await ledger.submit(3)
    for role in ConsoleRole:
        assert (await rig.logged_in(role).get(f"/campaigns/{CAMPAIGN}")).status_code == 200
