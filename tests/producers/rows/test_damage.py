import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.rows.damage import DamageCheck, DamageKind, damage_of_text
from times_dispatch.settings.tables.recipients import NO_VALUE

CHECK = DamageCheck()
pieces = st.sampled_from(
    [
        "Asha",
        "आशा",
        "NULL",
        "na",
        "-",
        "#N/A",
        "#REF!",
        "{",
        "}",
        "name",
        "##",
        "%s",
        "?",
        "??",
        " ",
        "\ufffd",
        "Ã©",
        "é",
        "1.2E+18",
        "inf",
        "=A1",
        "Loading...",
        "Err:502",
        "<<",
        ">>",
        "«",
        "»",
        "*|",
        "|*",
        "[object Object]",
        "@SUM(A1)",
        "null",
        "undefined",
        "NaN",
        "XXX",
        "----",
        "...",
        "'",
        '"',
        "_",
        "Array",
        "1899",
        "-12-30",
        "&amp;",
        "<br>",
        "Â",
        "à¤",
        "$name",
        "[name]",
        "%20",
        "1e-05",
        "Invalid Date",
        "DD/MM/YYYY",
        "XX-XX-XX",
        "loading...",
    ]
)


@given(st.lists(st.lists(pieces, max_size=3).map("".join), max_size=6))
def test_checking_many_cells_agrees_with_checking_each(cells: list[str]) -> None:
    expected = {index: damage for index, cell in enumerate(cells) if (damage := CHECK.of(cell))}

    assert CHECK.find(cells) == expected


@given(st.lists(st.sampled_from(["Asha", "", "null", "NULL", "#REF!", "1.2E+18", "आशा", "a\nnull"]), max_size=80))
def test_a_damaged_value_that_repeats_is_found_in_each_cell(cells: list[str]) -> None:
    expected = {index: damage for index, cell in enumerate(cells) if (damage := CHECK.of(cell))}

    assert list(CHECK.find(cells).items()) == list(expected.items())


def test_a_damaged_value_is_found_behind_many_that_differ() -> None:
    cells = [f"A{number}" for number in range(100)] + ["null", "A1", "null"]

    assert list(CHECK.find(cells)) == [100, 102]


@pytest.mark.parametrize("cell", ["", "NULL", "null", "#N/A", "—"])
def test_a_cell_without_a_value_is_absent(cell: str) -> None:
    damage = CHECK.of(cell)

    assert damage
    assert damage.kind is DamageKind.ABSENT


def test_no_reason_holds_a_part_of_the_value() -> None:
    damage = damage_of_text("Dear {secret-name}")

    assert damage
    assert "secret" not in damage.reason


def test_other_words_for_no_value_replace_the_usual_ones() -> None:
    check = DamageCheck(["unknown"])

    assert check.of("NULL") is None
    assert check.of("Unknown")


SPELLINGS = (
    "(city)",
    "(amount)",
    "(date)",
    "(mobile)",
    "(otp)",
    "-nil",
    "yyyy/mm/dd",
    "pd.NaT()",
    "1 Jan 0001",
    "01 January 0001",
    "(not set)",
    "-None-",
    "(-nan)",
    "30-Dec-1899",
    "[object Object]",
)


@pytest.mark.parametrize("cell", SPELLINGS)
def test_the_search_of_a_column_finds_each_spelling_that_the_check_of_a_cell_finds(cell: str) -> None:
    assert CHECK.find([cell, "Asha"]) == ({0: damage} if (damage := CHECK.of(cell)) else {})


@pytest.mark.parametrize("around", ["--", "()", "[]", "<>", "''", '""', "``"])
def test_the_search_of_a_column_finds_each_word_for_no_value_in_signs(around: str) -> None:
    cells = [f"{around[0]}{word}{around[1]}" for word in sorted((*NO_VALUE, "custom word"))]
    check = DamageCheck((*NO_VALUE, "custom word"))
    missed = [cell for cell in cells if check.of(cell) and not check.find([cell, "Asha"])]
    assert missed == []


@pytest.mark.parametrize("value", ['("Chintu") Rao', "anil.Kumar@cafe"])
def test_a_value_with_signs_of_a_program_is_a_value(value: str) -> None:
    assert CHECK.of(value) is None
