"""A small line chart of one figure over time, without a scale: the table beside the chart has the figures."""

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from console.formats import Formats
from times_dispatch.visible_text import visible

_WIDTH: Final = 120
_HEIGHT: Final = 24


def spark_line(numbers: Sequence[float], f: Formats, *, label: str) -> Markup:
    """Return a line through some numbers, from 0 at the bottom to the largest at the top.

    Args:
        numbers: the numbers, in the order of their times.
        f: writes the numbers.
        label: what the line is about, for screen readers.
    """
    if len(numbers) < 2:
        return Markup("")
    most = max(*numbers, 1e-9)
    step = _WIDTH / (len(numbers) - 1)
    points = [
        f"{index * step:.1f},{_HEIGHT - 1 - (_HEIGHT - 2) * max(0.0, number) / most:.1f}"
        for index, number in enumerate(numbers)
    ]
    line = " ".join(points)
    description = (
        f"{len(numbers)} days; the first {f.number(numbers[0])}, the last {f.number(numbers[-1])}, "
        f"the largest {f.number(max(numbers))}"
    )
    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        "<title>{label}</title><desc>{description}</desc>"
        '<polygon points="0,{h} {line} {w},{h}"/><polyline points="{line}"/></svg>'
    ).format(w=_WIDTH, h=_HEIGHT, line=line, label=visible(label), description=description)
