"""A bar whose pieces are the messages of a campaign by state; each piece is a link to its messages."""

from collections.abc import Mapping
from typing import Final

from markupsafe import Markup

from console.formats import Formats
from console.words import BAR_ORDER, words_of
from times_dispatch.ledger.states import MessageState
from times_dispatch.visible_text import visible

_WIDTH: Final = 1000
_MIN_PIECE: Final = 10
"""The minimum width of a piece, so that a single failed message among a million is visible."""
_PIECE: Final = Markup(
    '<a href="{href}?state={state}" tabindex="-1"><rect class="s-{state}" x="{left}" width="{width}" height="16">'
    "<title>{words}</title></rect></a>"
)


def state_bar(counts: Mapping[MessageState, int], f: Formats, *, href: str, label: str) -> Markup:
    """Return the bar of some messages.

    Args:
        counts: the number of messages in each state.
        f: writes the numbers.
        href: the address of the list of messages; the link of a piece adds the state.
        label: what the bar is about, for screen readers.
    """
    shown = [(state, counts[state]) for state in BAR_ORDER if counts.get(state)]
    total = sum(number for _, number in shown)
    description = ", ".join(f"{f.number(number)} {words_of(state)}" for state, number in shown) or "no messages"
    pieces, left = list[Markup](), 0.0
    for (state, number), width in zip(shown, _widths([number for _, number in shown], total), strict=True):
        pieces.append(
            _PIECE.format(
                href=href,
                state=state.label,
                left=f"{left:.1f}",
                width=f"{width:.1f}",
                words=f"{f.number(number)} {words_of(state)}, {f.share(number, total)}",
            )
        )
        left += width
    return Markup(
        '<svg class="bar" viewBox="0 0 {} 16" preserveAspectRatio="none" role="group" aria-label="{}">'
        "<desc>{}</desc>{}</svg>"
    ).format(_WIDTH, visible(label), description, Markup("").join(pieces))


def _widths(numbers: list[int], total: int) -> list[float]:
    """Return the widths of the pieces; small pieces get the minimum width, and the other pieces share the rest."""
    if not total:
        return []
    wanted = [_WIDTH * number / total for number in numbers]
    extra = sum(max(0.0, _MIN_PIECE - width) for width in wanted)
    large = sum(width for width in wanted if width > _MIN_PIECE)
    factor = 1 - extra / large if large else 1.0
    return [max(_MIN_PIECE, width * factor) if width > _MIN_PIECE else _MIN_PIECE for width in wanted]
