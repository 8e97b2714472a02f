from producers.rows.ucs2_characters import Character, Characters
from times_dispatch.sms.templates import Template


def test_each_message_counts_once_for_each_of_its_characters() -> None:
    characters = Characters(Template("Dear {#var#}, pay {#var#}"))

    characters.add([["Asha’s’", "Ravi", "आशा"], ["₹5", "5", "₹6"]])
    characters.add([["plain"], ["5"]])

    assert len(characters) == 5
    first, second, *_ = characters.most_common(9)
    assert first == Character("₹", "U+20B9 INDIAN RUPEE SIGN", 2, "Rs")
    assert second == Character("’", "U+2019 RIGHT SINGLE QUOTATION MARK", 1, "'")
    assert {it.character: it.messages for it in characters.most_common(9)} == {"₹": 2, "’": 1, "आ": 1, "श": 1, "ा": 1}


def test_the_backtick_counts_and_e_acute_does_not() -> None:
    characters = Characters(Template("{#var#}"))

    characters.add([["é`", "`é€["]])

    assert [(it.character, it.messages) for it in characters.most_common(9)] == [("`", 2)]


def test_where_the_template_forces_all_of_them_values_do_not_matter() -> None:
    characters = Characters(Template("नमस्ते {#var#}"))

    characters.add([["आशा"]])

    assert characters.of_template == "नमस्ते"
    assert characters.most_common(9) == []


def test_without_slots_there_is_nothing_to_count() -> None:
    characters = Characters(Template("Hello"))

    characters.add([])

    assert (len(characters), characters.of_template) == (0, "")
