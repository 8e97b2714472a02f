"""Runs the ``dispatch`` command line without blocking the event loop."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.chaos.testbed import ChaosTestbed

_COMMAND_TIMEOUT_S = 60.0


class CommandStuck(Exception):
    """A command did not end in time."""


class FinishedCommand(NamedTuple):
    """The result of a command; times are seconds since the epoch."""

    status: int
    output: str
    errors: str
    began_s: float
    ended_s: float


async def dispatch(testbed: ChaosTestbed, *arguments: str) -> FinishedCommand:
    """Run a command to its end; raise ``CommandStuck``."""
    began_s = time.time()
    process = subprocess.Popen(  # noqa: ASYNC220  # asyncio's subprocess functions would start a thread
        [str(Path(sys.executable).parent / "dispatch"), *arguments],
        env=testbed.stack.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        while process.poll() is None:
            if time.time() - began_s > _COMMAND_TIMEOUT_S:
                raise CommandStuck(f"dispatch {arguments[0]} did not end within {_COMMAND_TIMEOUT_S:.0f} s")
            await asyncio.sleep(0.01)
        ended_s = time.time()
        output, errors = process.communicate()
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    return FinishedCommand(process.returncode, output, errors, began_s, ended_s)


async def dispatch_until_ok(
    testbed: ChaosTestbed, *arguments: str, unless: str | None = None, within_s: float = 60.0
) -> FinishedCommand:
    """Repeat a command until it succeeds, like a person while Redis is unavailable.

    Args:
        testbed: The processes that the command uses.
        arguments: The command's name and arguments.
        unless: A text; an error message that contains the text counts as success.
        within_s: Seconds after which the command is no longer repeated.

    Raises:
        CommandStuck: The command did not succeed in time.
    """
    until = time.monotonic() + within_s
    while True:
        command = await dispatch(testbed, *arguments)
        if command.status == 0 or (unless and unless in command.errors):
            return command
        if time.monotonic() > until:
            raise CommandStuck(f"dispatch {arguments[0]} failed for {within_s:.0f} s: {command.errors.strip()[-300:]}")
        await asyncio.sleep(0.5)
