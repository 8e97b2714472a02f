"""Workers that share their wake-ups like the worker processes of one Celery queue."""

from collections.abc import Sequence

from tests.kit.workers import Worker
from times_dispatch.ledger.ready_batches import BatchReady


class Fleet:
    """Gives each wake-up to the next worker in turn."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self._turn = 0

    def wake(self, batches: Sequence[BatchReady]) -> None:
        """Wake a worker for each batch."""
        for batch in batches:
            self._turn += 1
            self.workers[self._turn % len(self.workers)].wake_for([batch])
