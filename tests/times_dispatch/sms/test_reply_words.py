import pytest

from times_dispatch.settings.tables.optouts import STOP_WORDS
from times_dispatch.sms.reply_words import StopWords, comparable_words


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


DEFAULT_STOP_WORDS = StopWords([*STOP_WORDS, "ÉTEINS"])


@pytest.mark.parametrize(
    "reply",
    [
        "STOP",
        "stop",
        " Stop. ",
        '"STOP"',
        "- stop sending this",
        "\u200bStop",
        "STOP\nbye",
        "unsubscribe!!",
        "बंद करो",
        "e\u0301teins",
    ],
)
def test_a_reply_that_begins_with_a_stop_word_opts_out(reply: str) -> None:
    assert DEFAULT_STOP_WORDS.begin(reply)


@pytest.mark.parametrize("reply", ["", "   ", "...", "please stop", "stopping", "nonstop", "बंदर", "no STOP"])
def test_other_replies_do_not_opt_out(reply: str) -> None:
    assert not DEFAULT_STOP_WORDS.begin(reply)


@pytest.mark.parametrize("reply", ["OPT OUT", "opt  out please", "- Opt, out!", '"Opt" ... out', "STOP ALL", "stop"])
def test_an_entry_may_have_several_words_and_punctuation_of_its_own(reply: str) -> None:
    assert StopWords(["OPT OUT", "Stop!", "«stop all now»"]).begin(reply)


@pytest.mark.parametrize("reply", ["OPT", "opt in", "out opt", "opt-out", "optout", "please opt out"])
def test_all_words_of_an_entry_must_begin_the_reply(reply: str) -> None:
    assert not StopWords(["OPT OUT"]).begin(reply)


def test_without_entries_no_reply_opts_out() -> None:
    assert not StopWords([]).begin("STOP")
    assert not StopWords([]).begin("")
