"""Sends a message to a target of alerts in a child process, whose memory and running time are limited."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from times_dispatch.alerts.sender_child import ENDLESS, NOT_TAKEN, READY, TAKEN, Sending
from times_dispatch.clock import SYSTEM_CLOCK, Clock

_ROOT: Final = Path(__file__).parents[2]
_CHILD: Final = "times_dispatch.alerts.sender_child"
MAX_START_S: Final = 60
"""How long the child may take until it begins to send, in seconds; the import of apprise is slow on a busy host."""
_MAX_REASON_BYTES: Final = 200
_PASSED_ON: Final = frozenset(
    {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"}
)
"""The environment variables that a child gets; any other variable may hold a secret."""


async def send_in_child(sending: Sending, *, within_s: float, clock: Clock = SYSTEM_CLOCK) -> str:
    """Send a message; return the reason of a failure, or an empty text.

    Args:
        sending: the message and its target.
        within_s: how long the child may run after its start, in seconds. The start has a limit of its own, because on
            a busy host it may take longer than the sending.
        clock: the clock of the wait.
    """
    packed = msgspec.json.encode(sending, enc_hook=str)  # the address is of a subclass of str
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-B", "-P", "-m", _CHILD),
            env=_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:  # a limit of processes or memory, or Python was moved
        return f"no process can be started: {error.strerror or type(error).__name__}"
    assert process.stdin  # noqa: S101  # opened with a pipe
    assert process.stdout  # noqa: S101  # opened with a pipe
    is_ready = False
    try:
        async with clock.timeout(MAX_START_S):
            with suppress(BrokenPipeError, ConnectionResetError):  # the child has ended
                process.stdin.write(packed)
                await process.stdin.drain()
            process.stdin.close()
            is_ready = await process.stdout.read(len(READY)) == READY
        async with clock.timeout(within_s):
            answer = await process.stdout.read()
            await process.wait()
    except TimeoutError:
        return f"no answer within {within_s:g} s" if is_ready else f"the sending did not begin within {MAX_START_S} s"
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    reason = answer[:_MAX_REASON_BYTES].decode(errors="replace")
    if not reason:
        return ENDLESS if process.returncode in _OUT_OF_MEMORY else NOT_TAKEN
    return "" if reason == TAKEN else reason


_OUT_OF_MEMORY: Final = frozenset({1, -6, -9})
"""The exit codes of a child that had too little memory to print a reason."""


def _environment() -> dict[str, str]:
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _PASSED_ON or name.startswith(("LC_", "PYTHON"))
    }
    paths = [str(_ROOT), *filter(None, [variables.get("PYTHONPATH")])]
    return {**variables, "PYTHONPATH": os.pathsep.join(paths)}
