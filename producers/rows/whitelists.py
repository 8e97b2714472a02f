"""Links and callback numbers in the values of many rows, compared with the whitelisted ones."""

from collections.abc import Iterator, Sequence

from producers.rows.refusals import Finding, RefusalReason
from times_dispatch.sms.rules import callback_numbers, links
from times_dispatch.sms.rules.callback_numbers import NumberWhitelist
from times_dispatch.sms.rules.links import LinkWhitelist
from times_dispatch.sms.rules.words import fixed_text, words_with_slots
from times_dispatch.sms.templates import Template

_LINK_KINDS = frozenset({"url", "urlott"})
_TEXT_KINDS = frozenset({"var", "alphanumeric"})
_ROWS_AT_ONCE = 50
"""One search goes through the values of so many rows. If it finds something, each of these rows is looked at."""


class Whitelists:
    """The links and phone numbers that the messages of one template may contain.

    A link that is not whitelisted is refused, and so is a number in a slot for callback numbers. A number in another
    slot is refused only if there is a list of callback numbers: the value may be an order number, and operators exempt
    the numbers of couriers. Without a list such numbers are counted. A message may always name its recipient's own
    number.

    Args:
        template: the registered text.
        links: links that the template or its sender may use.
        numbers: callback numbers that the template or its sender may use.
    """

    def __init__(self, template: Template, *, links: LinkWhitelist, numbers: NumberWhitelist) -> None:
        self.unlisted_numbers = 0
        """Rows that name a number, while there is no list of callback numbers to compare the number with."""
        self._links, self._numbers = links, numbers
        self._slots = template.slots
        self._words = [(word, callback_numbers.context_before(word.before)) for word in words_with_slots(template)]
        self._fixed = fixed_text(template)

    @property
    def has_numbers(self) -> bool:
        """Say whether there is a list of callback numbers."""
        return bool(self._numbers)

    def problems_in_text(self) -> list[str]:
        """List links and numbers of the registered text itself, without its slots, that are not whitelisted."""
        problems = [f"links to {link}, which is not whitelisted" for link in self._links.missing(self._fixed)]
        if self._numbers:
            numbers = self._numbers.missing(self._fixed)
            problems += [f"names the number {number}, which is not whitelisted" for number in numbers]
        return problems

    def unlisted_numbers_in_text(self) -> list[str]:
        """Return the numbers in the registered text if there is no list of callback numbers; otherwise none."""
        return [] if self._numbers else callback_numbers.find(self._fixed)

    def findings(
        self, slots: Sequence[Sequence[str]], to: Sequence[str], names: Sequence[str]
    ) -> Iterator[tuple[int, Finding]]:
        """Yield the index of each row with a value that is not whitelisted, and what is wrong with the value.

        Args:
            slots: the values, one list for each slot.
            to: the recipients' numbers.
            names: for each slot, how to name its value.
        """
        for first in range(0, len(to), _ROWS_AT_ONCE):
            some = slice(first, first + _ROWS_AT_ONCE)
            for row, finding in self._findings([values[some] for values in slots], to[some], names):
                yield first + row, finding

    def _findings(
        self, slots: Sequence[Sequence[str]], to: Sequence[str], names: Sequence[str]
    ) -> Iterator[tuple[int, Finding]]:
        for word, context in self._words:
            kinds = {slot.kind for slot in word.slots}
            name = " and ".join(names[index] for index in word.slot_indexes)
            texts = word.compose(slots)
            joined = "\n".join(texts)
            if kinds & _LINK_KINDS or links.may_contain_links(joined):
                for row, text in enumerate(texts):
                    if unlisted := self._unlisted_link(text, is_link=bool(kinds & _LINK_KINDS)):
                        yield row, Finding(RefusalReason.LINK, f"{name} holds a link that is not whitelisted", unlisted)
            # A number never goes over a line break, so that one search through all rows finds whether there is any.
            after_context = f"{context}{joined}".replace("\n", f"\n{context}") if context else joined
            if "cbn" in kinds or (kinds & _TEXT_KINDS and callback_numbers.may_contain_numbers(after_context)):
                for row, text in enumerate(texts):
                    in_number_slots = [
                        slots[index][row] for index in word.slot_indexes if self._slots[index].kind == "cbn"
                    ]
                    numbers = in_number_slots or callback_numbers.find(f"{context}{text}")
                    number = self._unlisted_number(numbers, to[row]) if numbers else None
                    if number and (in_number_slots or self._numbers):
                        message = f"{name} holds a number that is not whitelisted"
                        yield row, Finding(RefusalReason.CALLBACK_NUMBER, message, number)
                    elif number:
                        self.unlisted_numbers += 1

    def _unlisted_link(self, text: str, *, is_link: bool) -> str | None:
        candidates = links.find(text) or ([text] if is_link else [])
        return next((link for link in candidates if not self._links.allows(link)), None)

    def _unlisted_number(self, numbers: Sequence[str], own: str) -> str | None:
        own = callback_numbers.national_digits(own)
        return next(
            (
                number
                for number in numbers
                if not self._numbers.allows(number) and callback_numbers.national_digits(number) != own
            ),
            None,
        )
