"""Takes pictures of each page of the console, at three widths and in both themes, and lists the pictures.

Run ``python -m tests.pictures docs``. The pictures go to ``docs/console/``; their list is the last section of
``docs/console.md``.
"""

import argparse
import time
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser

from tests.kit.browser import CHROMIUM, running_chromium, visiting
from tests.kit.command_line import submit, watch
from times_dispatch.demo import recipients
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.model import CampaignId

_WIDTHS: Final = {360: 720, 768: 900, 1280: 860}
"""The width of each window in pixels, and its height."""
_THEMES: Final = ("light", "dark")
_QUALITY: Final = 55
_HEADING: Final = "## Pictures"
_PAGES: Final = {
    "now": ("Now", "/"),
    "campaigns": ("Campaigns", "/campaigns"),
    "campaign": ("One campaign", "/campaigns/{id}"),
    "messages": ("Messages of a campaign", "/campaigns/{id}/messages?state=failed"),
    "pause": ("The preview of an action", "/campaigns/{running}/pause"),
    "senders": ("Senders and providers", "/senders"),
    "sender": ("One sender", "/senders/TIMESM"),
    "numbers": ("Numbers", "/numbers"),
    "templates": ("Templates", "/templates"),
    "system": ("System", "/system"),
}
_SANDBOX: Final = {
    "seed": 11,
    "latency_min_ms": 5,
    "latency_max_ms": 40,
    "invalid_numbers": 0.01,
    "reports": {"delay_min_ms": 300, "delay_max_ms": 6_000, "failed": 0.06, "odd": 0.02},
}
_CAMPAIGN: Final = (Path(recipients.__file__).parent / "campaign.toml").read_text("utf-8")


def main(folder: Path) -> None:
    """Send campaigns through the sandbox, and take the pictures while one of them runs."""
    if not CHROMIUM:
        raise SystemExit("chromium is not installed (Debian: apt-get install chromium)")
    (folder / "console").mkdir(exist_ok=True)
    with Stack(workers=2, links=True, console=True, sandbox=_SANDBOX) as stack, running_chromium() as browser:
        ended = _submit(stack, "order-updates", 6_000, seed=1)
        watch(stack, ended, timeout_s=120)
        run(["dispatch", "watch", ended, "--until", "reports", "--timeout", "60"], stack.environment)
        paused = _submit(stack, "weekend-sale", 4_000, seed=2)
        run(["dispatch", "pause", paused, "--reason", "the price is wrong"], stack.environment)
        # The campaign is slow enough to be still running when the last picture is taken, also on a busy machine.
        running = _submit(stack, "diwali-sale", 60_000, seed=3, extra="rate_per_s = 200\n")
        time.sleep(15)
        _take(browser, stack, folder / "console", ended=ended, running=running)
        run(["dispatch", "cancel", running, "--yes"], stack.environment)
    document = folder / "console.md"
    document.write_text(with_pictures(document.read_text("utf-8")), "utf-8")


def _submit(stack: Stack, name: str, messages: int, *, seed: int, extra: str = "") -> CampaignId:
    """Submit a campaign, and return its id.

    Args:
        stack: the processes.
        name: the campaign's name.
        messages: the number of messages.
        seed: the seed of the recipients.
        extra: further lines of the campaign file.
    """
    rows, path = stack.folder / f"{name}.csv", stack.folder / f"{name}.toml"
    recipients.write(rows, messages, seed=seed)
    path.write_text(_CAMPAIGN.replace('name = "diwali-sale"', f'name = "{name}"') + extra, "utf-8")
    return submit(stack, path, rows)


def _take(browser: Browser, stack: Stack, folder: Path, *, ended: CampaignId, running: CampaignId) -> None:
    """Take a picture of each page, for each width and theme.

    Args:
        browser: the browser.
        stack: the processes.
        folder: the folder of the pictures.
        ended: a campaign that has ended.
        running: a campaign that is running.
    """
    for width, height in _WIDTHS.items():
        for theme in _THEMES:
            with visiting(browser, stack, "operator", width=width, dark=theme == "dark") as visit:
                visit.page.set_viewport_size({"width": width, "height": height})
                for name, (_, path) in _PAGES.items():
                    visit.go(path.format(id=ended, running=running))
                    visit.page.wait_for_timeout(500)
                    target = folder / f"{name}-{width}-{theme}.jpg"
                    visit.page.screenshot(path=target, type="jpeg", quality=_QUALITY)


def with_pictures(document: str) -> str:
    """Return the document with the list of the pictures as its last section."""
    lines = [
        _HEADING,
        "",
        "Each page at three widths, light and dark, while a campaign runs against the [sandbox](sandbox.md).",
        "`python -m tests.pictures docs` takes them again; it needs Debian's `chromium` and `fonts-noto-core`.",
    ]
    for name, (title, _) in _PAGES.items():
        lines += ["", f"### {title}", ""]
        for theme in _THEMES:
            shots = [f"![{title}, {width} pixels, {theme}](console/{name}-{width}-{theme}.jpg)" for width in _WIDTHS]
            lines.append(" ".join(shots))
            lines.append("")
        lines.pop()
    return document.partition(f"\n{_HEADING}\n")[0] + "\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m tests.pictures")
    parser.add_argument("docs", type=Path, help="the folder docs, into which the pictures and their list are written")
    main(parser.parse_args().docs)
