from times_dispatch.ledger.lanes.rows import joined, picked
from times_dispatch.ledger.model import Recipients

ROWS = Recipients(
    first=5,
    to=["919876500001", "919876500002", "919876500003"],
    lines=[2, 3, 7],
    slots=[["Asha", "Ravi", "Meena"], ["1", "2", "3"]],
    parts=[1, 2, 1],
    custom={"city": ["Pune", "Delhi", "Agra"]},
    link_values=[["a", "b", "c"]],
)


def test_messages_keep_all_their_columns_when_some_are_picked() -> None:
    assert picked(ROWS, [0, 2]) == Recipients(
        first=0,
        to=["919876500001", "919876500003"],
        lines=[2, 7],
        slots=[["Asha", "Meena"], ["1", "3"]],
        parts=[1, 1],
        custom={"city": ["Pune", "Agra"]},
        link_values=[["a", "c"]],
    )


def test_two_parts_joined_are_the_whole_again() -> None:
    assert joined(picked(ROWS, [0]), picked(ROWS, [1, 2])) == picked(ROWS, [0, 1, 2])
