"""Links and callback numbers in the values of many rows, compared with what is whitelisted."""

from collections.abc import Iterator, Sequence

from producers.rows.refusals import Finding, RefusalReason
from times_dispatch.sms.rules import callback_numbers, links
from times_dispatch.sms.rules.callback_numbers import NumberWhitelist
from times_dispatch.sms.rules.links import LinkWhitelist
from times_dispatch.sms.rules.words import fixed_text, words_with_slots
from times_dispatch.sms.templates import Template

_LINK_KINDS = frozenset({"url", "urlott"})


class Whitelists:
    """What the messages of one template may link to, and which numbers they may name.

    A link that is not whitelisted is refused, and so is the number in a slot for callback numbers. Other numbers are
    refused only if there is a list of them: a value may be somebody's order number, and operators exempt the numbers of
    those who deliver. Without a list they are counted. A recipient's own number is never one to call.
    """

    def __init__(self, template: Template, *, links: LinkWhitelist, numbers: NumberWhitelist) -> None:
        self.unlisted_numbers = 0
        """Rows with a number that nobody has whitelisted, where there is no list of numbers."""
        self._links, self._numbers = links, numbers
        self._slots = template.slots
        self._words = words_with_slots(template)
        self._fixed = fixed_text(template)

    @property
    def has_numbers(self) -> bool:
        """Say whether there is a list of numbers."""
        return bool(self._numbers)

    def in_text(self) -> list[str]:
        """Say what the registered text itself, without its slots, links to or names that is not whitelisted."""
        missing = [f"links to {link}, which is not whitelisted" for link in self._links.missing(self._fixed)]
        if self._numbers:
            numbers = self._numbers.missing(self._fixed)
            missing += [f"names the number {number}, which is not whitelisted" for number in numbers]
        return missing

    def numbers_in_text(self) -> list[str]:
        """Return the numbers that the registered text names and that no list could allow, as there is none."""
        return [] if self._numbers else callback_numbers.find(self._fixed)

    def findings(
        self, slots: Sequence[Sequence[str]], to: Sequence[str], names: Sequence[str]
    ) -> Iterator[tuple[int, Finding]]:
        """Yield what is wrong with rows, by their place, given the values by slot, the numbers and the slots' names."""
        for word in self._words:
            kinds = {slot.kind for slot in word.slots}
            name = " and ".join(names[place] for place in word.slot_indexes)
            texts = word.compose(slots)
            together = "\n".join(texts)
            if kinds & _LINK_KINDS or links.may_contain_links(together):
                for index, text in enumerate(texts):
                    if unlisted := self._unlisted_link(text, is_link=bool(kinds & _LINK_KINDS)):
                        yield (
                            index,
                            Finding(RefusalReason.LINK, f"{name} holds a link that is not whitelisted", unlisted),
                        )
            # A number never goes over a line break, so that all rows can be looked through as one text.
            if "cbn" in kinds or ("var" in kinds and callback_numbers.find(together)):
                for index, text in enumerate(texts):
                    certain = [slots[at][index] for at in word.slot_indexes if self._slots[at].kind == "cbn"]
                    found = certain or callback_numbers.find(text)
                    number = self._unlisted_number(found, to[index]) if found else None
                    if number and (certain or self._numbers):
                        reason = f"{name} holds a number that is not whitelisted"
                        yield index, Finding(RefusalReason.CALLBACK_NUMBER, reason, number)
                    elif number:
                        self.unlisted_numbers += 1

    def _unlisted_link(self, text: str, *, is_link: bool) -> str | None:
        found = links.find(text) or ([text] if is_link else [])
        return next((link for link in found if not self._links.allows(link)), None)

    def _unlisted_number(self, found: Sequence[str], own: str) -> str | None:
        own = callback_numbers.national_digits(own)
        return next(
            (
                number
                for number in found
                if not self._numbers.allows(number) and callback_numbers.national_digits(number) != own
            ),
            None,
        )
