"""The errors of the archive.

ArchiveError
├── ArchiveUnavailable  the folder cannot be reached, or a package is missing
├── ArchiveKeyMissing   the key that opens the archive is not given, or is another key
├── ArchiveErased       the key of the archive is destroyed
├── ArchiveDamaged      a file of the archive is missing, changed or cut
└── ForgettingUnfinished  a number cannot be forgotten completely yet

CampaignDamaged
└── ArchivedCampaignUnreadable  the entry of a list for a campaign whose archive cannot be read
"""

from times_dispatch.ledger.errors import CampaignDamaged, LedgerError
from times_dispatch.ledger.model import CampaignId, SenderId


class ArchiveError(Exception):
    """An archive cannot be written or read."""


class ArchiveUnavailable(ArchiveError):
    """The folder of the archive cannot be reached."""


class ArchiveKeyMissing(ArchiveError):
    """This process lacks the key that opens an archive."""


class ArchiveErased(ArchiveError):
    """The key of an archive is destroyed: nobody can read the messages any more."""


class ArchiveDamaged(ArchiveError):
    """A file of an archive is missing, was changed or was cut."""


class ForgettingUnfinished(ArchiveError):
    """A number gets no more messages, but some of the number's data is still needed for a short time."""


class ArchivedCampaignUnreadable(CampaignDamaged):
    """A campaign whose archive cannot be read at this moment; nothing is wrong with the ledger.

    Args:
        campaign: the archived campaign.
        sender: the campaign's sender.
        error: why the campaign's archive cannot be read; ``ArchiveUnavailable`` if only the folder cannot be reached.
    """

    def __init__(self, campaign: CampaignId, sender: SenderId, error: ArchiveError) -> None:
        LedgerError.__init__(self, f"campaign {campaign}: {error}")
        self.campaign = campaign
        self.sender = sender
        self.what = str(error)
        if isinstance(error, ArchiveUnavailable):
            self.state = "unreachable"
            self.advice = "the archive cannot be reached (docs/retention.md)"
        else:
            self.advice = "damaged in the archive, restore the files (docs/retention.md)"
