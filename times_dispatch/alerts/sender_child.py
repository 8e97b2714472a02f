"""The program that sends one message to one target: the message comes in by stdin, the reason of a failure goes out.

The clients of apprise read what a target answers to its end, however long it is and however slowly it comes. So this
program limits its memory and its life, and the alerts process ends it after a time (``sender_process``).
"""

import logging
import os
import re
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

MAX_MORE_BYTES: Final = 100_000_000
"""The address space that sending may take besides what the program has before; macOS does not enforce the limit."""
_MAX_LIFE_S: Final = 60
"""A program whose parent was killed ends by itself."""
_HTTP_STATUS: Final = re.compile(r"error=(\d{3})\b")
TAKEN: Final = "taken"
NOT_TAKEN: Final = "not taken"
ENDLESS: Final = "the answer has no end"


class Sending(msgspec.Struct, frozen=True):
    """What the program is to send, and where; the address is a secret, so it stands in no argument."""

    url: str
    title: str
    body: str
    level: str


def apprise_of(url: str) -> Any:
    """Return apprise with one target; raise ValueError if apprise does not know such an address."""
    import apprise  # noqa: PLC0415  # needs a fifth of a second, and only processes that tell people need it

    # A redirect could lead the message, and what its address has of secrets, to any host.
    asset = apprise.AppriseAsset(
        async_mode=False, app_id="times-dispatch", app_desc="times-dispatch", http_redirects=False
    )
    made = apprise.Apprise(asset=asset)
    if not made.add(url):
        raise ValueError("no address that apprise knows")
    return made


def reason_of(lines: list[str]) -> str:
    """Return why a message was not sent; the lines of apprise may hold addresses, so only known words are kept."""
    for line in lines:
        if match := _HTTP_STATUS.search(line):
            return f"HTTP {match[1]}"
    if any("onnection" in line for line in lines):
        return "the connection failed"
    return NOT_TAKEN


def main() -> None:
    """Send what stdin holds, and print ``TAKEN`` or why it was not sent."""
    answers = os.dup(1)
    silence = os.open(os.devnull, os.O_WRONLY)  # a client of apprise may print what it got
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    signal.alarm(_MAX_LIFE_S)
    sending = msgspec.json.decode(sys.stdin.buffer.read(), type=Sending)
    logging.getLogger("apprise").setLevel(logging.WARNING)
    made = apprise_of(sending.url)
    _limit_memory()
    try:
        result = made.notify(body=sending.body, title=sending.title, notify_type=sending.level, body_format="text")
        reason = TAKEN if result else reason_of([str(entry.message)[:1_000] for entry in result.logs()])
    except MemoryError:
        reason = ENDLESS
    os.write(answers, reason.encode())
    os._exit(0)  # whatever thread of a client still runs


def _limit_memory() -> None:
    with suppress(OSError, ValueError):  # no Linux
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MAX_MORE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
