"""Checks a draft as a submit would, without sending or storing anything, and reports the expected results."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from producers.checked_digest import checked_digest
from producers.draft import Draft, RowPass
from producers.earlier_campaigns import Overlap, OverlapCounter, overlaps_in_words
from producers.errors import CommandFailed
from producers.preflight.forecast import Forecast, forecast
from producers.preflight.ledger_snapshot import CampaignAhead, SenderSnapshot
from producers.preflight.memory_forecast import CampaignSize, MemoryForecast, memory_forecast
from producers.preflight.suppressions import SuppressionCounter, Suppressions
from producers.rows.refusals import Example, examples
from producers.rows.ucs2_characters import Ucs2Character, Ucs2Characters
from times_dispatch.ledger.errors import ForgetKeyRefused
from times_dispatch.ledger.model import Plan, Recipients
from times_dispatch.ledger.monitoring.health import Memory
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.settings.masking import mask
from times_dispatch.settings.tables.senders import SenderSettings
from times_dispatch.sms.encoding import measure
from times_dispatch.sms.templates import Template

_BATCH_SIZE = 1000
_MAX_SAMPLES = 3
_MAX_CHARACTERS = 10


class Sample(msgspec.Struct, frozen=True):
    """One message with its text and a masked number."""

    line: int
    to: str
    text: str
    parts: int
    unicode: bool


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a submit if it were made now, and the problems that would prevent it."""

    plan: Plan
    sender: SenderSettings
    source: str
    """The recipients file, with the sheet if the file is a workbook."""
    digest: str
    """The digest that ``submit --checked`` compares."""
    good: int
    """Rows that would become messages."""
    refused: dict[str, int]
    """Refused rows by reason, the most frequent reason first."""
    examples: dict[str, list[Example]]
    """The first refused rows of each reason."""
    rejects: Path | None
    """The rejects file; None if the file was not wanted, or no row was refused."""
    suppressed: Suppressions | None
    """Good rows that would be suppressed, without those whose number is forgotten; None if no ledger was asked."""
    forgotten: int | None
    """Good rows whose number is forgotten; None if no ledger was asked, or the forget key is missing or wrong."""
    overlaps: list[Overlap]
    """Recent campaigns to the same people, about which a submit asks; the greatest share first."""
    gsm_messages: int
    gsm_parts: int
    ucs2_messages: int
    ucs2_parts: int
    template_characters: str
    """Characters of the registered text that force all messages into UCS-2."""
    characters: list[Ucs2Character]
    """Characters in values that force messages into UCS-2, the character with the most messages first."""
    more_characters: int
    """How many such characters are left out of the list."""
    price_per_part: Decimal | None
    """The price of one SMS part, in rupees; None if the settings have none."""
    cost: Decimal | None
    """The price of the parts of all good rows, in rupees; None if the settings have no price."""
    max_parts_with_tries: int
    """SMS parts if every message fails each time with a code of the rule; never more than the budget."""
    max_cost: Decimal | None
    """The price of *max_parts_with_tries*, in rupees; None if the settings have no price."""
    forecast: Forecast
    memory: MemoryForecast
    ledger: SenderSnapshot | None
    samples: list[Sample]
    warnings: list[str]
    """Probable mistakes that do not keep messages from being sent."""
    problems: list[str]
    """The reasons why messages of good rows are not sent."""

    @property
    def parts(self) -> int:
        """SMS parts of all good rows."""
        return self.gsm_parts + self.ucs2_parts

    @property
    def others(self) -> list[CampaignAhead]:
        """The sender's other running campaigns; none if no ledger was asked."""
        return self.ledger.others if self.ledger else []


