import pytest

from times_dispatch.sms.rules import callback_words
from times_dispatch.sms.rules.callback_numbers import find
from times_dispatch.sms.rules.callback_words import AFTER_BOOKING_WORD, named_number


def test_no_word_stands_twice_in_a_list() -> None:
    lists = [getattr(callback_words, name) for name in dir(callback_words) if name.endswith("_WORDS")]

    assert lists
    assert [words for words in lists if len(set(words)) < len(words)] == []


def test_no_word_to_call_names_an_id_or_an_amount() -> None:
    others = {*callback_words.ID_WORDS, *callback_words.CURRENCY_WORDS}

    assert not others & set(callback_words.CALL_WORDS)


@pytest.mark.parametrize(
    ("before", "right"),
    [
        ("Tender no. ", "Tender no. "),
        ("The rake number is ", "rake number is "),
        ("Customer no ", "Customer no "),
        ("Service number: ", "Service number: "),
        ("मीटर नंबर ", "मीटर नंबर "),
        ("Office no. ", None),
        ("Your old number ", None),
        ("Driver Raju no.", None),
        ("Homestay host's no. ", None),
        ("Call Anil, Bata no. ", None),
        ("ड्राइवर का नंबर ", None),
        ("No. ", None),
    ],
)
def test_a_number_of_something_without_a_phone_is_named_before_it(before: str, right: str | None) -> None:
    assert named_number(before) == right


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Tender no 9012345678 closes", []),
        ("Tender no 98450 12345", ["98450 12345"]),
        ("Driver no. 9012345678", ["9012345678"]),
        ("Caller id 1600 045 678", ["1600 045 678"]),
        ("Booking: 98450 12345", ["98450 12345"]),
        ("Booking: 9845012345", []),
        ("Booking no 98450 12345", []),
        ("Clinic nos. 26301234/26301235", ["26301234", "26301235"]),
        ("Reception: 4567 8900", ["4567 8900"]),
        ("Block card 18004254445", ["18004254445"]),
        ("Card 18004254445", []),
        ("Percentile 98.76543210", []),
        ("Lat 76.1234567 N", []),
        ("Service number 7012398174", []),
        ("Vet clinic. 2552 3344 call before coming", ["2552 3344"]),
        ("Order 2552 3344 call us", []),
        ("2511 2026 call", []),
        ("LOI 8012345678 issued", []),
    ],
)
def test_words_before_ten_digits_decide_whether_they_are_a_number_to_call(text: str, numbers: list[str]) -> None:
    assert find(text) == numbers


def test_a_booking_is_a_reason_to_call() -> None:
    assert AFTER_BOOKING_WORD.search("Booking: ")
    assert not AFTER_BOOKING_WORD.search("Booking no. ")
