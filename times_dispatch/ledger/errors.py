"""The ledger's errors, and which Redis errors a retry can resolve.

LedgerError
├── CampaignUnknown    no campaign has this id or name
│   └── CampaignNotArchived  the campaign is in Redis, and not in the archive
├── CampaignNewer      a campaign needs workers of a newer version
├── CampaignAmbiguous  several campaigns have this name, or an id that begins with these characters
├── CampaignArchived   the messages of this campaign are in the archive
├── SubmissionRefused  the ledger does not accept this batch or this seal
├── CampaignDamaged    Redis holds invalid data for this campaign
├── LanesRefused       a campaign of a sender with lanes has a setting that lanes do not allow
├── WorkerTooOld       a worker runs whose version has no lanes, or no tracked links in lanes
├── ForgetKeyRefused   this process lacks the key that tells which numbers are forgotten
├── LedgerNewer        a newer version of this program wrote the ledger, which this version cannot read
├── IdKeyRefused       this process has another key for correlation ids than the ledger records
└── BatchWritesEnded   this worker may write nothing more for a batch
    ├── LeaseLost             another worker has the batch
    └── LedgerDeadlinePassed  the ledger did not answer within the time that was left for the batch
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from redis import exceptions

from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.process_refused import ProcessRefused

_MAX_CANDIDATES = 10


class Damage(NamedTuple):
    """A campaign or batch with invalid data in Redis, and the action that the data prevented."""

    sender: SenderId
    campaign: CampaignId
    batch: str
    """The batch's number, from 0; empty if the campaign itself is damaged."""
    doing: str
    """The action that the batch or campaign does not allow, as a participle: ``issued``, ``settled``."""
    error: str
    """The error's text or class name; it holds nothing of any recipient."""


class LedgerError(Exception):
    """The ledger refuses a call."""


class CampaignUnknown(LedgerError):
    """No campaign has this id or name."""

    def __init__(self, campaign: str, *, similar: str = "") -> None:
        hint = f"did you mean {similar}?" if similar else "`dispatch list` shows all campaigns"
        super().__init__(f"campaign {campaign}: no campaign has this id or name; {hint}")


class CampaignNotArchived(CampaignUnknown):
    """The ledger has the campaign, and the archive does not."""

    def __init__(self, campaign: str) -> None:
        LedgerError.__init__(self, f"campaign {campaign} is not archived; `dispatch archive list` shows what is")


class CampaignNewer(LedgerError):
    """A newer version submitted the campaign, and workers of this version would misread it."""

    def __init__(self, campaign: str, schema: str) -> None:
        super().__init__(f"campaign {campaign}: needs workers of schema {schema} or later (docs/deploy.md#upgrade)")


class CampaignAmbiguous(LedgerError):
    """Several campaigns have this name, or an id that begins with these characters."""

    def __init__(self, words: str, candidates: Sequence[str]) -> None:
        more = f" and {len(candidates) - _MAX_CANDIDATES:,} more" if len(candidates) > _MAX_CANDIDATES else ""
        named = ", ".join(candidates[:_MAX_CANDIDATES])
        super().__init__(f"campaign {words}: {len(candidates):,} campaigns match, give the id: {named}{more}")


class CampaignArchived(LedgerError):
    """The messages of this campaign are in the archive: people can read the messages, but not change or send them."""

    def __init__(self, campaign: CampaignId, sender: SenderId) -> None:
        super().__init__(
            f"campaign {campaign}: is archived; show, report, stats and number read it, and nothing can change it"
        )
        self.campaign = campaign
        self.sender = sender


class CampaignDamaged(LedgerError):
    """Redis holds invalid data for this campaign, for instance after a manual edit or a partly restored backup.

    Args:
        campaign: The damaged campaign.
        sender: The campaign's sender.
        what: The damaged item, for the message: ``batch 2``.
        done: The work that was completed before the damage was found, as the end of the message.
    """

    state = "damaged"
    """The text in a list in place of the campaign's state."""
    advice = "damaged in the ledger, restore them (docs/operations.md)"
    """The text under a list about all campaigns that cannot be read for the same reason."""

    def __init__(self, campaign: CampaignId, sender: SenderId, what: str, *, done: str = "") -> None:
        super().__init__(
            f"campaign {campaign}: {what}: damaged in the ledger; restore it and run the same command again{done}"
        )
        self.campaign = campaign
        self.sender = sender
        self.what = what


