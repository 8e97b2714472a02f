from benchmarks.labelled_texts import LabelCounts, count_errors


def test_missed_and_wrong_numbers_are_counted() -> None:
    lines = [
        "Call <<9876543210>> or <<1800 123 4567>>, mail care@bank.co.in",
        "Call <<1800>>\\nnow, pay asha@okaxis",
        "Call 022-23456789",
    ]

    assert count_errors(lines) == LabelCounts(
        texts=3, numbers=3, missed=1, found_wrongly=1, addresses=2, addresses_as_links=0
    )
