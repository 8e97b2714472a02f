"""A real browser for tests of the console: Debian's Chromium, steered by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed (Debian: apt-get install chromium)")
_TIMEOUT_MS = 20_000
_WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run a Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


class RunningConsole(Protocol):
    """A console process, such as that of a ``Stack``."""

    @property
    def console_url(self) -> str:
        """The address of the first page, without a slash at its end."""

    @property
    def console_users(self) -> dict[str, str]:
        """The password of each user."""


class ConsoleVisit:
    """A tab in which somebody is logged in, and everything that its console complained about."""

    def __init__(self, context: BrowserContext, stack: RunningConsole) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(_TIMEOUT_MS)
        self.complaints = list[str]()
        self._url = stack.console_url
        self._passwords = stack.console_users
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def go(self, path: str) -> None:
        self.page.goto(f"{self._url}{path}")

    def log_in(self, role: str) -> None:
        self.go("/login")
        self.page.get_by_label("Name").fill(role)
        self.page.get_by_label("Password").fill(self._passwords[role])
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(f"{self._url}/")

    def text(self) -> str:
        return self.page.inner_text("main")

    def wider_than_the_window(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"))

    def violations(self) -> list[str]:
        """Return what axe finds against WCAG 2.2 AA, with the elements."""
        violations = Axe().run(self.page, options={"runOnly": _WCAG}).response["violations"]
        return [f"{each['id']}: {node['html'][:160]}" for each in violations for node in each["nodes"]]


@contextmanager
def visiting(
    browser: Browser, stack: RunningConsole, role: str, *, width: int = 1280, dark: bool = False
) -> Iterator[ConsoleVisit]:
    """Open a tab of a fresh profile, and log in.

    Args:
        browser: the browser.
        stack: whose console is visited.
        role: the role, which is the name of the user too; empty: nobody logs in.
        width: the width of the window in pixels.
        dark: whether the person prefers dark colours.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    try:
        visit = ConsoleVisit(context, stack)
        if role:
            visit.log_in(role)
        yield visit
    finally:
        context.close()
