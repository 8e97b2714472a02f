from times_dispatch.provider.push import Push


def test_a_push_shows_neither_number_nor_text() -> None:
    push = Push(to="919876543210", text="Hi Asha", sender="TIMESM", content_id="1", correlation_id="c1", unicode=False)
    for shown in (repr(push), str(push), repr(push.__rich_repr__())):
        assert "c1" in shown
        assert "9876543210" not in shown
        assert "Asha" not in shown


def test_unicode_is_a_string_and_no_boolean() -> None:
    for unicode, word in ((True, "true"), (False, "false")):
        push = Push(to="9", text="x", sender="TIMESM", content_id="1", correlation_id="c1", unicode=unicode)
        assert push.unicode_word == word
