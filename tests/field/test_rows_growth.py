"""Checking a foreign cell takes time in proportion to the length of the cell."""

import time
from functools import partial

import pytest

from producers.recipients.cell_text import tidy
from producers.rows.damage import DamageCheck
from producers.rows.numbers import normalise_numbers
from tests.kit.growth import superlinear
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
    assert not superlinear(partial(cpu_s, unit), 10_000)


def test_a_quadratic_call_is_found_and_a_linear_one_is_not() -> None:
    def quadratic_s(length: int) -> float:
        return length * length * 1e-6

    def linear_s(length: int) -> float:
        return length * 1e-3

    assert superlinear(quadratic_s, 1_000) == "1000.0 ms for 1,000 characters, 4000.0 ms for 2,000"
    assert superlinear(linear_s, 1_000) == ""
