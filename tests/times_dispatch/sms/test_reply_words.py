import pytest

from times_dispatch.sms.reply_words import comparable_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("STOP", ["stop"]),
        ("  Stop,  please! ", ["stop", "please"]),
        ("(\u200bSTOP\u200b).", ["stop"]),
        ("\u092c\u0902\u0926 \u0915\u0930\u094b\u0964", ["\u092c\u0902\u0926", "\u0915\u0930\u094b"]),
        ("don't", ["don't"]),
        ("?! - +", []),
        ("", []),
    ],
)
def test_words_are_compared_without_case_and_without_the_punctuation_around_them(text: str, words: list[str]) -> None:
    assert list(comparable_words(text)) == words


def test_two_spellings_of_one_character_give_the_same_word() -> None:
    assert list(comparable_words("ARRE\u0302T")) == list(comparable_words("arr\u00eat"))
