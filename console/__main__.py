"""The console process: serves the pages, ``python -m console``."""

import gc
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import uvloop
from starlette.concurrency import run_in_threadpool

from console.application import make_application, make_resources
from console.server import FINISH_WITHIN_S, make_console_server
from times_dispatch.console_users import ConsoleUsers, ConsoleUsersInvalid
from times_dispatch.http_server.refusal_log import RefusalLog
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind
from times_dispatch.process import collect_garbage, run_until_signalled
from times_dispatch.settings.load import Need
from times_dispatch.settings.model import Settings
from times_dispatch.settings.startup import load_settings_or_exit

log = structlog.get_logger(__name__)

_COLLECTIONS: Final = 100_000, 50, 100
"""The threshold of automatic garbage collections. With ten thousand live campaigns, a page reads many objects without
cycles, and looking for cycles in them would cost a third of the time.
"""
_TIMEOUT_S: Final = 5.0
"""How long Redis may take to answer one call of a page."""


async def serve(settings: Settings) -> None:
    """Serve the pages until a signal."""
    gc.freeze()  # otherwise each full garbage collection would scan all loaded modules, for tens of milliseconds
    users = ConsoleUsers(Path(settings.console.users))
    _warn_without_users(users)
    async with connect(settings.redis_url, socket_timeout_s=_TIMEOUT_S, retries=0) as redis:
        resources = make_resources(redis, settings, users=users)
        await run_in_threadpool(int)  # imports the modules of threads now, and not with the first static file
        refusals = RefusalLog()
        server = make_console_server(
            make_application(resources),
            settings.console.listen,
            trusted_proxies=settings.console.trusted_networks,
            refusals=refusals,
        )
        heartbeat = Heartbeat(
            redis,
            ProcessKind.CONSOLE,
            figures=lambda: {"viewers": resources.live.viewers, "requests": server.server_state.total_requests},
        )
        gc.freeze()
        log.info("console started", listen=settings.console.listen)
        await run_until_signalled(
            server.run_until,
            resources.live.run,
            refusals.run,
            heartbeat.run,
            partial(collect_garbage, threshold=_COLLECTIONS),
            stop_within_s=FINISH_WITHIN_S + 1.0,
        )
    log.info("console stopped")


def _warn_without_users(users: ConsoleUsers) -> None:
    try:
        if not users.all():
            log.warning("nobody can log in: dispatch console user add NAME --role owner", users=str(users.path))
    except ConsoleUsersInvalid as invalid:
        log.error("nobody can log in", reason=str(invalid))


def main() -> None:
    """Run the process with the settings that its environment names."""
    uvloop.run(serve(load_settings_or_exit(Need.LEDGER, Need.CONSOLE)))


if __name__ == "__main__":
    main()
