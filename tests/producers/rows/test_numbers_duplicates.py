from hypothesis import given
from hypothesis import strategies as st

from producers.rows.numbers import NumberSet

numbers = st.integers(0, 10**15 - 1) | st.integers(0, 5)


def test_a_number_is_new_once() -> None:
    numbers = NumberSet()

    assert numbers.add([919876543210, 919876543211]) == []
    assert numbers.add([919876543212, 919876543210]) == [1]
    assert len(numbers) == 3


def test_a_repeat_within_one_call_is_found_too() -> None:
    assert NumberSet().add([5, 6, 5, 5]) == [2, 3]


@given(st.lists(st.lists(numbers, max_size=20), max_size=10))
def test_it_agrees_with_a_plain_set(groups: list[list[int]]) -> None:
    fast, plain = NumberSet(), set[int]()
    for group in groups:
        expected = []
        for position, number in enumerate(group):
            if number in plain:
                expected.append(position)
            plain.add(number)

        assert fast.add(group) == expected
    assert len(fast) == len(plain)
