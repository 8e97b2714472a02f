"""A console that wraps its output at the terminal's width, and cuts no word."""

import io

import pytest
from rich.table import Table

from producers.cli.plain_console import PlainConsole

_ID = "1207161786534401928"


def _printed(table: Table, width: int) -> str:
    file = io.StringIO()
    PlainConsole(width=width, file=file).print(table)
    return file.getvalue()


def _table() -> Table:
    table = Table("template", "content id", "senders", box=None, pad_edge=False)
    table.add_row("order-shipped", _ID, "TIMESM TIMOTP")
    return table


def test_a_table_that_fits_is_a_table_and_words_of_a_cell_may_stand_below_each_other() -> None:
    assert _printed(_table(), 43) == (
        f"template       content id           senders\norder-shipped  {_ID}  TIMESM\n{' ' * 36}TIMOTP\n"
    )


@pytest.mark.parametrize("width", [42, 33])
def test_a_table_that_does_not_fit_without_cutting_a_word_is_a_list(width: int) -> None:
    assert _printed(_table(), width) == f"order-shipped\n  content id  {_ID}\n  senders     TIMESM TIMOTP\n"


def test_a_figure_of_a_column_that_stays_on_its_line_is_never_cut() -> None:
    table = Table("state", box=None, pad_edge=False)
    table.add_column("messages", no_wrap=True, justify="right")
    table.add_row("delivered", "1,234,567,890")
    assert "1,234,567,890" in _printed(table, 20)


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (37, "north-batch-1  times is braked  1,000"),
        (36, "north-batch…  times is braked  1,000"),
        (28, "north-b…  times is     1,000\n          braked"),
        (23, "north-b…  times   1,000\n          is\n          braked"),
    ],
)
def test_a_name_is_cut_only_where_there_is_no_room_for_it(width: int, row: str) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, min_width=8)
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_row("north-batch-1", "times is braked", "1,000")
    assert _printed(table, width) == f"{row}\n"


def test_a_long_line_goes_on_below_and_only_its_beginning_is_bold() -> None:
    file = io.StringIO()
    out = PlainConsole(width=20, file=file, force_terminal=True, no_color=False, color_system="standard")
    out.print_line("ab12cd34  a-name, TIMESM, 2026-11-28", bold=8)
    assert file.getvalue() == "\x1b[1mab12cd34\x1b[0m  a-name,\n  TIMESM, 2026-11-28\n"
