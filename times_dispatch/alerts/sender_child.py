"""The program that sends one message, read from stdin, to one target, and prints the reason of a failure.

The clients of apprise read a target's response to its end, however long and slow the response is. So this program
limits its own memory, and the alerts process ends the program after some time (``sender_process``).
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
"""The address space, in bytes, that sending may take in addition; macOS does not enforce the limit."""
_MAX_START_S: Final = 300
"""The program ends this long after its start unless it began to send, in seconds. The parent process ends it earlier;
this limit is for a program whose parent process was killed."""
_MAX_SENDING_S: Final = 60
"""The program ends this long after it began to send, in seconds, even if the parent process was killed."""
_HTTP_STATUS: Final = re.compile(r"error=(\d{3})\b")
READY: Final = b"+"
"""The first byte of the output: the program begins to send."""
TAKEN: Final = "taken"
NOT_TAKEN: Final = "not taken"
ENDLESS: Final = "the answer has no end"


class Sending(msgspec.Struct, frozen=True):
    """The message and its target, read from stdin: the address is a secret, which must stand in no argument."""

    url: str
    title: str
    body: str
    level: str


def apprise_of(url: str) -> Any:
    """Return apprise with one target; raise ``ValueError`` if apprise does not know the form of the address."""
    import apprise  # noqa: PLC0415  # slow to import, and most processes need no apprise

    # A redirect could lead the message, and the secrets in the address, to any host.
    asset = apprise.AppriseAsset(
        async_mode=False, app_id="times-dispatch", app_desc="times-dispatch", http_redirects=False
    )
    made = apprise.Apprise(asset=asset)
    if not made.add(url):
        raise ValueError("no address that apprise knows")
    return made


def reason_of(lines: list[str]) -> str:
    """Return the reason of a failure. Log lines of apprise may hold addresses, so only known words are kept."""
    for line in lines:
        if match := _HTTP_STATUS.search(line):
            return f"HTTP {match[1]}"
    if any("onnection" in line for line in lines):
        return "the connection failed"
    return NOT_TAKEN


def main() -> None:
    """Send the message from stdin, and print ``READY``, then ``TAKEN`` or the reason of a failure."""
    answers = os.dup(1)
    silence = os.open(os.devnull, os.O_WRONLY)  # a client of apprise may print the response
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    signal.alarm(_MAX_START_S)
    sending = msgspec.json.decode(sys.stdin.buffer.read(), type=Sending)
    logging.getLogger("apprise").setLevel(logging.WARNING)
    made = apprise_of(sending.url)
    _limit_memory()
    signal.alarm(_MAX_SENDING_S)
    os.write(answers, READY)
    try:
        result = made.notify(body=sending.body, title=sending.title, notify_type=sending.level, body_format="text")
        reason = TAKEN if result else reason_of([str(entry.message)[:1_000] for entry in result.logs()])
    except MemoryError:
        reason = ENDLESS
    os.write(answers, reason.encode())
    os._exit(0)  # even if a thread of a client still runs


def _limit_memory() -> None:
    with suppress(OSError, ValueError):  # no Linux
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MAX_MORE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
