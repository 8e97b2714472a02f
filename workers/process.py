"""A worker process: starts its loop, ledger, dispatcher and upkeep in this order, and stops them in reverse."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import AsyncExitStack
from typing import Any

import structlog
from celery import Celery, bootsteps, signals
from celery.worker import state
from redis.asyncio import Redis

from times_dispatch.archive.errors import ArchiveError
from times_dispatch.broker.app import (
    BROKER_ERRORS,
    BrokerUnavailable,
    WaitingWakeups,
    waiting_wakeups,
    wake_workers,
)
from times_dispatch.broker.flower_rows import FlowerRows
from times_dispatch.broker.queues import URGENT_QUEUE
from times_dispatch.ledger.beat_lease import why_ignored
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.errors import LEDGER_ERRORS, IdKeyRefused, LedgerNewer
from times_dispatch.ledger.model import BatchRef, CampaignView, SenderId
from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind
from times_dispatch.ledger.ready_batches import BatchReady
from times_dispatch.process import collect_garbage
from times_dispatch.process_refused import REFUSED_EXIT_CODE
from times_dispatch.settings.model import Settings
from workers.batch.batch_run import BatchEnd, WorkEnd
from workers.dispatcher import Dispatcher
from workers.ledger_failures import log_failed_call
from workers.loop import LoopStopped, LoopThread
from workers.silence_watch import SilenceWatch
from workers.upkeep import Upkeep

log = structlog.get_logger(__name__)

_MAX_ROUND_S = 30.0
"""A round of upkeep that takes longer than this is cancelled."""
_SPARE_THREADS = 8
"""Pool threads that batches do not use, so that upkeep always finds a thread; a pool needs more threads than these."""
_COLLECTIONS = 50_000, 20, 100
"""The threshold of automatic garbage collections: pushes leave nearly no garbage in cycles, and the usual collections
would take a fifth of the process' time.
"""
_MAX_STOP_S = 4.0
"""How long a stop may take beyond the grace, in seconds; then the process ends, even if Celery does not."""
_MAX_CLOSE_S = 2.0
"""How long the connections may take to close, in seconds."""


class WorkerProcess:
    """Everything that the Celery tasks of one process share."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._loop = LoopThread()
        self._started = AsyncExitStack()
        """Everything that ``start`` opened; closed in reverse."""
        self._dispatcher: Dispatcher | None = None
        self._upkeep: Upkeep | None = None
        self._redis: Redis | None = None
        self._rows: FlowerRows | None = None
        self._max_batches = 0

    def start(self, worker: str, *, threads: int) -> None:
        """Start everything, also while the ledger is unavailable: batches wait for the ledger.

        Args:
            worker: the name of the Celery worker, to which the rows in Flower belong.
            threads: the threads of the Celery worker's pool.

        Raises:
            SystemExit: the pool has too few threads for batches and upkeep.
        """
        if threads <= _SPARE_THREADS:
            reason = f"--concurrency {threads} is too small: leave out this option, or use more than {_SPARE_THREADS}"
            log.error("the worker ends", reason=reason)
            raise SystemExit(REFUSED_EXIT_CODE)
        self._max_batches = threads - _SPARE_THREADS
        self._rows = FlowerRows(self._app, worker=worker)
        gc.freeze()
        self._loop.start()
        self._loop.call(self._start())
        signals.worker_shutting_down.connect(self._stop_at_once, weak=False)

    def stop(self) -> None:
        """Release every batch; pushes in flight may end within the grace."""
        if self._dispatcher is None:
            return
        try:
            self._loop.call(self._dispatcher.stop(), timeout_s=self._settings.worker.grace_s + _MAX_STOP_S)
        except TimeoutError:
            log.error("stop took too long", consequence="the leases of its batches run out")
        except (LoopStopped, CancelledError):
            pass  # the signal has already stopped the dispatcher

    def close(self) -> None:
        """Close everything that ``start`` opened, in reverse."""
        try:
            self._loop.call(self._started.aclose(), timeout_s=_MAX_CLOSE_S)
        except TimeoutError:
            log.warning("connections left open")
        self._loop.stop()

    def run(self, ref: BatchRef, *, is_urgent: bool = False) -> WorkEnd:
        """Work on a batch; return why the work ended."""
        if self._dispatcher is None:
            return BatchEnd.NOT_STARTED
        try:
            return self._loop.call(self._dispatcher.run(ref, is_urgent=is_urgent))
        except (LoopStopped, CancelledError):
            return BatchEnd.CANCELLED  # the lease runs out

    def is_full(self, queue: str) -> bool:
        """Return whether this process should take no more batches of a queue; may be called from any thread."""
        return self._dispatcher is not None and self._dispatcher.is_full(is_urgent=queue == URGENT_QUEUE)

    def upkeep(self, *, beat_token: int = 0, sent_ms: int = 0) -> None:
        """Do one round of upkeep; after a failure of the ledger or the broker, the next round comes in a second.

        *beat_token* is the fencing token of the beat that sent the message, 0 if there is none, and *sent_ms* is the
        time by Redis' clock. A message that is old, or comes from a beat that was replaced, does nothing.
        """
        if self._upkeep is None:
            return
        try:
            self._loop.call(self._round(beat_token, sent_ms), timeout_s=_MAX_ROUND_S)
        except LEDGER_ERRORS as error:  # also the TimeoutError of a long round, which is an OSError
            log_failed_call(error, doing="upkeep")
        except (LoopStopped, CancelledError):
            log.info("upkeep ended by the stop")

    async def _round(self, beat_token: int, sent_ms: int) -> None:
        assert self._upkeep  # noqa: S101  # for the type checker
        assert self._redis  # noqa: S101  # for the type checker
        if reason := await why_ignored(self._redis, token=beat_token, sent_ms=sent_ms):
            log.info("message of beat ignored", reason=reason, token=beat_token)
            return
        await self._upkeep.round()

    def _stop_at_once(self, **_: Any) -> None:
        """Begin the stop at the signal: Celery's own thread may hang in a broker that does not answer."""
        threading.Thread(target=self._stop_or_exit, name="dispatch-stop", daemon=True).start()

    def _stop_or_exit(self) -> None:
        deadline = time.monotonic() + self._settings.worker.grace_s + _MAX_STOP_S
        self.stop()
        time.sleep(max(0.0, deadline - time.monotonic()))  # a loop that hangs does not stop this thread
        log.error("ended without Celery", reason="the broker does not answer")
        os._exit(1)

    async def _start(self) -> None:
        collecting = asyncio.create_task(collect_garbage(asyncio.Event(), threshold=_COLLECTIONS))
        self._started.callback(collecting.cancel)
        redis = self._redis = connect(self._settings.redis_url)
        self._started.push_async_callback(redis.aclose)
        dispatcher = Dispatcher(
            self._settings,
            redis,
            wake_workers=self._wake_workers,
            on_refused=_end_worker,
            max_batches=self._max_batches,
        )
        await dispatcher.start()
        self._started.push_async_callback(dispatcher.close)
        self._dispatcher = dispatcher
        heartbeat = Heartbeat(redis, ProcessKind.WORKER, figures=dispatcher.figures, path=self._settings.heartbeat_path)
        await self._started.enter_async_context(heartbeat.running(on_newer=_end_worker))
        self._upkeep = Upkeep(
            redis,
            lease_s=self._settings.worker.lease_s,
            wake_workers=self._wake_workers,
            update_flower=self._update_flower,
            backlog=self._backlog,
            watch_silence=SilenceWatch(
                redis,
                {SenderId(name): sender.silence_brake for name, sender in self._settings.senders.items()},
                min_wait_s=self._settings.brake.silence_after_s,
            ).round,
            retention=await self._start_retention(redis),
        )

    async def _start_retention(self, redis: Redis) -> Callable[[], Awaitable[None]] | None:
        """Return the round of the retention; None without an archive, or if its folder cannot be used."""
        settings = self._settings
        if not settings.retention.path:
            return None
        # pyarrow costs 60 MB, and most workers have no archive.
        from times_dispatch.archive.background import BackgroundRetention  # noqa: PLC0415
        from times_dispatch.archive.retention import RetentionRule  # noqa: PLC0415
        from times_dispatch.archive.wrapped_keys import MasterKeys  # noqa: PLC0415

        rule = RetentionRule(
            folder=settings.retention.path,
            live_s=settings.retention.live_s,
            archive_s=settings.retention.archive_s,
            links_s=settings.links.expire_after_s,
        )
        try:
            retention = BackgroundRetention(
                redis, rule, MasterKeys(settings.archive_key, settings.old_archive_key), forget_key=settings.forget_key
            )
        except ArchiveError as error:
            log.error("nothing is archived", reason=str(error))
            return None
        self._started.push_async_callback(retention.close)
        return retention.round

    async def _wake_workers(self, ready: Sequence[BatchReady]) -> None:
        try:
            await wake_workers(self._app, ready)
        except BrokerUnavailable as error:
            log.warning("broker unavailable", error=str(error))

    async def _backlog(self) -> WaitingWakeups:
        try:
            return await waiting_wakeups(self._app)
        except BROKER_ERRORS as error:
            log.warning("broker unavailable", error=type(error).__name__, doing="backlog")
            return WaitingWakeups()

    async def _update_flower(self, views: list[CampaignView]) -> bool:
        if self._rows is None:
            return False
        try:
            await asyncio.to_thread(self._rows.show, views)
        except BROKER_ERRORS as error:
            log.warning("broker unavailable", error=type(error).__name__, doing="update of Flower")
            return False
        return True


def _end_worker(refused: IdKeyRefused | LedgerNewer) -> None:
    """Let the Celery worker of this process stop as after a signal, and then exit with 2."""
    if getattr(state, "should_stop", None) is not None:  # the heartbeats or the check at the start have called before
        return
    log.error("the worker ends", reason=str(refused))
    state.should_stop = REFUSED_EXIT_CODE  # type: ignore[assignment]  # the stubs know only None


def bootstep(process: WorkerProcess) -> type[bootsteps.StartStopStep]:
    """Return the Celery bootstep that starts and stops a process with its Celery worker.

    Every way of stopping a worker calls ``close``, before the pool waits for its tasks.
    """

    class DispatcherStep(bootsteps.StartStopStep):
        requires = ("celery.worker.components:Pool",)

        def start(self, worker: Any) -> None:
            process.start(worker.hostname, threads=worker.concurrency)

        def close(self, worker: Any) -> None:  # noqa: ARG002
            process.stop()

        def stop(self, worker: Any) -> None:  # noqa: ARG002
            process.close()

        def terminate(self, worker: Any) -> None:
            self.stop(worker)

    return DispatcherStep