async def check(
    draft: Draft,
    *,
    now: datetime,
    ledger: SenderSnapshot | None = None,
    suppressed: SuppressionCounter | None = None,
    earlier: OverlapCounter | None = None,
    forgotten: ForgottenNumbers | None = None,
    memory: Memory | None = None,
    max_memory_share: float = 1.0,
    keep_rejects: bool = False,
    progress: Callable[[RowPass], None] | None = None,
) -> CheckReport:
    """Check every row of a draft and forecast its campaign.

    Args:
        draft: the campaign and its recipients.
        now: the moment for which the check is made.
        ledger: the state of the sender; None if no ledger was asked.
        suppressed: counts the rows that would be suppressed; None if no ledger was asked.
        earlier: compares the recipients with those of recent campaigns; None if no ledger was asked.
        forgotten: tells which numbers are forgotten; None if no ledger was asked.
        memory: the memory of the ledger; None if no ledger was asked.
        max_memory_share: the share of Redis' maxmemory above which campaigns are refused.
        keep_rejects: whether refused rows are written to the draft's rejects file.
        progress: called after each batch.

    Raises:
        InputInvalid: no message can be sent at this moment.
        CommandFailed: a file changed while it was read.
    """
    campaign = draft.campaign
    campaign.check(now)
    plan = campaign.plan(now)
    characters, samples = Ucs2Characters(campaign.template), SampleChooser(campaign.template)
    size = CampaignSize(repeats_are_checked=campaign.sender.repeat_after_s > 0)
    forgotten_rows = 0
    refusal = await _refusal(forgotten)
    with draft.read(rejects=keep_rejects) as row_pass:
        for batch in row_pass.batches(_BATCH_SIZE):
            characters.add(batch.slots)
            samples.add(batch)
            size.add(batch)
            hidden = await forgotten.contain(batch.to) if forgotten and not refusal else [False] * len(batch.to)
            forgotten_rows += sum(hidden)
            if suppressed:
                await suppressed.add(batch, [row for row, is_hidden in enumerate(hidden) if not is_hidden])
            if earlier:
                earlier.add(batch.to)
            if progress:
                progress(row_pass)
        if not draft.fingerprint.still_matches():
            raise CommandFailed("a file changed while it was read: check again")
        rejects = row_pass.keep_rejects()
    checker, counts = row_pass.checker, row_pass.checker.parts_counter
    parts = counts.gsm_parts + counts.ucs2_parts
    max_parts = _max_parts(plan, parts)
    expected = forecast(campaign, ledger, rows=checker.accepted, parts=parts, now=now)
    room = memory_forecast(size.needed_bytes, memory, max_share=max_memory_share)
    overlaps = earlier.overlaps if earlier else []
    shown_characters = characters.most_frequent(_MAX_CHARACTERS)
    return CheckReport(
        plan=plan,
        sender=campaign.sender,
        source=draft.file.source,
        digest=checked_digest(draft),
        good=checker.accepted,
        refused=dict(checker.refused.most_common()),
        examples={reason: examples(rows, to=draft.to) for reason, rows in checker.examples.items()},
        rejects=rejects,
        suppressed=suppressed.counts if suppressed else None,
        forgotten=forgotten_rows if forgotten and not refusal else None,
        overlaps=overlaps,
        gsm_messages=counts.gsm_messages,
        gsm_parts=counts.gsm_parts,
        ucs2_messages=counts.ucs2_messages,
        ucs2_parts=counts.ucs2_parts,
        template_characters=characters.of_template,
        characters=shown_characters,
        more_characters=len(characters) - len(shown_characters),
        price_per_part=campaign.budget.price,
        cost=campaign.budget.cost(parts),
        max_parts_with_tries=max_parts,
        max_cost=campaign.budget.cost(max_parts),
        forecast=expected,
        memory=room,
        ledger=ledger,
        samples=samples.chosen(),
        warnings=[
            *_overlap_warning(overlaps),
            *campaign.warnings(now),
            *row_pass.warnings(),
            *_held_warning(plan, ledger),
            *room.warnings,
        ],
        problems=[
            *(() if checker.accepted else ["no row can be used"]),
            *expected.problems,
            *room.problems,
            *([f"{refusal}: a submit would be refused"] if refusal else []),
        ],
    )


def _overlap_warning(overlaps: list[Overlap]) -> Iterator[str]:
    if overlaps:
        yield f"{overlaps_in_words(overlaps)}; submit asks about this first, and needs --yes where nobody can be asked"


async def _refusal(forgotten: ForgottenNumbers | None) -> str:
    """Return why this process cannot tell which numbers are forgotten; empty if it can."""
    try:
        if forgotten:
            await forgotten.are_there()
    except ForgetKeyRefused as refused:
        return str(refused)
    return ""


def _max_parts(plan: Plan, parts: int) -> int:
    """Return how many SMS parts are sent if every message fails each time with a code of the campaign's rule."""
    all_parts = parts * (1 + (plan.retry.at_most if plan.retry else 0))
    return min(all_parts, plan.max_parts) if plan.max_parts else all_parts


class SampleChooser:
    """Chooses messages to show: the first one, the one with most parts, and one in another encoding.

    Batches are added in their order. Only a few texts are rendered, because rendering all would take too long.
    """

    def __init__(self, template: Template) -> None:
        self._template = template
        self._first: list[Sample] = []
        self._largest: Sample | None = None
        self._other_encoding: Sample | None = None

    def add(self, batch: Recipients) -> None:
        """Look for better samples in a batch."""
        if len(self._first) < _MAX_SAMPLES:
            self._first += [self._sample(batch, index) for index in range(min(_MAX_SAMPLES, len(batch.to)))]
        parts = max(batch.parts)
        if self._largest is None or parts > self._largest.parts:
            self._largest = self._sample(batch, batch.parts.index(parts))
        if self._other_encoding is None:
            unicode = self._first[0].unicode
            for index, values in enumerate(zip(*batch.slots, strict=True)):
                if not unicode and "".join(values).isascii():
                    continue
                if measure(self._template.render(values)).unicode != unicode:
                    self._other_encoding = self._sample(batch, index)
                    break

    def chosen(self) -> list[Sample]:
        """Return at most three samples of different lines, in the order of the lines."""
        wanted = [*self._first[:1], self._largest, self._other_encoding, *self._first[1:]]
        by_line = {sample.line: sample for sample in wanted if sample}
        return sorted(list(by_line.values())[:_MAX_SAMPLES], key=lambda sample: sample.line)

    def _sample(self, batch: Recipients, index: int) -> Sample:
        text = self._template.render([values[index] for values in batch.slots])
        measured = measure(text)
        return Sample(batch.lines[index], mask(batch.to[index]), text, measured.parts, measured.unicode)


def _held_warning(plan: Plan, ledger: SenderSnapshot | None) -> Iterator[str]:
    if ledger and ledger.stop_reason:
        yield f"sender {plan.sender} sends nothing now: {ledger.stop_reason}"
