"""Compares links and callback numbers in the values of many rows with the whitelists."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat

from producers.rows.refusals import Finding, RefusalReason
from times_dispatch.sms.rules import callback_numbers, links, number_whitelist, short_codes
from times_dispatch.sms.rules.links import LinkWhitelist
from times_dispatch.sms.rules.number_whitelist import NumberWhitelist
from times_dispatch.sms.rules.words import Word, fixed_text, numbers_over_blanks, words_with_slots
from times_dispatch.sms.templates import Template

_LINK_KINDS = frozenset({"url", "urlott"})
_TEXT_KINDS = frozenset({"var", "alphanumeric"})
_NUMERIC_KINDS = frozenset({"numeric", "number"})
_DIGIT = re.compile(r"\d")
_ROWS_AT_ONCE = 50
"""Up to this many rows, each row is checked after a quick search has found a link or number in one of them."""
_SMALLER_GROUPS = 5
"""The number of groups into which more rows are divided after a quick search has found a link or number."""


class Whitelists:
    """The links and phone numbers that the messages of one template may contain.

    A link that is not whitelisted is refused, and also a number in a slot for callback numbers that is not whitelisted.
    A number in another slot is refused only if there is a list of callback numbers: the value may be an order number,
    and operators exempt the numbers of couriers. Without a list, such numbers are counted. A message may always contain
    its recipient's own number.

    Args:
        template: the registered text.
        links: links that the template or its sender may use.
        numbers: callback numbers that the template or its sender may use.
    """

    def __init__(self, template: Template, *, links: LinkWhitelist, numbers: NumberWhitelist) -> None:
        self.unlisted_numbers = 0
        """How many rows contain a number, if there is no list of callback numbers to compare the number with."""
        self._links, self._numbers = links, numbers
        self._slots = template.slots
        self._words = [(word, callback_numbers.context_before(word.before)) for word in words_with_slots(template)]
        self._split_numbers = [
            (word, callback_numbers.context_before(word.before))
            for word in numbers_over_blanks(template)
            if {slot.kind for slot in word.slots} <= _TEXT_KINDS | _NUMERIC_KINDS
        ]
        self._fixed = fixed_text(template)
        self._has_link_slots = any(slot.kind in _LINK_KINDS for slot in template.slots)

    @property
    def has_numbers(self) -> bool:
        """Whether there is a list of callback numbers."""
        return bool(self._numbers)

    def problems_in_text(self) -> list[str]:
        """List the links and numbers of the registered text, without its slots, that are not whitelisted.

        Short codes are left out, because they are approved with the text, and portals do not whitelist short codes.
        """
        problems = [f"links to {link}, which is not whitelisted" for link in self._links.missing(self._fixed)]
        if self._numbers:
            numbers = [number for number in self._numbers_in_text() if not self._numbers.allows(number)]
            problems += [f"names the number {number}, which is not whitelisted" for number in numbers]
        return problems

    def unlisted_numbers_in_text(self) -> list[str]:
        """Return the numbers in the registered text if there is no list of callback numbers; otherwise return none."""
        return [] if self._numbers else self._numbers_in_text()

    def _numbers_in_text(self) -> list[str]:
        exempt = short_codes.exempt_from_whitelist(self._fixed)
        return [number for number in callback_numbers.find(self._fixed) if number not in exempt]

    def findings(
        self, slots: Sequence[Sequence[str]], to: Sequence[str], names: Sequence[str]
    ) -> Iterator[tuple[int, Finding]]:
        """Yield the index of each row with a value that is not whitelisted, with the finding.

        Args:
            slots: the values, one list for each slot.
            to: the recipients' numbers.
            names: the name of each slot's value in messages.
        """
        for rows in self._groups(slots, range(len(to))):
            some = slice(rows.start, rows.stop)
            for row, finding in self._findings([values[some] for values in slots], to[some], names):
                yield rows.start + row, finding

    def _groups(self, slots: Sequence[Sequence[str]], rows: range) -> Iterator[range]:
        """Yield small groups of rows, without rows that certainly contain neither a link nor a number."""
        if not self._may_hold_any([values[rows.start : rows.stop] for values in slots]):
            return
        if len(rows) <= _ROWS_AT_ONCE:
            yield rows
            return
        size = max(len(rows) // _SMALLER_GROUPS, _ROWS_AT_ONCE)
        for first in range(rows.start, rows.stop, size):
            yield from self._groups(slots, range(first, min(first + size, rows.stop)))

    def _may_hold_any(self, slots: Sequence[Sequence[str]]) -> bool:
        """Return whether any of the rows may contain a link or a number."""
        if self._has_link_slots:
            return True
        for word, context in self._words:
            joined = "\0".join(word.compose(slots))
            if links.may_contain_links(joined) or self._may_name_numbers(
                word, context, joined, callback_numbers.may_many_contain_numbers
            ):
                return True
        return any(map(self._may_be_split, [word for word, _ in self._split_numbers], repeat(slots)))

    def _findings(
        self, slots: Sequence[Sequence[str]], to: Sequence[str], names: Sequence[str]
    ) -> Iterator[tuple[int, Finding]]:
        with_number: set[int] = set()
        for word, context in self._words:
            name = " and ".join(names[index] for index in word.slot_indexes)
            texts = word.compose(slots)
            joined = "\0".join(texts)
            is_link = any(slot.kind in _LINK_KINDS for slot in word.slots)
            if is_link or links.may_contain_links(joined):
                for row, text in enumerate(texts):
                    if unlisted := self._unlisted_link(text, is_link=is_link):
                        yield row, Finding(RefusalReason.LINK, f"{name} holds a link that is not whitelisted", unlisted)
            if self._may_name_numbers(word, context, joined, callback_numbers.may_contain_numbers):
                for row, text in enumerate(texts):
                    in_number_slots = [
                        slots[index][row] for index in word.slot_indexes if self._slots[index].kind == "cbn"
                    ]
                    numbers = in_number_slots or callback_numbers.find(f"{context}{text}")
                    if number := self._unlisted_number(numbers, to[row]):
                        with_number.add(row)
                        message = f"{name} holds a number that is not whitelisted"
                        yield from self._number_finding(row, message, number, is_certain=bool(in_number_slots))
        yield from self._numbers_over_blanks(slots, to, names, with_number)

    def _may_be_split(self, word: Word, slots: Sequence[Sequence[str]]) -> bool:
        """Return whether each slot of a word has a value that contains a digit."""
        return all(_DIGIT.search("".join(slots[index])) for index in word.slot_indexes)

    def _may_name_numbers(self, word: Word, context: str, joined: str, may_contain: Callable[[str], bool]) -> bool:
        """Return whether any of the rows may contain a number in a word of the template.

        Args:
            word: the word of the template, with its slots.
            context: the words before the word, which tell what kind of number digits are.
            joined: the word of each row, joined by NULs, because a number never contains a NUL.
            may_contain: searches a text for numbers.
        """
        kinds = {slot.kind for slot in word.slots}
        if "cbn" in kinds:
            return True
        if not kinds & _TEXT_KINDS and not (context and callback_numbers.is_to_call(context)):
            return False
        after_context = f"{context}{joined}".replace("\0", f"\0{context}") if context else joined
        return may_contain(after_context)

    def _numbers_over_blanks(
        self, slots: Sequence[Sequence[str]], to: Sequence[str], names: Sequence[str], with_number: set[int]
    ) -> Iterator[tuple[int, Finding]]:
        """Yield the rows, except *with_number*, in which a number continues from one slot's value to the next."""
        for word, context in self._split_numbers:
            if not self._may_be_split(word, slots):
                continue
            name = " and ".join(names[index] for index in word.slot_indexes)
            for row, text in enumerate(word.compose(slots)):
                numbers = [] if row in with_number else callback_numbers.find(f"{context}{text}")
                if numbers and (number := self._unlisted_number(numbers, to[row])):
                    message = f"{name} is part of a number that is not whitelisted"
                    yield from self._number_finding(row, message, number, is_certain=False)

    def _number_finding(
        self, row: int, message: str, number: str, *, is_certain: bool
    ) -> Iterator[tuple[int, Finding]]:
        """Yield the finding if there is a list of numbers or the slot is for such numbers; otherwise count the row."""
        if is_certain or self._numbers:
            yield row, Finding(RefusalReason.CALLBACK_NUMBER, message, number)
        else:
            self.unlisted_numbers += 1

    def _unlisted_link(self, text: str, *, is_link: bool) -> str | None:
        candidates = links.find(text) or ([text] if is_link else [])
        return next((link for link in candidates if not self._links.allows(link)), None)

    def _unlisted_number(self, numbers: Sequence[str], own: str) -> str | None:
        own = number_whitelist.national_digits(own)
        return next(
            (
                number
                for number in numbers
                if not self._numbers.allows(number) and number_whitelist.national_digits(number) != own
            ),
            None,
        )
