"""Counts values that some operators drop and other operators accept, see ``times_dispatch.sms.slot_rules``."""

from collections import Counter
from collections.abc import Iterator, Sequence

from times_dispatch.plurals import counted
from times_dispatch.sms.slot_rules import Claim
from times_dispatch.sms.templates import Slot


class DoubtfulValueCounter:
    """Counts the doubtful values of good rows, by the claim that makes them doubtful."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._doubts = [(index, claim) for index, slot in enumerate(slots) for claim in slot.doubts()]
        self._counts: Counter[Claim] = Counter()

    def add(self, slots: Sequence[Sequence[str]]) -> None:
        """Count the doubtful values; ``slots`` holds the values, one list for each slot."""
        for index, claim in self._doubts:
            allowed = claim.rule.form.fullmatch
            if doubtful := sum(allowed(value) is None for value in slots[index]):
                self._counts[claim] += doubtful

    def warnings(self) -> Iterator[str]:
        """Yield one sentence for each claim that makes values doubtful."""
        for claim, count in self._counts.items():
            yield (
                f"{counted(count, 'value')} of {{#{claim.kind}#}} may be dropped at {', '.join(claim.operators)}: "
                f"there a value {claim.rule.refusal} ({claim.rule.source})"
            )
