"""The `dispatch` command line, run beside the event loop."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.chaos.stage import Stage

_ENDS_WITHIN_S = 60.0


class CommandStuck(Exception):
    """A command did not end in time."""


class Ran(NamedTuple):
    """A command that has ended; times in seconds since the epoch."""

    status: int
    output: str
    errors: str
    began_s: float
    ended_s: float


async def dispatch(stage: Stage, *arguments: str) -> Ran:
    """Run a command to its end; raise ``CommandStuck``."""
    began_s = time.time()
    process = subprocess.Popen(  # noqa: ASYNC220  # asyncio's own would start a thread
        [str(Path(sys.executable).parent / "dispatch"), *arguments],
        env=stage.stack.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        while process.poll() is None:
            if time.time() - began_s > _ENDS_WITHIN_S:
                raise CommandStuck(f"dispatch {arguments[0]} did not end within {_ENDS_WITHIN_S:.0f} s")
            await asyncio.sleep(0.01)
        ended_s = time.time()
        output, errors = process.communicate()
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    return Ran(process.returncode, output, errors, began_s, ended_s)


async def insist(stage: Stage, *arguments: str, unless: str | None = None, within_s: float = 60.0) -> Ran:
    """Run a command again and again, as somebody would while Redis is in trouble.

    Ends when it works, or when it says ``unless``; raises ``CommandStuck``.
    """
    until = time.monotonic() + within_s
    while True:
        ran = await dispatch(stage, *arguments)
        if ran.status == 0 or (unless and unless in ran.errors):
            return ran
        if time.monotonic() > until:
            raise CommandStuck(f"dispatch {arguments[0]} failed for {within_s:.0f} s: {ran.errors.strip()[-300:]}")
        await asyncio.sleep(0.5)
