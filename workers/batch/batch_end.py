"""Why the work on a batch ended, or did not begin. The log and Flower show these words."""

from enum import StrEnum

from times_dispatch.ledger.errors import BatchWritesEnded, LedgerDeadlinePassed
from times_dispatch.ledger.leases import BatchClosed
from times_dispatch.ledger.protocol import CloseReason
from times_dispatch.ledger.states import CampaignState


class BatchEnd(StrEnum):
    """The ends that the worker itself knows; the ledger's are ``CloseReason`` and ``CampaignState``."""

    DONE = "done"
    """No message of the batch is pending or being pushed, and every result is written."""
    STOPPING = "stopping"
    """The process stops."""
    LEASE_LOST = "lease_lost"
    """The ledger says that another worker has the batch, or that the lease was not renewed in time."""
    LEDGER_DEADLINE_PASSED = "ledger_deadline_passed"
    """The process stops, and the ledger did not take the last results within the grace."""
    CANCELLED = "work_cancelled"
    """The process gave up waiting for the batch."""
    FULL = "full"
    """The process has no room for the batch yet. The batch waits in the process, or for another worker."""
    NOTHING_TO_DO = "nothing_to_do"
    """The batch has another worker, or no pending message, or its campaign is unknown."""
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    """The ledger could not be asked for the lease."""
    PROVIDER_UNKNOWN = "provider_unknown"
    """The campaign's first provider is not in the settings of the worker."""
    FAILED = "failed"
    """An unexpected error."""
    NOT_STARTED = "not_started"
    """The process has not started yet."""


WorkEnd = BatchEnd | CloseReason | CampaignState


class OwnWaitReason(StrEnum):
    """Why a worker waits before it asks the ledger for the next block; the ledger's reasons are ``WaitReason``."""

    LEASE_RENEWAL = "lease_renewal"
    """The lease deadline has passed, and the next renewal says whether this worker still holds the lease."""


def end_of_closed(closed: BatchClosed) -> WorkEnd:
    """Return why the ledger, or the worker itself, closed a batch."""
    for kind in (CloseReason, CampaignState, BatchEnd):
        if closed.reason in set(kind):
            return kind(closed.reason)
    raise ValueError(f"no such reason to close a batch: {closed.reason}")


def end_of_writes(error: BatchWritesEnded) -> BatchEnd:
    """Return why a worker may write nothing more for its batch."""
    return BatchEnd.LEDGER_DEADLINE_PASSED if isinstance(error, LedgerDeadlinePassed) else BatchEnd.LEASE_LOST