class SubmissionRefused(LedgerError):
    """The ledger does not accept this batch or this seal."""

    def __init__(self, campaign: CampaignId, reason: str) -> None:
        super().__init__(f"campaign {campaign}: {reason}")


class LanesRefused(LedgerError):
    """The campaign has a setting that a campaign of a sender with lanes cannot have."""

    def __init__(self, campaign: CampaignId, what: str) -> None:
        super().__init__(f"campaign {campaign}: its sender has lanes, and a campaign with lanes cannot have {what}")


class WorkerTooOld(LedgerError):
    """A worker of an old version runs that would push the name of a lane as the sender, or would push wrong links."""

    def __init__(self, campaign: CampaignId, worker: str, version: str, *, knows_no: str) -> None:
        super().__init__(
            f"campaign {campaign}: its sender has lanes, and the worker {worker} is of a version that knows no "
            f"{knows_no} ({version}): stop this worker, and submit again"
        )


class BatchUnreadable(LedgerError):
    """The stored recipients of a batch cannot be read; the caller holds the batch."""

    def __init__(self, ref: BatchRef, token: int, reason: Exception) -> None:
        self.reason = reason
        self.token = token
        """The fencing token of the caller's lease."""
        super().__init__(f"batch {ref.number + 1} of campaign {ref.campaign}")


class IdKeyRefused(LedgerError):
    """This process has another key for correlation ids than the ledger records; the message says what to do."""


class LedgerNewer(LedgerError, ProcessRefused):
    """A newer version wrote the ledger, and this version cannot read it; the message says what to do."""


class ForgetKeyRefused(LedgerError):
    """This process lacks the key that tells which numbers are forgotten; the message says what to do."""


class BatchWritesEnded(LedgerError):
    """This worker may write nothing more for a batch."""


class LeaseLost(BatchWritesEnded):
    """Another worker has the batch; this worker may write nothing for it."""

    def __init__(self, ref: BatchRef) -> None:
        super().__init__(f"batch {ref.number} of campaign {ref.campaign}: the lease has gone to another worker")


class LedgerDeadlinePassed(BatchWritesEnded):
    """The ledger did not answer within the time that was left for a batch; the lease of the batch runs out."""

    def __init__(self, ref: BatchRef) -> None:
        super().__init__(f"batch {ref.number} of campaign {ref.campaign}: the ledger did not answer in time")


_INVALID_DATA = re.compile(
    r"user_script:\s*\d+: (?:attempt|bad argument|WRONGTYPE|DAMAGED)|(?:^|of pipeline caused error: \W*)WRONGTYPE"
    r"|hash value is not an integer"
)
"""Matches the errors of Redis 7 and 6.2 for a script or a command that failed because of invalid data; redis-py adds
the command at the front of an error of a pipeline."""


_KEY_OF_PIPELINE = re.compile(r"^Command # \d+ \([A-Z]+ (\{[\w.-]+\}:[a-z_:]+)[ )]")
"""Matches the key of a sender in an error of a pipeline. Such a key holds no number, text or id."""


LEDGER_ERRORS = (exceptions.RedisError, OSError)
"""The errors of a call to the ledger, except ``LedgerError``."""


def is_transient(error: BaseException) -> bool:
    """Return whether a failed call to the ledger may succeed when it is repeated later.

    A repeated call may succeed if the server is unavailable, slow, out of memory, loading, a replica, or denies this
    user access. The call fails again if invalid data in the ledger, or invalid arguments, made it fail.
    """
    if isinstance(error, exceptions.DataError):
        return False
    if isinstance(error, exceptions.ResponseError):
        return not _INVALID_DATA.search(str(error))
    return isinstance(error, exceptions.RedisError | OSError)


def cluster_trouble(error: BaseException) -> str:
    """Say what Redis does if a cluster could not serve a call for now; empty for any other error."""
    match error:
        case exceptions.TryAgainError():
            return "is moving data that are needed here to another node of the cluster"
        case exceptions.ClusterDownError():
            return "is a cluster in which no node serves data that are needed here"
    return ""


RESTORE = "restore it (docs/operations.md)"
"""The advice about damaged data."""


def damage_of(error: BaseException) -> str:
    """Say which data of the ledger is damaged, with the key if it is known; empty if a later call may succeed.

    Args:
        error: the error of a call to the ledger.
    """
    if not isinstance(error, exceptions.ResponseError) or is_transient(error):
        return ""
    key = _KEY_OF_PIPELINE.match(str(error))
    where = f"the ledger holds in the key {key[1]}" if key else "the ledger holds here"
    return f"what {where} is damaged"
