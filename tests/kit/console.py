"""The console's application without a socket, and clients that keep cookies, for tests."""

import re
from base64 import b64encode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import itsdangerous
import msgspec
from argon2 import PasswordHasher
from redis.asyncio import Redis
from starlette.applications import Starlette

from console.application import make_application, make_resources
from console.sessions import SESSION_COOKIE, log_in
from console.visit import ConsoleResources
from tests.kit.ledger import Ledger
from tests.kit.producers import SETTINGS
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.console_users import ConsoleRole, ConsoleUser, ConsoleUsers, write_users
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.reports.report_applier import DeliveryReport
from times_dispatch.settings.load import Need, load

SECRET = "a-secret-of-the-console-for-tests-only"
PASSWORD = "correct horse battery"
NAMES = {ConsoleRole.VIEWER: "vera", ConsoleRole.OPERATOR: "omar", ConsoleRole.OWNER: "olga"}
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""A password hasher that uses little CPU time and memory, for tests."""
BASE_URL = "https://console.test"


class Browser:
    """An HTTP client with cookies, which sends the CSRF token of the last page with its forms."""

    def __init__(self, application: Starlette, *, address: str = "127.0.0.1") -> None:
        transport = httpx.ASGITransport(application, client=(address, 5000))
        self.http = httpx.AsyncClient(transport=transport, base_url=BASE_URL, follow_redirects=False)
        self.csrf = ""

    async def get(self, path: str, **more: Any) -> httpx.Response:
        response = await self.http.get(path, **more)
        if match := re.search(r'name="csrf" value="([^"]+)"', response.text):
            self.csrf = match[1]
        return response

    async def post(self, path: str, fields: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """Post a form with the CSRF token of the last page, unless the fields have a token."""
        return await self.http.post(path, data={"csrf": self.csrf, **(fields or {})}, **more)


class ConsoleRig:
    """The console's application, its resources, and browsers that request its pages."""

    def __init__(self, resources: ConsoleResources) -> None:
        self.resources = resources
        self.application = make_application(resources)
        self.browsers = list[Browser]()

    def browser(self, *, address: str = "127.0.0.1") -> Browser:
        """Return a browser without a session."""
        browser = Browser(self.application, address=address)
        self.browsers.append(browser)
        return browser

    def logged_in(self, role: ConsoleRole) -> Browser:
        """Return a browser with a session that the console has signed."""
        browser = self.browser()
        session: dict[str, Any] = {}
        log_in(session, self.resources.users.all()[NAMES[role]], now_s=self.resources.clock.time())
        browser.http.cookies.set(SESSION_COOKIE, signed(session), domain="console.test", path="/")
        return browser

    async def close(self) -> None:
        for browser in self.browsers:
            await browser.http.aclose()


def signed(session: dict[str, Any], *, secret: str = SECRET) -> str:
    """Return a session as a signed cookie."""
    return itsdangerous.TimestampSigner(secret).sign(b64encode(msgspec.json.encode(session))).decode()


def make_rig(
    redis: Redis, redis_url: str, folder: Path, *, settings: str = SETTINGS, clock: Clock = SYSTEM_CLOCK
) -> ConsoleRig:
    """Return a console with a user for each role.

    Args:
        redis: the ledger.
        redis_url: the URL of the ledger.
        folder: the folder into which the settings file and the users file are written.
        settings: the text of the settings file.
        clock: the clock that limits logins and sessions.
    """
    path = folder / "dispatch.toml"
    path.write_text(settings)
    hashed = CHEAP.hash(PASSWORD)
    users = {name: ConsoleUser(name=name, role=role, password=hashed) for role, name in NAMES.items()}
    write_users(folder / "console-users.toml", users)
    variables = {"DISPATCH_REDIS_URL": redis_url, "DISPATCH_CONSOLE_SECRET": SECRET}
    loaded = load(path, variables, need=frozenset({Need.LEDGER, Need.CONSOLE}))
    reader = ConsoleUsers(Path(loaded.console.users), hasher=CHEAP)
    return ConsoleRig(make_resources(redis, loaded, users=reader, clock=clock))


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts = list[str]()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def text_of_page(html: str) -> str:
    """Return the visible text of a page, with single spaces between the words."""
    parser = _Texts()
    parser.feed(html)
    return " ".join(" ".join(parser.texts).split())


async def sent_campaign(ledger: Ledger, *, messages: int = 30, **changes: Any) -> CampaignId:
    """Submit and send a campaign; its messages get different states, delivery reports, and clicks on links.

    Args:
        ledger: the ledger.
        messages: how many messages.
        changes: fields of the plan.
    """
    campaign = await ledger.submit(messages, batch_size=messages, opted_out=[1], price_micros=123_450, **changes)
    lease = await ledger.take()
    block = await ledger.open(lease)
    letters = bytes(b"aaaaarai"[index % 8] for index, _ in block.messages)
    await ledger.record(lease, block, letters)
    await ledger.leases.release(lease)
    now_s = await ledger.now_ms() // 1000
    accepted = [index for (index, _), letter in zip(block.messages, letters, strict=True) if letter == ord("a")]
    reports = []
    for number, index in enumerate(accepted):
        kind: Any = "failed" if number % 5 == 4 else "delivered"
        code = (912, 901)[number % 2] if kind == "failed" else 0
        if number % 7 != 6:
            reports.append(DeliveryReport(campaign, index, 0, kind, code, now_s + 2 * number))
        if number % 4 == 0:
            reports.append(DeliveryReport(campaign, index, 0, "clicked", 0, now_s + 60, index.to_bytes(8, "big")))
    await ledger.report_applier.apply(reports)
    return campaign
