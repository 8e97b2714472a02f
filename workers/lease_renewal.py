"""The renewal of leases: a process tells the ledger, several times per lease, that it still works on its batches."""

from collections import defaultdict
from collections.abc import Collection

from times_dispatch.clock import Clock
from times_dispatch.ledger.errors import LEDGER_ERRORS
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import SenderId
from workers.batch.batch_worker import BatchWorker
from workers.ledger_failures import log_failed_call

_RENEWALS_PER_LEASE = 5
"""A lease is still held after four failed renewals in a row."""


class LeaseRenewal:
    """Renews the leases of all batches of a process, one call for each sender."""

    def __init__(self, leases: BatchLeases, batches: Collection[BatchWorker], *, lease_s: float, clock: Clock) -> None:
        """Make the renewal of a process.

        Args:
            leases: the worker's side of the ledger.
            batches: the batches on which the process works; read again before each round.
            lease_s: how long a renewed lease lasts, in seconds.
            clock: the clock of the rounds and deadlines.
        """
        self._leases = leases
        self._batches = batches
        self._lease_s = lease_s
        self._clock = clock

    async def run(self) -> None:
        while True:
            await self._clock.sleep(self._lease_s / _RENEWALS_PER_LEASE)
            by_sender: defaultdict[SenderId, list[BatchWorker]] = defaultdict(list)
            for batch in self._batches:
                by_sender[batch.lease.ref.sender].append(batch)
            for sender, batches in by_sender.items():
                await self._renew(sender, batches)

    async def _renew(self, sender: SenderId, batches: list[BatchWorker]) -> None:
        """Renew the leases of one sender, and tell each batch whether it still holds its lease."""
        asked_at = self._clock.monotonic()
        try:
            held = await self._leases.renew(sender, [batch.lease for batch in batches])
        except LEDGER_ERRORS as error:  # of any kind: the leases of other senders must be renewed
            log_failed_call(error, doing="renew")
            return
        for batch, is_held in zip(batches, held, strict=True):
            if is_held:
                batch.on_lease_renewed(lease_deadline=asked_at + self._lease_s)
            else:
                batch.on_lease_lost()
