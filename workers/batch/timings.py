"""The waits and limits of the work on a batch, in one place, so that a test can choose other times."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BatchTimings:
    """Times in seconds, and the counts that belong to them."""

    start_within_s: float = 0.75
    """A push must start within this time after its block was asked for, or the message is pending again. This
    limit makes a pause act within a second: the ledger reads the pause when the next block is opened."""

    late_after_s: float = 0.1
    """A block counts as late when its opening took longer than this, and longer than the time between two send times.
    A late block of a sender with a limit is confirmed, and gets new send times: its old send times have passed, and
    other workers push at the send times after them. The block after a late block is smaller."""

    confirm_after_s: float = 0.25
    """Any block whose opening took longer than this is pushed only after another call confirmed the block.
    The time for its pushes (``start_within_s``) counts from that call."""

    min_start_s: float = 0.1
    """A block that has less than this time left for its pushes is confirmed again."""

    spare_start_s: float = 0.03
    """The last send time of a late block is this long before the end of the time for its pushes, because the next round
    trip to the ledger may take longer than the last."""

    max_sleep_s: float = 0.5
    """A batch that must wait longer asks the ledger again after this time: a new rate, or the end of a back-off, acts
    within a second."""

    renewal_wait_s: float = 0.1
    """A batch whose lease deadline has passed checks this often whether the lease was renewed."""

    ledger_retry_s: float = 0.25
    """The longest wait before a call to an unavailable ledger is repeated; jitter shortens it by up to half."""

    lost_after_s: float = 3.0
    """A process whose pushes to a provider got no response for this long leaves the provider's batches to others."""

    pass_on_after_s: float = 0.5
    """A process that left a batch to others issues the next batches of the sender this much later, if no other process
    has done so, so that the batch does not come back at once."""

    group_wait_s: float = 0.04
    """The recorder collects results for this long before it writes them as one group."""

    group_size: int = 200
    """The recorder writes at once when it has this many results."""
