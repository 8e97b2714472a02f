from producers.line_set import LineSet


def test_a_line_set_knows_its_lines() -> None:
    numbers = LineSet()
    assert numbers.add(7)
    assert numbers.add(1_000_000)
    assert not numbers.add(7)
    assert [line in numbers for line in (6, 7, 8, 1_000_000, 9_000_000)] == [False, True, False, True, False]
