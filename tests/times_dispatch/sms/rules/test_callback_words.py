from times_dispatch.sms.rules import callback_words


def test_no_word_stands_twice_in_a_list() -> None:
    lists = [getattr(callback_words, name) for name in dir(callback_words) if name.endswith("_WORDS")]

    assert lists
    assert [words for words in lists if len(set(words)) < len(words)] == []


def test_no_word_to_call_names_an_id_or_an_amount() -> None:
    others = {*callback_words.ID_WORDS, *callback_words.CURRENCY_WORDS}

    assert not others & set(callback_words.CALL_WORDS)
