from console.figures.code_words import CodeBook
from times_dispatch.ledger.statistics.figures import CodeCount
from times_dispatch.settings.model import Settings


def test_codes_have_a_meaning_and_an_advice_also_without_providers_in_the_settings() -> None:
    book = CodeBook(Settings(redis_url="", broker_url=""), ["gone"])
    [words] = book.words([CodeCount(state="failed", code=910, messages=3)])
    assert (words.meaning, words.advice) == ("invalid subscriber", "leave the number out of later campaigns")
    assert book.meaning("push:6001") == "insufficient balance"
    assert book.advice("push:4242") == ""
