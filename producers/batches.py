"""Checked messages cut into batches for the ledger, all of the same size but the last."""

from collections.abc import Iterable, Iterator

from producers.rows.checker import Checked
from times_dispatch.ledger.model import Recipients


def batches(chunks: Iterable[Checked], size: int) -> Iterator[Recipients]:
    """Cut chunks of any size into batches of ``size`` messages; the same chunks always give the same batches."""
    first = 0
    rest: Recipients | None = None
    for chunk in chunks:
        whole = _joined(rest, chunk) if rest and rest.to else chunk
        end = len(whole.to) - len(whole.to) % size
        for start in range(0, end, size):
            yield _cut(whole, start, start + size, first + start)
        rest = _cut(whole, end, len(whole.to), first + end)
        first += end
    if rest and rest.to:
        yield rest


def _cut(chunk: Checked, start: int, end: int, first: int) -> Recipients:
    return Recipients(
        first=first,
        to=chunk.to[start:end],
        lines=chunk.lines[start:end],
        slots=[values[start:end] for values in chunk.slots],
        parts=chunk.parts[start:end],
        custom={name: values[start:end] for name, values in chunk.custom.items()},
    )


def _joined(before: Recipients, after: Checked) -> Checked:
    return Checked(
        lines=before.lines + after.lines,
        to=before.to + after.to,
        slots=[early + late for early, late in zip(before.slots, after.slots, strict=True)],
        parts=before.parts + after.parts,
        custom={name: early + after.custom[name] for name, early in before.custom.items()},
        refused=[],
    )
