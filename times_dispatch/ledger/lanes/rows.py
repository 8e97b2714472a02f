"""Chosen rows of a batch, and the rows of two batches joined to one batch."""

from collections.abc import Sequence

from times_dispatch.ledger.model import Recipients


def picked(rows: Recipients, positions: Sequence[int], *, first: int = 0) -> Recipients:
    """Return the messages at some positions of a batch; *first* is the campaign's index of the first of them."""
    return Recipients(
        first=first,
        to=[rows.to[at] for at in positions],
        lines=[rows.lines[at] for at in positions],
        slots=[[column[at] for at in positions] for column in rows.slots],
        parts=[rows.parts[at] for at in positions],
        custom={name: [column[at] for at in positions] for name, column in rows.custom.items()},
        link_values=[[column[at] for at in positions] for column in rows.link_values],
    )


def joined(before: Recipients, after: Recipients) -> Recipients:
    """Return the messages of two batches of one campaign, one after the other."""
    return Recipients(
        first=0,
        to=before.to + after.to,
        lines=before.lines + after.lines,
        slots=[early + late for early, late in zip(before.slots, after.slots, strict=True)],
        parts=before.parts + after.parts,
        custom={name: early + after.custom[name] for name, early in before.custom.items()},
        link_values=[early + late for early, late in zip(before.link_values, after.link_values, strict=True)],
    )
