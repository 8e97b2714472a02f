import pytest

from console.pages.login import safe_path
from tests.kit.console import PASSWORD, ConsoleRig
from times_dispatch.console_users import write_users


@pytest.mark.parametrize(("name", "password"), [("vera", "wrong password"), ("nobody", PASSWORD), ("", "")])
async def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(rig: ConsoleRig, name: str, password: str) -> None:
    browser = rig.browser()
    await browser.get("/login")
    response = await browser.post("/login", {"name": name, "password": password})
    assert response.status_code == 401
    assert "do not belong together" in response.text
    assert (await browser.get("/")).status_code == 303


async def test_the_sixth_wrong_password_has_to_wait_and_so_has_the_right_one(rig: ConsoleRig) -> None:
    browser = rig.browser()
    await browser.get("/login")
    for _ in range(5):
        assert (await browser.post("/login", {"name": "vera", "password": "wrong"})).status_code == 401
    response = await browser.post("/login", {"name": "vera", "password": PASSWORD})
    assert (response.status_code, int(response.headers["retry-after"]) > 0) == (429, True)


async def test_addresses_of_one_ipv6_network_share_their_tries(rig: ConsoleRig) -> None:
    for host in range(1, 6):
        browser = rig.browser(address=f"2001:db8::{host}")
        await browser.get("/login")
        assert (await browser.post("/login", {"name": "vera", "password": "wrong"})).status_code == 401
    near, far = rig.browser(address="2001:db8::ffff"), rig.browser(address="2001:db8:0:1::1")
    for browser in (near, far):
        await browser.get("/login")
    assert (await near.post("/login", {"name": "vera", "password": PASSWORD})).status_code == 429
    assert (await far.post("/login", {"name": "vera", "password": PASSWORD})).status_code == 303


async def test_after_a_logout_the_old_page_is_closed_and_the_look_stays(rig: ConsoleRig) -> None:
    browser = rig.browser()
    await browser.get("/login")
    await browser.post("/login", {"name": "vera", "password": PASSWORD})
    await browser.get("/")
    await browser.post("/preferences", {"theme": "dark", "form": "international", "back": "/"})
    assert 'data-theme="dark"' in (await browser.get("/")).text
    assert (await browser.post("/logout")).headers["location"] == "/login"
    assert (await browser.get("/")).status_code == 303
    assert 'data-theme="dark"' in (await browser.get("/login")).text


async def test_without_users_the_page_says_how_to_make_one(rig: ConsoleRig) -> None:
    write_users(rig.resources.users.path, {})
    response = await rig.browser().get("/login")
    assert "dispatch console user add" in response.text


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\\b", "/a\r\nb"]
)
def test_a_login_never_leads_to_another_site(path: str) -> None:
    assert safe_path(path) == "/"
    assert safe_path("/campaigns?q=a") == "/campaigns?q=a"
