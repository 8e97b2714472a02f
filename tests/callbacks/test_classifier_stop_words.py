"""Which replies ask for no more messages."""

import pytest

from callbacks.classifier import StopWords
from times_dispatch.settings.optouts import STOP_WORDS

WORDS = StopWords([*STOP_WORDS, "ÉTEINS"])


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
def test_the_first_word_counts_whatever_its_case_and_what_stands_around_it(reply: str) -> None:
    assert WORDS.begin(reply)


@pytest.mark.parametrize("reply", ["", "   ", "...", "please stop", "stopping", "nonstop", "बंदर", "no STOP"])
def test_other_replies_do_not(reply: str) -> None:
    assert not WORDS.begin(reply)


@pytest.mark.parametrize("reply", ["OPT OUT", "opt  out please", "- Opt, out!", '"Opt" ... out', "STOP ALL", "stop"])
def test_an_entry_may_have_several_words_and_punctuation_of_its_own(reply: str) -> None:
    assert StopWords(["OPT OUT", "Stop!", "«stop all now»"]).begin(reply)


@pytest.mark.parametrize("reply", ["OPT", "opt in", "out opt", "opt-out", "optout", "please opt out"])
def test_all_words_of_an_entry_must_begin_the_reply(reply: str) -> None:
    assert not StopWords(["OPT OUT"]).begin(reply)


def test_without_words_no_reply_does() -> None:
    assert not StopWords([]).begin("STOP")
    assert not StopWords([]).begin("")
