"""A few messages as they would arrive: the first, one with most parts, and one that differs in its encoding."""

import msgspec

from times_dispatch.ledger.model import Recipients
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
