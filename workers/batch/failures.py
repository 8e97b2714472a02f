"""What a worker process does after an unexpected error of a batch: the batch goes back, or its campaign is braked."""

import structlog
from redis.exceptions import RedisError, ResponseError

from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import LEDGER_ERRORS, BatchUnreadable, CampaignUnknown, LeaseLost, is_transient
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import BatchRef
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.push_results import FailurePolicy
from times_dispatch.settings.logs import failure
from workers.ledger_failures import log_failed_call

log = structlog.get_logger(__name__)


class BatchFailures:
    """Releases batches after unexpected errors, and brakes the campaigns whose batches fail for ever."""

    def __init__(self, leases: BatchLeases, control: Control, *, worker: str, policy: FailurePolicy) -> None:
        """Make the handler of a process for the failures of its batches.

        Args:
            leases: the worker's side of the ledger.
            control: brakes campaigns.
            worker: the name under which the ledger notes failures of this process.
            policy: what the ledger does after failures of a batch.
        """
        self._leases = leases
        self._control = control
        self._worker = worker
        self._policy = policy

    async def release(self, ref: BatchRef, token: int | None, unexpected: Exception) -> None:
        """Release a batch after an unexpected error; the batch is issued again, to another worker if there is one.

        After several failures its campaign is braked (``FailurePolicy``), because the batch would fail for ever. An
        error of the ledger itself means that the batch is damaged there, and brakes the campaign at once; the lease of
        the batch then runs out, and the batch is issued again after somebody resumes the campaign.
        """
        if isinstance(unexpected, BatchUnreadable):
            token, unexpected = unexpected.token, unexpected.reason
        kind = type(unexpected).__qualname__
        log.error("batch failed", campaign=ref.campaign, batch=ref.number, sender=ref.sender, **failure(unexpected))
        reason = f"batch {ref.number + 1} cannot be worked on: {kind}"
        is_of_ledger = isinstance(unexpected, RedisError)
        try:
            if not is_of_ledger and await self._note(ref, token, kind, reason):
                return
            await self._control.campaign(ref.sender, ref.campaign, ControlAction.BRAKE, reason=reason)
        except LeaseLost:
            return
        except (*LEDGER_ERRORS, CampaignUnknown) as error:
            log_failed_call(error, doing="release after a failure")

    async def _note(self, ref: BatchRef, token: int | None, kind: str, reason: str) -> bool:
        """Note a failure in the ledger; return whether the ledger could note the failure."""
        try:
            await self._leases.note_failure(
                ref, token, worker=self._worker, kind=kind, reason=reason, policy=self._policy
            )
        except ResponseError as error:
            if is_transient(error):
                raise
            return False
        return True
