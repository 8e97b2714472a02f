from pathlib import Path

from producers.recipients import Heading
from producers.rows.link_columns import LinkColumns, Target
from producers.rows.refusals import RefusalReason
from producers.rows.variables import Variable

HEADING = Heading(Path("a.csv"), 1, ("to", "customer", "city"))
TARGETS = [
    Target("offer", ["https://shop.example/", "/sale?u=", ""], [1, 0]),
    Target("help", ["https://shop.example/help"], []),
]
COLUMNS = LinkColumns(TARGETS, [Variable("{customer}", HEADING), Variable("{city|all}", HEADING)])


def test_only_the_columns_of_the_targets_are_needed() -> None:
    assert COLUMNS.columns == {1, 2}
    assert COLUMNS.required == {1}
    assert LinkColumns().columns == frozenset()


def test_every_row_gets_its_values_and_defaults() -> None:
    cells = {1: ["C1", "C2"], 2: ["", "Pune"]}
    assert COLUMNS.values(cells, 2) == [["C1", "C2"], ["all", "Pune"]]
    assert LinkColumns().values({}, 2) == []


def test_values_that_no_address_takes_are_found() -> None:
    findings = list(COLUMNS.findings([["C1", "C2"], ["..", "Pune"]]))

    assert [(index, finding.reason) for index, finding in findings] == [(0, RefusalReason.LINK)]
    assert findings[0][1].message == "links.offer makes a link target whose path has a segment of dots only"
