"""A worker process from start to stop: the loop, the ledger, the dispatcher, the upkeep; started in this order."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError
from typing import Any

import structlog
from amqp.exceptions import AMQPError
from celery import Celery, bootsteps, signals
from kombu.exceptions import KombuError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from times_dispatch.broker.app import BrokerAway, wake_workers
from times_dispatch.broker.flower_rows import FlowerRows
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.leases import BatchReady
from times_dispatch.ledger.model import BatchRef, CampaignView
from times_dispatch.settings.model import Settings
from workers.dispatcher import Dispatcher
from workers.loop import LoopStopped, LoopThread
from workers.upkeep import Upkeep

log = structlog.get_logger(__name__)

_UPKEEP_WITHIN_S = 30.0
_SPARE_SLOTS = 8
"""Pool threads that batches leave free, so that upkeep always finds one."""
_STOP_WITHIN_S = 4.0
"""Beyond the grace: then the process ends, whatever Celery is waiting for."""
_CLOSE_WITHIN_S = 2.0


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
        """Start everything, also while the ledger is away: batches wait for it."""
        # Nearly nothing that pushes leave behind is in cycles: looking for some as often as usual costs a fifth of all.
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        self._loop.start()
        self._loop.call(self._start())
        signals.worker_shutting_down.connect(self._stop_at_once, weak=False)

    def stop(self) -> None:
        """Hand everything back; a push in flight gets the grace to end."""
        if self._dispatcher is None:
            return
        try:
            self._loop.call(self._dispatcher.stop(), timeout_s=self._settings.worker.grace_s + _STOP_WITHIN_S)
        except TimeoutError:
            log.error("stop took too long", consequence="leases run out by themselves")
        except (LoopStopped, CancelledError):
            pass  # it was stopped by the signal already

    def close(self) -> None:
        """End what ``start`` began, in reverse."""
        try:
            self._loop.call(self._close(), timeout_s=_CLOSE_WITHIN_S)
        except TimeoutError:
            log.warning("connections left open")
        self._loop.stop()

    def run(self, ref: BatchRef) -> str:
        """Work on a batch; return in a word how it ended."""
        if self._dispatcher is None:
            return "not started"
        try:
            return self._loop.call(self._dispatcher.run(ref))
        except (LoopStopped, CancelledError):
            return "stopped"  # its lease runs out

    def is_full(self) -> bool:
        """Say whether a bell could only wait here; may be called from any thread."""
        return self._dispatcher is not None and self._dispatcher.is_full

    def upkeep(self) -> None:
        """Do one round of upkeep; when the ledger or the broker is away the next round comes in a second."""
        if self._upkeep is None:
            return
        try:
            self._loop.call(self._upkeep.round(), timeout_s=_UPKEEP_WITHIN_S)
        except (RedisError, TimeoutError) as error:
            log.warning("ledger away", error=type(error).__name__, doing="upkeep")
        except (LoopStopped, CancelledError):
            log.info("upkeep ended by the stop")

    def _stop_at_once(self, **_: Any) -> None:
        """Begin the stop at the signal: Celery's own thread may hang in a broker that does not answer."""
        threading.Thread(target=self._stop_for_sure, name="dispatch-stop", daemon=True).start()

    def _stop_for_sure(self) -> None:
        until = time.monotonic() + self._settings.worker.grace_s + _STOP_WITHIN_S
        self.stop()
        time.sleep(max(0.0, until - time.monotonic()))
        log.error("ended without Celery", reason="the broker does not answer")
        os._exit(1)

    async def _start(self) -> None:
        self._redis = connect(self._settings.redis_url)
        self._dispatcher = Dispatcher(
            self._settings,
            self._redis,
            wake_workers=self._ring,
            most_batches=self._app.conf.worker_concurrency - _SPARE_SLOTS,
        )
        self._upkeep = Upkeep(
            self._redis, lease_s=self._settings.worker.lease_s, wake_workers=self._ring, show=self._show
        )
        await self._dispatcher.start()

    async def _close(self) -> None:
        if self._dispatcher:
            await self._dispatcher.close()
        if self._redis:
            await self._redis.aclose()

    async def _ring(self, rings: Sequence[BatchReady]) -> None:
        try:
            await asyncio.to_thread(wake_workers, self._app, rings)
        except BrokerAway as error:
            log.warning("broker away", error=str(error))

    async def _show(self, views: list[CampaignView]) -> bool:
        try:
            await asyncio.to_thread(self._rows.show, views)
        except (KombuError, OSError, RedisError, AMQPError) as error:
            log.warning("broker away", error=type(error).__name__, doing="progress")
            return False
        return True


def step(process: WorkerProcess) -> type[bootsteps.StartStopStep]:
    """Return the bootstep that ties a process' life to the Celery worker's.

    ``close`` is the one hook that every way of stopping a worker passes through, before the pool waits for its tasks.
    """

    class DispatcherStep(bootsteps.StartStopStep):
        requires = ("celery.worker.components:Pool",)

        def start(self, worker: Any) -> None:  # noqa: ARG002
            process.start()

        def close(self, worker: Any) -> None:  # noqa: ARG002
            process.stop()

        def stop(self, worker: Any) -> None:  # noqa: ARG002
            process.close()

        def terminate(self, worker: Any) -> None:
            self.stop(worker)

    return DispatcherStep
