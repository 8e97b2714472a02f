"""A campaign before it is submitted: its two files, fitting the settings and each other, and a way through the rows."""

from collections.abc import Iterator
from pathlib import Path

from campaigns.model import Recipients
from producers.batches import batches
from producers.campaign_file import Campaign
from producers.errors import InputInvalid
from producers.fingerprint import Fingerprint
from producers.recipients import RecipientsFile, open_recipients
from producers.rejects import Rejects, default_path
from producers.rows import Checked, Rows
from settings.model import Settings


class Draft:
    """Everything that can be told before the rows are read is checked when it is made."""

    def __init__(self, campaign: Path, recipients: Path, *, settings: Settings, rejects: Path | None = None) -> None:
        """Raise InputInvalid with every mistake of the first of the files that has one."""
        self.paths = (campaign, recipients)
        if missing := [f"{path}: no such file" for path in self.paths if not path.is_file()]:
            raise InputInvalid(*missing)
        # Taken before anything is read, so that whatever changes afterwards is noticed.
        self.fingerprint = Fingerprint(self.paths)
        self.campaign = Campaign(campaign, settings)
        self.file = open_recipients(recipients, to=self.campaign.table.to)
        self.variables = self.campaign.variables(self.file.heading)
        self.rejects = rejects or default_path(recipients)
        if self.rejects.resolve() in (campaign.resolve(), recipients.resolve()):
            raise InputInvalid(f"{self.rejects}: the rejects would replace what is being read")

    def read(self) -> "Reading":
        """Start reading the rows, from the first."""
        return Reading(self)


class Reading:
    """One way through the rows: ``rows`` adds up, ``rejects`` is written, ``batches`` goes on as it is asked.

    Use it in a ``with``: rejects that were not kept by the end of it are removed.
    """

    def __init__(self, draft: Draft) -> None:
        campaign, heading = draft.campaign, draft.file.heading
        self._file: RecipientsFile = draft.file
        self.rejects = Rejects(draft.rejects, heading.names)
        self.rows = Rows(
            campaign.template,
            draft.variables,
            names=heading.names,
            to=heading.index(campaign.table.to) or 0,
            longest=campaign.template_settings.longest_value,
        )

    def batches(self, size: int) -> Iterator[Recipients]:
        """Yield the messages in batches of ``size``; the same files always make the same."""
        return batches(self._checked(), size)

    def fraction(self) -> float:
        """Say how much is read, from 0 to 1."""
        return self._file.fraction()

    def _checked(self) -> Iterator[Checked]:
        for chunk in self._file.chunks():
            checked = self.rows.check(chunk)
            self.rejects.write(checked.refused)
            yield checked

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_: object) -> None:
        self.rejects.discard()
