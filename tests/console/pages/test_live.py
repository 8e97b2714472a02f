"""The streams behind the live pages."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from console.pages.live import CAMPAIGN_PIECES, NOW_PIECES
from tests.kit.console import Browser, ConsoleRig
from tests.kit.ledger import CAMPAIGN, Ledger
from times_dispatch.console_users import ConsoleRole


@asynccontextmanager
async def _following(
    rig: ConsoleRig, path: str, role: ConsoleRole = ConsoleRole.VIEWER
) -> AsyncIterator["asyncio.Queue[str]"]:
    """Call the application as a server does, because the client of httpx waits for the end of a response."""
    browser = rig.logged_in(role)
    cookie = "; ".join(f"{item.name}={item.value}" for item in browser.http.cookies.jar)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "https",
        "server": ("console.test", 443),
        "client": ("127.0.0.1", 5000),
        "headers": [(b"host", b"console.test"), (b"cookie", cookie.encode()), (b"accept-encoding", b"gzip")],
    }
    messages: asyncio.Queue[str] = asyncio.Queue()
    gone = asyncio.Event()

    async def receive() -> dict[str, object]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])  # type: ignore[call-overload]
            assert (message["status"], headers[b"content-type"]) == (200, b"text/event-stream; charset=utf-8")
            assert b"content-encoding" not in headers
        elif body := message.get("body"):
            assert isinstance(body, bytes)
            messages.put_nowait(body.decode())

    serving = asyncio.create_task(rig.application(scope, receive, send))  # type: ignore[arg-type]
    try:
        yield messages
    finally:
        gone.set()
        async with asyncio.timeout(120):
            await serving


def _names(message: str) -> list[str]:
    return re.findall(r"^event: (.*)$", message, re.MULTILINE)


async def test_the_page_now_gets_a_changed_counter_and_no_card_that_stayed_the_same(
    rig: ConsoleRig, ledger: Ledger
) -> None:
    await ledger.submit(3)
    async with asyncio.timeout(120):
        async with _following(rig, "/live/now") as messages:
            first = await messages.get()
            assert set(_names(first)) == {*NOW_PIECES, f"campaign-{CAMPAIGN}", "ledger"}
            assert rig.resources.live.viewers == 1
            await ledger.open(await ledger.take(), max_messages=1)
            while f"campaign-{CAMPAIGN}" not in (names := _names(message := await messages.get())):
                continue
            assert "running" not in names
            assert "sending" in message
    assert rig.resources.live.viewers == 0


async def test_the_page_of_a_campaign_gets_its_pieces(rig: ConsoleRig, ledger: Ledger) -> None:
    await ledger.submit(3)
    async with asyncio.timeout(120):
        async with _following(rig, f"/live/campaigns/{CAMPAIGN}") as messages:
            assert set(_names(await messages.get())) == {*CAMPAIGN_PIECES, "ledger"}


async def test_an_unknown_campaign_has_no_stream(viewer: Browser) -> None:
    assert (await viewer.get("/live/campaigns/zzzzzzzz")).status_code == 404


async def test_a_response_to_head_ends(viewer: Browser) -> None:
    async with asyncio.timeout(60):
        response = await viewer.http.head("/live/now")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


async def test_a_stream_needs_a_login(rig: ConsoleRig) -> None:
    response = await rig.browser().get("/live/now")
    assert response.status_code == 401  # a stream cannot follow a redirect to a page


async def test_each_piece_of_a_page_has_the_place_where_its_events_arrive(viewer: Browser, ledger: Ledger) -> None:
    await ledger.submit(3)
    now = (await viewer.get("/")).text
    campaign = (await viewer.get(f"/campaigns/{CAMPAIGN}")).text
    first, card, *others = ("needs", "figures", "running"), f"campaign-{CAMPAIGN}", *NOW_PIECES[3:]
    assert re.findall(r'sse-swap="([^"]+)"', now) == ["ledger", *first, card, *others]
    assert re.findall(r'sse-swap="([^"]+)"', campaign) == ["ledger", *CAMPAIGN_PIECES]


@pytest.mark.parametrize("role", [ConsoleRole.OPERATOR, ConsoleRole.OWNER])
async def test_shared_pieces_are_the_same_for_each_role_but_for_what_operators_may_see(
    rig: ConsoleRig, ledger: Ledger, role: ConsoleRole
) -> None:
    await ledger.submit(3)
    differ = {f"/live/campaigns/{CAMPAIGN}": {"event: title"}, "/live/now": set[str]()}
    async with asyncio.timeout(120):
        for path, expected in differ.items():
            async with _following(rig, path) as of_viewer, _following(rig, path, role) as of_role:
                pieces, others = _pieces(await of_viewer.get()), _pieces(await of_role.get())
            assert {name for name in pieces if pieces[name] != others[name]} == expected


def _pieces(message: str) -> dict[str, str]:
    events = (event.split("\n", 1) for event in message.removesuffix("\n\n").split("\n\n"))
    return {name: "" if name == "event: read" else data for name, data in events}  # the time may be a second later
