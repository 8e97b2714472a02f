"""A campaign before it is submitted: its two files, fitting the settings and each other, and a way through the rows."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from producers.campaign.file import Campaign
from producers.errors import InputInvalid
from producers.fingerprint import Fingerprint
from producers.recipients import RecipientsFile, open_recipients
from producers.rows.checker import CheckedRows, Rows
from producers.rows.rejects_file import Rejects, default_path
from times_dispatch.ledger.model import Recipients
from times_dispatch.settings.model import Settings


def batches(chunks: Iterable[CheckedRows], size: int) -> Iterator[Recipients]:
    """Cut chunks of any size into batches of ``size`` messages; the same chunks always give the same batches."""
    first = 0
    rest: Recipients | None = None
    for chunk in chunks:
        whole = _joined(rest, chunk) if rest and rest.to else chunk
        end = len(whole.to) - len(whole.to) % size
        for start in range(0, end, size):
            yield _cut(whole, start, start + size, first + start)
        rest = _cut(whole, end, len(whole.to), first + end)
        first += end
    if rest and rest.to:
        yield rest


def _cut(chunk: CheckedRows, start: int, end: int, first: int) -> Recipients:
    return Recipients(
        first=first,
        to=chunk.to[start:end],
        lines=chunk.lines[start:end],
        slots=[values[start:end] for values in chunk.slots],
        parts=chunk.parts[start:end],
        custom={name: values[start:end] for name, values in chunk.custom.items()},
    )


def _joined(before: Recipients, after: CheckedRows) -> CheckedRows:
    return CheckedRows(
        lines=before.lines + after.lines,
        to=before.to + after.to,
        slots=[early + late for early, late in zip(before.slots, after.slots, strict=True)],
        parts=before.parts + after.parts,
        custom={name: early + after.custom[name] for name, early in before.custom.items()},
        refused=[],
    )


class Draft:
    """Everything that can be told before the rows are read is checked when it is made."""

    def __init__(
        self, campaign: Path, recipients: Path | None = None, *, settings: Settings, rejects: Path | None = None
    ) -> None:
        """Raise InputInvalid with every mistake of the first of the files that has one.

        Without a recipients file it is the one that the campaign file names.
        """
        recipients = recipients or _named(campaign, settings)
        self.paths = (campaign, recipients)
        if missing := [f"{path}: no such file" for path in self.paths if not path.is_file()]:
            raise InputInvalid(*missing)
        # Taken before anything is read, so that whatever changes afterwards is noticed.
        self.fingerprint = Fingerprint(self.paths)
        self.campaign = Campaign(campaign, settings)
        self.file = open_recipients(recipients, to=self.campaign.table.to)
        self.to = self.file.heading.index(self.campaign.table.to) or 0
        """The column with the numbers."""
        self.filling = self.campaign.filling(self.file.heading)
        self.custom = self.campaign.custom.bind(self.file.heading)
        self.rejects = rejects or default_path(recipients)
        if self.rejects.resolve() in (campaign.resolve(), recipients.resolve()):
            raise InputInvalid(f"{self.rejects}: the rejects would replace what is being read")

    def read(self, *, rejects: bool = True) -> "RowPass":
        """Start reading the rows, from the first; with or without writing down those that are refused."""
        return RowPass(self, rejects=rejects)


def _named(campaign: Path, settings: Settings) -> Path:
    if not campaign.is_file():
        raise InputInvalid(f"{campaign}: no such file")
    if (named := Campaign(campaign, settings).table.recipients) is None:
        raise InputInvalid(
            f'{campaign}: names no recipients; give --recipients FILE, or write recipients = "customers.csv" into it'
        )
    return campaign.parent / named


class RowPass:
    """One way through the rows: ``rows`` adds up, ``rejects`` is written, ``batches`` goes on as it is asked.

    Use it in a ``with``: rejects that were not kept by the end of it are removed.
    """

    def __init__(self, draft: Draft, *, rejects: bool) -> None:
        campaign, heading = draft.campaign, draft.file.heading
        self._file: RecipientsFile = draft.file
        self._custom = draft.custom
        self.rejects = Rejects(draft.rejects, heading.names) if rejects else None
        self.rows = Rows(
            draft.filling,
            names=heading.names,
            to=draft.to,
            longest=campaign.template_settings.max_value_length,
            whitelists=campaign.whitelists(),
            custom=draft.custom,
        )

    def batches(self, size: int) -> Iterator[Recipients]:
        """Yield the messages in batches of ``size``; the same files always make the same."""
        return batches(self._checked(), size)

    def fraction(self) -> float:
        """Say how much is read, from 0 to 1."""
        return self._file.fraction()

    def keep_rejects(self) -> Path | None:
        """Put the rejects file in its place, if there is a row in it; return where it is."""
        return self.rejects.keep() if self.rejects else None

    def warnings(self) -> Iterator[str]:
        """Name what was met in the rows, does not keep them from being sent, and may still be wrong."""
        if numbers := self.rows.whitelists.unlisted_numbers:
            yield (
                f"{numbers:,} rows name what looks like a phone number, and there are no callback_numbers "
                "in the settings to compare it with"
            )

    def _checked(self) -> Iterator[CheckedRows]:
        for chunk in self._file.chunks():
            checked = self.rows.check(chunk)
            if self.rejects:
                self.rejects.write(checked.refused)
            yield checked._replace(custom=self._custom.values(chunk, checked.lines))

    def __enter__(self) -> "RowPass":
        return self

    def __exit__(self, *_: object) -> None:
        if self.rejects:
            self.rejects.discard()
