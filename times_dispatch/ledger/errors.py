"""What can go wrong between the house and its ledger.

LedgerError
├── CampaignUnknown    no campaign has this id
├── SubmissionRefused  the ledger does not take this batch or this end of a submit
├── CampaignDamaged    what Redis holds of a campaign is not what it must be
└── LeaseLost          the batch has gone to another worker; nothing may be written for it
"""

import re
from typing import NamedTuple

from redis import exceptions

from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId


class Damage(NamedTuple):
    """What cannot be worked on as it stands in the ledger."""

    sender: SenderId
    campaign: CampaignId
    batch: str
    """Its number from 0; empty if it is the campaign itself."""
    doing: str
    error: str


class LedgerError(Exception):
    """Something the ledger refuses."""


class CampaignUnknown(LedgerError):
    """No campaign has this id."""

    def __init__(self, campaign: str) -> None:
        super().__init__(f"campaign {campaign}: there is none with this id; `dispatch list` shows those there are")


class CampaignDamaged(LedgerError):
    """What Redis holds of a campaign is not what it must be: a hand, a half-restored backup."""

    def __init__(self, campaign: CampaignId, sender: SenderId, what: str, *, done: str = "") -> None:
        super().__init__(
            f"campaign {campaign}: {what}: damaged in the ledger; restore it and run the same command again{done}"
        )
        self.campaign = campaign
        self.sender = sender
        self.what = what


class SubmissionRefused(LedgerError):
    """The ledger does not take this batch or this end of a submit."""

    def __init__(self, campaign: CampaignId, reason: str) -> None:
        super().__init__(f"campaign {campaign}: {reason}")


class LeaseLost(LedgerError):
    """The batch has gone to another worker; nothing may be written for it."""

    def __init__(self, ref: BatchRef) -> None:
        super().__init__(f"batch {ref.number} of campaign {ref.campaign}: the lease has gone to another worker")


_BEYOND_REPAIR = re.compile(
    r"user_script:\s*\d+: (?:attempt|bad argument|WRONGTYPE|DAMAGED)|^WRONGTYPE|hash value is not an integer"
)
"""How Redis 7 and 6.2 word a script's failure over the data that it found."""


def is_transient(error: BaseException) -> bool:
    """Say whether waiting may mend an error of a call to the ledger.

    It does when the server is away, slow, full, loading, a replica or closed to this user. It does not when a command
    or a script failed over what it found in the ledger, or over what it was given: the same call fails again.
    """
    if isinstance(error, exceptions.DataError):
        return False
    if isinstance(error, exceptions.ResponseError):
        return not _BEYOND_REPAIR.search(str(error))
    return isinstance(error, exceptions.RedisError | OSError)
