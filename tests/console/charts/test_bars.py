import re

import pytest

from console.charts.bars import state_bar
from console.formats import Formats
from times_dispatch.ledger.states import MessageState


def _widths(bar: str) -> list[float]:
    return [float(width) for width in re.findall(r' width="([0-9.]+)" height', bar)]


@pytest.mark.parametrize("counts", [(1, 0, 0), (1_000_000, 1, 1), (5, 5, 5), (0, 0, 0)])
def test_the_pieces_fill_the_bar_and_each_can_be_seen(counts: tuple[int, ...]) -> None:
    states = (MessageState.DELIVERED, MessageState.FAILED, MessageState.IN_DOUBT)
    bar = state_bar(dict(zip(states, counts, strict=True)), Formats(), href="/x", label="a")
    widths = _widths(bar)
    assert len(widths) == sum(number > 0 for number in counts)
    if widths:
        assert sum(widths) == pytest.approx(1000, abs=0.1)
        assert min(widths) >= 10  # two pixels in a bar of 200 pixels; borders cover one


def test_each_piece_says_its_figure_and_leads_to_its_messages() -> None:
    bar = state_bar({MessageState.IN_DOUBT: 1_234_567}, Formats(), href="/campaigns/c/messages", label='"><script>')
    assert 'href="/campaigns/c/messages?state=in_doubt"' in bar
    assert "<title>12,34,567 in doubt, 100.0 %</title>" in bar
    assert "<script>" not in bar
    assert "<desc>12,34,567 in doubt</desc>" in bar
