"""Celery's thread pool, which refuses to terminate a task instead of crashing."""

from typing import Any

import structlog
from celery.concurrency.thread import TaskPool as ThreadPool

log = structlog.get_logger(__name__)


class TaskPool(ThreadPool):
    """Threads in which tasks wait while the event loop of the process works."""

    def terminate_job(self, pid: int, signal: Any = None) -> None:  # noqa: ARG002  # Celery's signature
        """Refuse, because a thread cannot be killed. ``dispatch pause`` and ``dispatch cancel`` stop a campaign."""
        log.warning("a running batch cannot be terminated; pause or cancel its campaign instead")
