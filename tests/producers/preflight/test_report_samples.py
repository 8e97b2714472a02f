from producers.preflight.report import SampleChooser
from times_dispatch.ledger.model import Recipients
from times_dispatch.sms.templates import Template


def batch(first: int, names: list[str], parts: list[int] | None = None) -> Recipients:
    """Return a batch with one slot."""
    numbers = [f"91900000{index:04}" for index in range(first, first + len(names))]
    return Recipients(
        first, numbers, list(range(first + 2, first + 2 + len(names))), [names], parts or [1] * len(names)
    )


def test_the_first_the_one_with_most_parts_and_one_of_another_encoding_are_chosen() -> None:
    samples = SampleChooser(Template("Dear {#var#}"))

    samples.add(batch(0, ["Asha", "Ravi"]))
    samples.add(batch(2, ["x" * 200, "Meena"], [2, 1]))
    samples.add(batch(4, ["आशा", "x" * 200], [1, 2]))

    chosen = samples.chosen()
    assert [(sample.line, sample.parts, sample.unicode) for sample in chosen] == [
        (2, 1, False),
        (4, 2, False),
        (6, 1, True),
    ]
    assert chosen[0].text == "Dear Asha"
    assert chosen[0].to == "9190*****000"


def test_a_uniform_list_shows_its_first_rows() -> None:
    samples = SampleChooser(Template("Dear {#var#}"))
    samples.add(batch(0, ["Asha", "Ravi", "Meena", "Tara"]))

    assert [sample.line for sample in samples.chosen()] == [2, 3, 4]


def test_few_rows_give_few_samples() -> None:
    samples = SampleChooser(Template("Dear {#var#}"))
    assert samples.chosen() == []

    samples.add(batch(0, ["Asha"]))
    assert [sample.line for sample in samples.chosen()] == [2]


def test_in_a_hindi_template_all_have_the_same_encoding() -> None:
    samples = SampleChooser(Template("नमस्ते {#var#}"))
    samples.add(batch(0, ["Asha", "आशा"]))

    assert [sample.unicode for sample in samples.chosen()] == [True, True]


def test_a_text_without_slots_is_shown_too() -> None:
    samples = SampleChooser(Template("Hello"))
    samples.add(Recipients(0, ["919000000000", "919000000001"], [2, 3], [], [1, 1]))

    assert [sample.text for sample in samples.chosen()] == ["Hello", "Hello"]
