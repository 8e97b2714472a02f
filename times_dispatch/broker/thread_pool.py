"""Celery's thread pool, taught not to fall over when somebody asks to terminate a task."""

from typing import Any

import structlog
from celery.concurrency.thread import TaskPool as ThreadPool

log = structlog.get_logger(__name__)


class TaskPool(ThreadPool):
    """Threads that park while the event loop works."""

    def terminate_job(self, pid: int, signal: Any = None) -> None:  # noqa: ARG002  # Celery's signature
        """Refuse: a thread cannot be killed; `dispatch pause` and `dispatch cancel` stop a campaign within a second."""
        log.warning("a running batch cannot be terminated; pause or cancel its campaign instead")
