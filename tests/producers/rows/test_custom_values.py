from pathlib import Path

from producers.recipients import Heading
from producers.rows.custom_values import CustomColumns
from producers.rows.refusals import Finding, RefusalReason
from producers.rows.variables import Variable
from tests.kit.producers import chunk_of

HEADING = Heading(Path("a.csv"), 1, ("to", "points", "route"))
COLUMNS = CustomColumns(
    {"points": Variable("{points} pts", HEADING), "route": Variable("{route}", HEADING)},
    in_headers=frozenset({"route"}),
)


def test_only_the_columns_of_placeholders_are_needed() -> None:
    assert COLUMNS.columns == {1, 2}
    assert CustomColumns({}).columns == frozenset()


def test_values_belong_to_the_chosen_lines_in_their_order() -> None:
    chunk = chunk_of(("98", "10", "a"), ("99", "20", "b"), ("97", "30", "c"), first_line=7)

    assert COLUMNS.values(chunk, [9, 7]) == {"points": ["30 pts", "10 pts"], "route": ["c", "a"]}
    assert CustomColumns({}).values(chunk, [9, 7]) == {}


def test_only_values_in_headers_must_be_one_line_of_ascii() -> None:
    cells = {1: ["आशा", "x", "y"], 2: ["ok", "आशा", "a\r\nX-Evil: 1"]}

    findings = list(COLUMNS.findings(cells, 3))

    message = "custom.route stands in a header, and must be one line of ASCII"
    assert findings == [
        (1, Finding(RefusalReason.HEADER, message, "आशा")),
        (2, Finding(RefusalReason.HEADER, message, "a\r\nX-Evil: 1")),
    ]
