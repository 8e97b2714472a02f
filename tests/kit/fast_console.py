"""The console with a fast clock: ``python -m tests.kit.fast_console SPEED`` replaces ``python -m console``.

The waits between two readings of the ledger, and the life of an event stream, are SPEED times shorter. Sessions last
as long as in the real console.
"""

import asyncio
import secrets
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import uvloop
from redis.asyncio import Redis

from console.application import make_application, make_resources
from console.server import FINISH_WITHIN_S, make_console_server
from tests.kit.console import CHEAP
from tests.kit.producers import SETTINGS
from times_dispatch.clock import SystemClock
from times_dispatch.console_users import ConsoleRole, ConsoleUser, ConsoleUsers, write_users
from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process, ProcessFailed, clean_environment
from times_dispatch.ledger.connection import connect
from times_dispatch.process import run_until_signalled
from times_dispatch.settings.load import Need
from times_dispatch.settings.startup import load_settings_or_exit

_ROOT = Path(__file__).parents[2]


class QuickClock:
    """The system clock, on which all waits are shorter; the time of the day is the true one."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._system = SystemClock()

    def monotonic(self) -> float:
        return self._system.monotonic() * self._speed

    def time(self) -> float:
        return self._system.time()

    async def sleep(self, seconds: float) -> None:
        await self._system.sleep(seconds / self._speed)

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        return await self._system.wait(event, timeout_s / self._speed)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        return self._system.timeout(seconds / self._speed)


class FastConsole:
    """A process with that console and a user of each role.

    Args:
        redis_url: The ledger.
        folder: Gets the settings, the users and the log.
        speed: How many times shorter its waits are.
    """

    def __init__(self, redis_url: str, folder: Path, *, speed: float) -> None:
        (folder / "dispatch.toml").write_text(SETTINGS, "utf-8")
        self.console_users = {role.value: secrets.token_urlsafe(12) for role in ConsoleRole}
        users = {
            name: ConsoleUser(name=name, role=ConsoleRole(name), password=CHEAP.hash(password))
            for name, password in self.console_users.items()
        }
        write_users(folder / "console-users.toml", users)
        listen = f"127.0.0.1:{free_port()}"
        self.console_url = f"http://{listen}"
        environment = {
            **clean_environment(),
            "PYTHONPATH": str(_ROOT),
            "DISPATCH_SETTINGS": str(folder / "dispatch.toml"),
            "DISPATCH_REDIS_URL": redis_url,
            "DISPATCH_CONSOLE_SECRET": secrets.token_urlsafe(32),
            "DISPATCH_CONSOLE_LISTEN": listen,
        }
        command = [sys.executable, "-m", "tests.kit.fast_console", str(speed)]
        self.process = Process("console", command, environment=environment, folder=folder)

    def start(self) -> None:
        """Start the process, also again after its end, and return when it answers."""
        self.process.start()
        for _ in range(1200):
            self.process.check()
            try:
                if httpx.get(f"{self.console_url}/health", timeout=5).is_success:
                    return
            except httpx.HTTPError:
                pass
            self.process.wait(0.1)
        raise ProcessFailed(f"the console was not ready:\n{self.process.log_tail()}")


async def _serve(speed: float) -> None:
    settings = load_settings_or_exit(Need.LEDGER, Need.CONSOLE)
    redis: Redis = connect(settings.redis_url, socket_timeout_s=5.0, retries=0)
    async with redis:
        users = ConsoleUsers(Path(settings.console.users))
        resources = make_resources(redis, settings, users=users, clock=QuickClock(speed))
        server = make_console_server(make_application(resources), settings.console.listen)
        await run_until_signalled(server.run_until, resources.live.run, stop_within_s=FINISH_WITHIN_S + 1.0)


if __name__ == "__main__":
    uvloop.run(_serve(float(sys.argv[1])))
