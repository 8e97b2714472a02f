"""A campaign and its recipients, checked as submit would, without sending or storing anything."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from producers.draft import Draft, RowPass
from producers.preflight.forecast import FinishEstimate, forecast
from producers.preflight.ledger_snapshot import CampaignAhead, SenderSnapshot
from producers.rows.refusals import Example, examples
from producers.rows.ucs2_characters import Character, Characters
from times_dispatch.ledger.model import Plan, Recipients
from times_dispatch.ledger.optouts import OptOuts
from times_dispatch.settings.logs import mask
from times_dispatch.sms.encoding import measure
from times_dispatch.sms.templates import Template

_MOST = 3


class Sample(msgspec.Struct, frozen=True):
    """One message with its text; the number is masked."""

    line: int
    to: str
    text: str
    parts: int
    unicode: bool


class Samples:
    """Chooses from batches that are shown to it in their order; it looks closely at few of them."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._first: list[Sample] = []
        self._longest: Sample | None = None
        self._other: Sample | None = None

    def add(self, batch: Recipients) -> None:
        """Look at a batch."""
        if len(self._first) < _MOST:
            self._first += [self._sample(batch, at) for at in range(min(_MOST, len(batch.to)))]
        most = max(batch.parts)
        if self._longest is None or most > self._longest.parts:
            self._longest = self._sample(batch, batch.parts.index(most))
        if self._other is None:
            unicode = self._first[0].unicode
            for at, values in enumerate(zip(*batch.slots, strict=True)):
                if not unicode and "".join(values).isascii():
                    continue
                if measure(self._template.render(values)).unicode != unicode:
                    self._other = self._sample(batch, at)
                    break

    def chosen(self) -> list[Sample]:
        """Return at most three, no line twice, in the order of the lines."""
        wanted = [*self._first[:1], self._longest, self._other, *self._first[1:]]
        by_line = {sample.line: sample for sample in wanted if sample}
        return sorted(list(by_line.values())[:_MOST], key=lambda sample: sample.line)

    def _sample(self, batch: Recipients, at: int) -> Sample:
        text = self._template.render([values[at] for values in batch.slots])
        measured = measure(text)
        return Sample(batch.lines[at], mask(batch.to[at]), text, measured.parts, measured.unicode)


_BATCH = 1000
_CHARACTERS_SHOWN = 10


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found."""

    plan: Plan
    good: int
    """Rows that would be sent to."""
    refused: dict[str, int]
    """Rows by reason, the most frequent first."""
    examples: dict[str, list[Example]]
    """The first rows of each reason."""
    rejects: Path | None
    """Where all of them are, if that was asked for."""
    opted_out: int | None
    """Good rows whose number is on the opt-out list; None if there was no ledger to ask."""
    gsm_messages: int
    gsm_parts: int
    ucs2_messages: int
    ucs2_parts: int
    template_characters: str
    """Those of the registered text that force all messages into UCS-2."""
    characters: list[Character]
    """Those of the values that force some, in most messages first."""
    more_characters: int
    """How many more there are."""
    price_per_part: Decimal | None
    cost: Decimal | None
    outlook: FinishEstimate
    rate_per_s: float
    """The sender's; 0 is no limit."""
    most_parts_per_day: int
    """The sender's; 0 is no limit."""
    parts_today: int
    """Used of that on the day on which it starts, as far as the ledger is known."""
    ledger: SenderSnapshot | None
    samples: list[Sample]
    warnings: list[str]
    problems: list[str]
    """What keeps messages from being sent that the rows themselves would allow."""

    @property
    def parts(self) -> int:
        """SMS parts of all good rows."""
        return self.gsm_parts + self.ucs2_parts

    @property
    def others(self) -> list[CampaignAhead]:
        """The sender's running campaigns, if there was a ledger to ask."""
        return self.ledger.others if self.ledger else []


async def check(
    draft: Draft,
    *,
    now: datetime,
    ledger: SenderSnapshot | None = None,
    optouts: OptOuts | None = None,
    keep_rejects: bool = False,
    progress: Callable[[RowPass], None] | None = None,
) -> CheckReport:
    """Check every row and forecast the rest; raise InputInvalid if it cannot be sent at all at this moment.

    The rejects file is written only if it is to be kept.
    """
    campaign = draft.campaign
    campaign.check(now)
    plan = campaign.plan(now)
    look_up = optouts is not None and not await optouts.is_empty()
    characters, samples = Characters(campaign.template), Samples(campaign.template)
    opted_out = 0
    with draft.read(rejects=keep_rejects) as reading:
        for batch in reading.batches(_BATCH):
            characters.add(batch.slots)
            samples.add(batch)
            if optouts and look_up:
                opted_out += sum(await optouts.contains(batch.to))
            if progress:
                progress(reading)
        rejects = reading.keep_rejects()
    rows, measuring = reading.rows, reading.rows.measuring
    parts = measuring.gsm_parts + measuring.ucs2_parts
    ahead = forecast(campaign, ledger, rows=rows.accepted, parts=parts, now=now)
    most_common = characters.most_common(_CHARACTERS_SHOWN)
    return CheckReport(
        plan=plan,
        good=rows.accepted,
        refused=dict(rows.refused.most_common()),
        examples={reason: examples(some, to=draft.to) for reason, some in rows.examples.items()},
        rejects=rejects,
        opted_out=opted_out if optouts else None,
        gsm_messages=measuring.gsm_messages,
        gsm_parts=measuring.gsm_parts,
        ucs2_messages=measuring.ucs2_messages,
        ucs2_parts=measuring.ucs2_parts,
        template_characters=characters.of_template,
        characters=most_common,
        more_characters=len(characters) - len(most_common),
        price_per_part=campaign.budget.price,
        cost=campaign.budget.cost(parts),
        outlook=ahead.estimate,
        rate_per_s=ahead.rate_per_s,
        most_parts_per_day=ahead.most_parts_per_day,
        parts_today=ahead.parts_today,
        ledger=ledger,
        samples=samples.chosen(),
        warnings=[*campaign.warnings(now), *reading.warnings(), *_held(plan, ledger)],
        problems=[*(() if rows.accepted else ["no row can be sent to"]), *ahead.problems],
    )


def _held(plan: Plan, ledger: SenderSnapshot | None) -> Iterator[str]:
    if ledger and ledger.held:
        yield f"sender {plan.sender} sends nothing now: {ledger.held}"
