import io
import os
import pty
import re
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unicodedata import category

import pytest
from rich.cells import cell_len
from rich.progress import BarColumn

from producers.cli.output import progress_bar
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
    assert all(columns_of(line) <= width for line in lines)


@pytest.mark.parametrize("width", [60, 80])
def test_the_bar_of_a_recipients_file_with_a_hindi_name_fits_such_a_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, terminal = pty.openpty()
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    draft: Any = SimpleNamespace(paths=(Path("campaign.toml"), Path("दिवाली-की-ख़रीदारी-के-ग्राहक-और-पुराने-साथी.csv")))
    row_pass: Any = SimpleNamespace(
        checker=SimpleNamespace(accepted=120_000, refused=Counter(empty=12)), fraction=lambda: 0.5
    )
    with os.fdopen(terminal, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        with progress_bar(draft) as update:
            assert update
            update(row_pass)
        monkeypatch.undo()
    with os.fdopen(ours, "rb", buffering=0) as drawn:
        lines = drawn.read(1 << 16).decode().splitlines()
    assert any("120,000" in line for line in lines)
    assert all(columns_of(line) <= width for line in lines)


def columns_of(line: str) -> int:
    """Return the columns of a line on a terminal that gives a vowel sign after a letter a column of its own."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", line)
    return cell_len(plain) + sum(category(letter) == "Mc" for letter in plain)
