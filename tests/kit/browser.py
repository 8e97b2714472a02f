"""A real browser for tests of the console: Debian's Chromium, controlled by Playwright."""

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
    """Run a headless Chromium."""
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
        """The URL of the console's first page, without a slash at the end."""

    @property
    def console_users(self) -> dict[str, str]:
        """The password of each user."""


class ConsoleVisit:
    """A browser tab with a logged-in user, and the errors that the browser reported for the tab."""

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
        """Return the difference in pixels between the width of the page and the width of the window."""
        return int(self.page.evaluate("document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"))

    def violations(self) -> list[str]:
        """Return the violations of WCAG 2.2 AA that axe finds, with the elements concerned."""
        violations = Axe().run(self.page, options={"runOnly": _WCAG}).response["violations"]
        return [f"{each['id']}: {node['html'][:160]}" for each in violations for node in each["nodes"]]


@contextmanager
def visiting(
    browser: Browser, stack: RunningConsole, role: str, *, width: int = 1280, dark: bool = False
) -> Iterator[ConsoleVisit]:
    """Open a tab of a fresh profile, and log in.

    Args:
        browser: the browser.
        stack: the stack with the console.
        role: the role and the name of the user who logs in; empty if no user logs in.
        width: the width of the window in pixels.
        dark: whether the browser asks for dark colours.
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
