"""A worker process from start to stop: the loop, the ledger, the dispatcher, the upkeep; started in this order."""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from celery import Celery, bootsteps
from kombu.exceptions import KombuError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from campaigns.connection import connect
from campaigns.model import BatchRef, CampaignView
from campaigns.work import Ring
from settings.broker import BrokerAway, ring
from settings.model import Settings
from workers.dispatcher import Dispatcher
from workers.loop import LoopThread
from workers.progress import FlowerRows
from workers.upkeep import Upkeep

log = structlog.get_logger(__name__)

_UPKEEP_WITHIN_S = 30.0
_SPARE_SLOTS = 8
"""Pool threads that batches leave free, so that upkeep always finds one."""


class WorkerProcess:
    """What the tasks of one process share."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._loop = LoopThread()
        self._redis: Redis | None = None
        self._dispatcher: Dispatcher | None = None
        self._upkeep: Upkeep | None = None
        self._rows = FlowerRows(app)

    def start(self) -> None:
        """Start everything."""
        self._loop.start()
        self._loop.call(self._start())

    def stop(self) -> None:
        """Hand everything back; a push in flight gets the grace to end."""
        if self._dispatcher:
            self._loop.call(self._dispatcher.stop())

    def close(self) -> None:
        """End what ``start`` began, in reverse."""
        self._loop.call(self._close())
        self._loop.stop()

    def run(self, ref: BatchRef) -> str:
        """Work on a batch; return in a word how it ended."""
        if self._dispatcher is None:
            return "not started"
        return self._loop.call(self._dispatcher.run(ref))

    def upkeep(self) -> None:
        """Do one round of upkeep; when the ledger or the broker is away the next round comes in a second."""
        if self._upkeep is None:
            return
        try:
            self._loop.call(self._upkeep.round(), timeout_s=_UPKEEP_WITHIN_S)
        except (RedisError, TimeoutError) as error:
            log.warning("ledger away", error=type(error).__name__, doing="upkeep")

    async def _start(self) -> None:
        self._redis = connect(self._settings.redis_url)
        self._dispatcher = Dispatcher(
            self._settings, self._redis, ring=self._ring, most_batches=self._app.conf.worker_concurrency - _SPARE_SLOTS
        )
        self._upkeep = Upkeep(self._redis, lease_s=self._settings.worker.lease_s, ring=self._ring, show=self._show)
        await self._dispatcher.start()

    async def _close(self) -> None:
        if self._dispatcher:
            await self._dispatcher.close()
        if self._redis:
            await self._redis.aclose()

    async def _ring(self, rings: Sequence[Ring]) -> None:
        try:
            await asyncio.to_thread(ring, self._app, rings)
        except BrokerAway as error:
            log.warning("broker away", error=str(error))

    async def _show(self, views: list[CampaignView]) -> None:
        try:
            await asyncio.to_thread(self._rows.show, views)
        except (KombuError, OSError, RedisError) as error:
            log.warning("broker away", error=type(error).__name__, doing="progress")


def step(process: WorkerProcess) -> type[bootsteps.StartStopStep]:
    """Return the bootstep that ties a process' life to the Celery worker's.

    ``close`` is the one hook that every way of stopping a worker passes through, before the pool waits for its tasks.
    """

    class DispatcherStep(bootsteps.StartStopStep):
        requires = {"celery.worker.components:Pool"}  # noqa: RUF012  # Celery's own declaration style

        def start(self, worker: Any) -> None:  # noqa: ARG002
            process.start()

        def close(self, worker: Any) -> None:  # noqa: ARG002
            process.stop()

        def stop(self, worker: Any) -> None:  # noqa: ARG002
            process.close()

    return DispatcherStep
