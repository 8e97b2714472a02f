"""Celery's thread pool, without a crash when somebody asks it to terminate a task."""

from typing import Any

import structlog
from celery.concurrency.thread import TaskPool as ThreadPool

log = structlog.get_logger(__name__)


class TaskPool(ThreadPool):
    """Threads in which tasks wait while the process' event loop works."""

    def terminate_job(self, pid: int, signal: Any = None) -> None:  # noqa: ARG002  # Celery's signature
        """Refuse, because a thread cannot be killed. ``dispatch pause`` and ``dispatch cancel`` stop a campaign."""
        log.warning("a running batch cannot be terminated; pause or cancel its campaign instead")
