"""Checking a foreign cell takes time in proportion to the length of the cell."""

import time

import pytest

from producers.recipients.cell_text import tidy
from producers.rows.damage import DamageCheck
from producers.rows.numbers import normalise_numbers
from times_dispatch.sms.placeholders import is_unfilled

pytestmark = pytest.mark.slow

UNITS = (
    *("a", " ", "{", "{{", "{a", "[", "[a", "[[a", "<", "<a", "<a b=", "<%", "<<a", "#", "##a", "#a ", "%", "%a", "%("),
    *(
        "$",
        "$(a",
        "|",
        "|a",
        "||a",
        "*|a",
        "**a",
        "::a",
        "~~a",
        "!!a",
        "__a",
        "__",
        "_",
        "«a",
        "X",
        "XX ",
        "x-",
        "?",
        "a?",
    ),
    *("&", "&a", "&#1", "&amp", "%20", "%E0", "=E0", "\\u", "Ã", "Â", "â€", "-", ".", "1e", "1,", "1", "=", '="', "'"),
    *(
        "null ",
        "undefined",
        "NaN",
        "inf",
        "1899-",
        "0000",
        "9 ",
        "9876543210/",
        "tel:",
        "+91",
        "\n",
        "&a=\n",
        ";ext=\n",
    ),
    *("[object ", "<a object", "\u00a0", "\u200b", "00000", "99999", "12:00", "_x000D_", "[a]:", ":a"),
)


def cpu_s(unit: str, length: int) -> float:
    cell = (unit * length)[:length]
    started_s = time.process_time()
    DamageCheck().find([tidy(cell), tidy(f"1{cell}")])
    is_unfilled(cell)
    normalise_numbers([cell, f"98{cell}"])
    return time.process_time() - started_s


@pytest.mark.parametrize("unit", UNITS)
def test_a_hostile_cell_of_twice_the_length_takes_about_twice_the_time(unit: str) -> None:
    cpu_s(unit, 1000)
    short_s = min(cpu_s(unit, 10_000) for _ in range(2))
    long_s = min(cpu_s(unit, 20_000) for _ in range(2))

    assert long_s < 3 * short_s + 0.02
