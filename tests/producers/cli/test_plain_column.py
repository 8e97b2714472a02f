import io
from unicodedata import category

import pytest
from rich.cells import cell_len
from rich.progress import BarColumn

from producers.cli.plain_column import PlainColumn, PlainProgress
from producers.cli.plain_console import PlainConsole


@pytest.mark.parametrize("width", [60, 80])
def test_a_bar_with_a_hindi_name_fits_a_terminal_that_shows_vowel_signs_in_columns_of_their_own(width: int) -> None:
    console = PlainConsole(file=io.StringIO(), width=width, force_terminal=True)
    progress = PlainProgress(BarColumn(bar_width=16), PlainColumn(), console=console)
    progress.add_task(
        "दिवाली-ऑफ़र 🎉🪔 festive sale for premium customers 2026: 443/3,000 sent (14 %), 18 failed", total=1
    )
    with console.capture() as capture:
        console.print(progress.get_renderable(), no_wrap=False, soft_wrap=False)
    lines = [line for line in capture.get().splitlines() if "\x1b[?25" not in line]
    assert len(lines) > 1
    for line in lines:
        plain = "".join(part.partition("m")[2] if index else part for index, part in enumerate(line.split("\x1b[")))
        assert cell_len(plain) + sum(category(letter) == "Mc" for letter in plain) <= width
