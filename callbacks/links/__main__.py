"""The links process: answers clicks on tracked links, ``python -m callbacks.links``, any number of them."""

import gc

import structlog
import uvloop

from callbacks.http.server import STOP_WITHIN_S, make_server, server_limits
from callbacks.links.assembly import make_links
from callbacks.report_room import ReportRoom
from callbacks.streams import StreamLimits
from times_dispatch.http_server.refusal_log import RefusalLog
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind
from times_dispatch.process import run_until_signalled
from times_dispatch.settings.load import Need
from times_dispatch.settings.model import Settings
from times_dispatch.settings.startup import load_settings_or_exit

log = structlog.get_logger(__name__)


async def serve(settings: Settings) -> None:
    """Answer clicks until a signal; then answer the requests in progress."""
    gc.freeze()  # otherwise each full garbage collection would scan all loaded modules, for tens of milliseconds
    async with connect(settings.redis_url) as redis:
        limits = StreamLimits.of(settings.callbacks)
        room = ReportRoom(
            redis,
            max_memory_share=settings.ledger.max_memory_share,
            max_waiting_bytes=limits.max_waiting_bytes,
        )
        refusals = RefusalLog()
        server = make_server(
            make_links(redis, settings, room=room, refusals=refusals),
            settings.links.listen,
            limits=server_limits(settings.callbacks, max_per_address=settings.links.max_per_address),
            refusals=refusals,
        )
        heartbeat = Heartbeat(redis, ProcessKind.LINKS, figures=lambda: {"requests": server.load.requests})
        log.info("links process started")
        runs = (server.run_until, server.collect_garbage, room.watch, refusals.run, heartbeat.run)
        await run_until_signalled(*runs, stop_within_s=STOP_WITHIN_S)
    log.info("links process stopped")


def main() -> None:
    """Run the process with the settings that its environment names."""
    uvloop.run(serve(load_settings_or_exit(Need.LEDGER, Need.IDS, Need.LINKS)))


if __name__ == "__main__":
    main()
