"""Whether many values fit a template's slot, judged together where that can be done."""

from collections.abc import Sequence

from times_dispatch.sms.templates import Slot

_JUDGED_BY_CHARACTER = frozenset({"var", "numeric", "number"})
"""Slots of these kinds look at each character by itself, so that many values can be judged as one text; an
alphanumeric one also looks at how a value begins."""


def all_fit(slot: Slot, values: Sequence[str], longest: int) -> bool:
    """Say whether all values surely fit; False only means that each must be looked at."""
    if slot.kind not in _JUDGED_BY_CHARACTER or max(map(len, values), default=0) > longest:
        return False
    if slot.kind != "var" and not all(values):
        return False
    together = "".join(values)
    return slot.check(together, len(together)) is None
