"""The metrics process, ``python -m times_dispatch.metrics``, which serves ``/metrics``; one process is enough."""

import asyncio
import gc
from functools import partial
from typing import Final

import structlog

from times_dispatch.broker.queues import queue_lengths
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind
from times_dispatch.metrics.counted import CountedReader
from times_dispatch.metrics.reader import read_snapshot
from times_dispatch.metrics.server import MetricsServer
from times_dispatch.process import run_until_signalled
from times_dispatch.settings.load import Need
from times_dispatch.settings.model import Settings
from times_dispatch.settings.startup import load_settings_or_exit

log = structlog.get_logger(__name__)

_TIMEOUT_S: Final = 3.0
"""The time within which Redis must answer one call; by default Prometheus ends a scrape after ten seconds."""


async def serve(settings: Settings) -> None:
    """Serve metrics until a signal."""
    gc.freeze()  # otherwise the garbage collector looks through all loaded modules, for tens of milliseconds each time
    async with connect(settings.redis_url, socket_timeout_s=_TIMEOUT_S, retries=0) as redis:
        read = partial(
            read_snapshot,
            redis,
            partial(queue_lengths, settings, redis),
            days=settings.metrics.days,
            max_memory_share=settings.ledger.max_memory_share,
            counted=CountedReader(redis),
        )
        server = MetricsServer(read, settings.metrics.listen, token=settings.metrics_token)
        heartbeat = Heartbeat(redis, ProcessKind.METRICS, figures=lambda: {"scrapes": server.scrapes})
        log.info("metrics process started", listen=settings.metrics.listen)
        await run_until_signalled(server.run, heartbeat.run)
    log.info("metrics process stopped")


def main() -> None:
    """Run the process with the settings that the environment names."""
    asyncio.run(serve(load_settings_or_exit(Need.LEDGER, Need.METRICS)))


if __name__ == "__main__":
    main()
