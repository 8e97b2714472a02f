"""A campaign before its submit: its two files, checked against the settings and each other, and their rows."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from producers.campaign.file import Campaign
from producers.errors import InputInvalid, no_file
from producers.fingerprint import Fingerprint
from producers.recipients import RecipientsFile, open_recipients
from producers.recipients.guarded_cells import is_rejects
from producers.recipients.reader.limits import ReaderLimits
from producers.rows.checker import CheckedRows, RowChecker
from producers.rows.damage import DamageCheck
from producers.rows.rejects_file import EARLIER_REFUSAL, RejectsFile, default_path
from times_dispatch.ledger.model import Recipients
from times_dispatch.plurals import counted
from times_dispatch.settings.model import Settings


class Draft:
    """A campaign file and its recipients file. The constructor checks everything except the rows.

    Args:
        campaign: path of the campaign file.
        recipients: path of the recipients file; by default the file that the campaign file names.
        settings: the settings that both files must fit.
        rejects: the file to which refused rows are written; by default beside the recipients file.
        at_once: whether a start that is long past is allowed, so that the campaign is sent at once.

    Raises:
        InputInvalid: with every mistake of the first file that has one.
    """

    def __init__(
        self,
        campaign: Path,
        recipients: Path | None = None,
        *,
        settings: Settings,
        rejects: Path | None = None,
        at_once: bool = False,
    ) -> None:
        recipients = recipients or _named_in(campaign, settings)
        self.paths = (campaign, recipients)
        if missing := [mistake for path in self.paths if (mistake := no_file(path))]:
            raise InputInvalid(*missing)
        # The fingerprint is made before the files are read, so that every later change of a file is noticed.
        self.fingerprint = Fingerprint(self.paths)
        self.campaign = Campaign(campaign, settings, at_once=at_once)
        self.file = open_recipients(recipients, to=self.campaign.table.to, limits=ReaderLimits.of(settings.recipients))
        self.to = self.file.heading.index(self.campaign.table.to) or 0
        """Index of the column that holds the numbers."""
        self.slot_source = self.campaign.slot_source(self.file.heading)
        self.custom = self.campaign.custom.bind(self.file.heading)
        self.links = self.campaign.links.bind(self.file.heading)
        used = {self.to, *self.slot_source.columns, *self.custom.columns, *self.links.columns}
        self.file.use(used.union(EARLIER_REFUSAL if is_rejects(self.file.heading.names) else ()))
        self.rejects = rejects or default_path(recipients)
        if self.rejects.resolve() in (campaign.resolve(), recipients.resolve()):
            raise InputInvalid(f"{self.rejects}: the rejects would replace a file that is read; give another --rejects")

    def read(self, *, rejects: bool = True) -> "RowPass":
        """Return a pass over all rows; ``rejects`` says whether refused rows are written to a file."""
        return RowPass(self, rejects=rejects)


class RowPass:
    """One pass over the rows of a draft, from the first to the last.

    ``batches`` reads, ``checker`` counts, and ``rejects`` collects refused rows. Use a pass in a ``with`` block: the
    end of the block removes a rejects file that was not kept.
    """

    def __init__(self, draft: Draft, *, rejects: bool) -> None:
        campaign, heading = draft.campaign, draft.file.heading
        self._file: RecipientsFile = draft.file
        self.rejects = RejectsFile(draft.rejects, heading.names) if rejects else None
        self.checker = RowChecker(
            draft.slot_source,
            names=heading.names,
            to=draft.to,
            max_length=campaign.template_settings.max_value_length,
            whitelists=campaign.whitelists(),
            custom=draft.custom,
            links=draft.links,
            damage_check=DamageCheck(campaign.no_value),
            allows_foreign=campaign.sender.foreign_numbers,
        )

    def __enter__(self) -> "RowPass":
        return self

    def __exit__(self, *_: object) -> None:
        if self.rejects:
            self.rejects.discard()

    def batches(self, size: int) -> Iterator[Recipients]:
        """Yield the messages in batches of ``size``; unchanged files always give the same batches."""
        return cut_batches(self._checked_chunks(), size)

    def fraction(self) -> float:
        """Return how much of the recipients file has been read, from 0 to 1."""
        return self._file.fraction()

    def keep_rejects(self) -> Path | None:
        """Move the rejects file to its final path and return the path; None if there is no refused row."""
        return self.rejects.keep() if self.rejects else None

    def warnings(self) -> Iterator[str]:
        """Return warnings about accepted rows."""
        yield from self._file.left_out()
        if self.checker.foreign:
            yield (
                f"{counted(self.checker.foreign, 'number is', 'numbers are')} of other countries: "
                "a header of the DLT reaches India only"
            )
        if numbers := self.checker.whitelists.unlisted_numbers:
            yield (
                f"{counted(numbers, 'row contains', 'rows contain')} something like a phone number, "
                "and there are no callback_numbers in the settings to compare it with"
            )
        yield from self.checker.doubts.warnings()

    def _checked_chunks(self) -> Iterator[CheckedRows]:
        for chunk in self._file.chunks():
            checked = self.checker.check(chunk)
            if self.rejects:
                self.rejects.write(checked.refused)
            yield checked


def cut_batches(chunks: Iterable[CheckedRows], size: int) -> Iterator[Recipients]:
    """Cut chunks of any size into batches of ``size`` messages; equal chunks always give the same batches."""
    first = 0
    rest: Recipients | None = None
    for chunk in chunks:
        rows = _join(rest, chunk) if rest and rest.to else chunk
        end = len(rows.to) - len(rows.to) % size
        for start in range(0, end, size):
            yield _cut(rows, start, start + size, first + start)
        rest = _cut(rows, end, len(rows.to), first + end)
        first += end
    if rest and rest.to:
        yield rest


def _cut(rows: CheckedRows, start: int, end: int, first: int) -> Recipients:
    return Recipients(
        first=first,
        to=rows.to[start:end],
        lines=rows.lines[start:end],
        slots=[values[start:end] for values in rows.slots],
        parts=rows.parts[start:end],
        custom={name: values[start:end] for name, values in rows.custom.items()},
        link_values=[values[start:end] for values in rows.link_values],
    )


def _join(before: Recipients, after: CheckedRows) -> CheckedRows:
    return CheckedRows(
        lines=before.lines + after.lines,
        to=before.to + after.to,
        slots=[early + late for early, late in zip(before.slots, after.slots, strict=True)],
        parts=before.parts + after.parts,
        custom={name: early + after.custom[name] for name, early in before.custom.items()},
        link_values=[early + late for early, late in zip(before.link_values, after.link_values, strict=True)],
        refused=[],
    )


def _named_in(campaign: Path, settings: Settings) -> Path:
    """Return the recipients file that a campaign file names."""
    if missing := no_file(campaign):
        raise InputInvalid(missing)
    if (named := Campaign(campaign, settings).table.recipients) is None:
        raise InputInvalid(
            f'{campaign}: names no recipients; add recipients = "customers.csv" to the file, or give --recipients FILE'
        )
    path = campaign.parent / named
    # The author of a campaign file must not be able to choose any file of the host.
    if not path.resolve().is_relative_to(campaign.parent.resolve()):
        raise InputInvalid(
            f"{campaign}: recipients must be a file in the folder of the campaign file, or below; "
            "give any other file with --recipients FILE"
        )
    return path
