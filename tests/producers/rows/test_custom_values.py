from pathlib import Path

from producers.recipients import Heading
from producers.rows.custom_values import CustomColumns
from producers.rows.refusals import Finding, RefusalReason
from producers.rows.variables import Variable

HEADING = Heading(Path("a.csv"), 1, ("to", "points", "route"))
COLUMNS = CustomColumns(
    {"points": Variable("{points} pts", HEADING), "route": Variable("{route}", HEADING)},
    in_headers=frozenset({"route"}),
)


def test_only_the_columns_of_placeholders_are_needed() -> None:
    assert COLUMNS.columns == {1, 2}
    assert CustomColumns({}).columns == frozenset()


def test_every_row_gets_its_values() -> None:
    cells = {1: ["30", "10"], 2: ["c", "a"]}

    assert COLUMNS.values(cells, 2) == {"points": ["30 pts", "10 pts"], "route": ["c", "a"]}
    assert CustomColumns({}).values({}, 2) == {}


def test_only_values_in_headers_must_be_one_line_of_ascii() -> None:
    cells = {1: ["आशा", "x", "y"], 2: ["ok", "आशा", "a\r\nX-Evil: 1"]}

    findings = list(COLUMNS.findings(cells, 3))

    message = "custom.route is sent in an HTTP header, and must be one line of ASCII"
    assert findings == [
        (1, Finding(RefusalReason.HEADER, message, "आशा")),
        (2, Finding(RefusalReason.HEADER, message, "a\r\nX-Evil: 1")),
    ]
