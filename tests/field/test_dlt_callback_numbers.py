"""Callback numbers in the groupings and places in which people write them; all numbers are made up."""

import pytest

from producers.rows.whitelists import Whitelists
from times_dispatch.sms.rules.callback_numbers import find
from times_dispatch.sms.rules.links import LinkWhitelist
from times_dispatch.sms.rules.number_whitelist import NumberWhitelist
from times_dispatch.sms.rules.short_codes import exempt_from_whitelist
from times_dispatch.sms.templates import Template


@pytest.mark.parametrize(
    "text",
    [
        "If not u? call 180012001637 - SMS via Juspay",
        "Toll Free: 1800-11-2024 (9 AM - 6 PM IST)",
        "टोल फ्री नंबर: 180-022-6753",
        "Toll Free Number: 180-022-6753",
        "SMS BLOCK to 92156.",
        "SMS BLOCK CC 0511 to 567676",
        "आपातकाल? 108 (एम्बुलेंस) पर कॉल करें",
        "108 या 102 पर कॉल करें",
        "SMS BLOCK 1234 to 5676791",
        "SMS STOP to 56263",
        "send STOP to 56263",
        "Send Stop to 56161",
        "send help to 567676",
        "Send Y to 56161",
        "send unsub to 56161",
        "send your vote to 56767",
        "Send reg to 51969",
        "Send rsvp to 51969",
        "Send documents to 2223456789",
        "Send your location to 22345678",
        "Send hi to 2345678",
        "send an empty message to 1909",
        "1800-123-4567 hours 9 to 5",
        "Type STOP & send to 1909",
        "SMS to 139",
        "1930 helpline",
        "14567 Elder Helpline",
        "Call 0008001001234",
        "Call 9876543210.",
        "Call +91 98765-43210 or 09876543211",
        "Toll free 1800 123 4567",
        "18601234567",
        "140 series: 1409856378",
        "Office 022-23456789",
        "Call:18001234567",
        "call-1800 123 4567",
        "18001800/18002021",
        "Call1800-11-2211",
        "Call 1-800-123-4567",
        "toll free no.1800 425 3800",
        "Ph:022 23456789",
        "Ph: 23456789",
        "Tel 2345 6789",
        "contact us at 0731-4201234",
        "(022) 2345 6789",
        "(0731)4201234",
        "+91-22-2345-6789",
        "91-22-23456789",
        "+91 (0) 22 2345 6789",
        "080 41234567",
        "08041234567",
        "कॉल करें १८०० १२३ ४५६७",
        "९८७६५४३२१० पर कॉल",
        "कॉल9876543210",
        "9876543210for help",
        "98 765 43210",
        "987 654 3210",
        "9876 543 210",
        "98-76-54-32-10",
        "98765.43210",
        "+919876543210",
        "00919876543210",
        "0 98765 43210",
        "Mob.9876543210",
        "Mob-9876543210",
        "call@9876543210",
        "@9876543210",
        "9876543210,9876543211",
        "9876543210/9876543211",
        "9876543210 / 9876543211",
        "022-23456789/90",
        "Call 22-23456789",
        "11-23456789",
        "call 1123456789",
        "WhatsApp 9876543210",
        "+1 415 555 2671",
        "+44 20 7946 0958",
        "call us on 18001234",
        "1860-266-2666",
        "1860 500 5555",
        "Call 1800-123-4567 24x7",
        "1600123456",
        "Dial 1800.425.3800",
        "contact-9876543210",
        "at9876543210",
        "Call us(9876543210)",
        "call *9876543210*",
        '"9876543210"',
        "Helpline:080-22234567",
        "missed call on 8080808080",
        "Landline 0265 2345678",
        "STD 0471-2345678",
        "Call 79-26543210",
        "+91 79 2654 3210",
        "91 9876543210",
        "+91-9876-543210",
        "Call +91 80 4123 4567",
        "1800-209-1234, 1860-266-1234",
        "Call 1800-266-4545/022-61606161",
        "1800 22 11 00",
        "tel:+919876543210",
        "1800180 1234",
        "Mr.Rao(9876543210)",
        "Rao(+91 98765 43210)",
        "Rao+919876543210",
        "Branch(080-41234567)",
        "Query-9876543210",
        "+91_9876543210",
        "Contact:Mr. Rao-9876543210",
        "Contact:MR RAO-9876543210",
        "Rao-9876543210",
        "M-9876543210",
        "M.9876543210",
        "(M)9876543210",
        "9876543210_TIMES",
        "call 080/41234567",
        "080/41234567",
        "1800/112211",
        "+91-(0)80-41234567",
        "+91-(0)80-4123 4567",
        "+91-98-765-432-10",
        "Call 98765\n43210",
        "Call\n1800 123\n4567",
        "Call:\n2345 6789",
        "9 8 7 6 5 4 3 2 1 0",
        "+91 9 8 7 6 5 4 3 2 1 0",
        "9-8-7-6-5-4-3-2-1-0",
        "call-1800123456 for other services-18001234-TIMES",
        "sms to 9876543210Call 1800123456 or 09876543211",
        "Call 1912",
        "dial 112",
        "Cyber helpline-1930.",
        "Helpline no – 155260",
        "call 1098 for help",
        "SMS HELP to 56767",
        "SMS STOP to 567678.",
        "1930 पर कॉल करें",
        "कॉल करें 1930",
    ],
)
def test_a_number_to_call_is_seen_wherever_it_stands(text: str) -> None:
    assert find(text)
    assert NumberWhitelist(["1800999888"]).missing(text) == find(text)


@pytest.mark.parametrize(
    "text",
    [
        "SMS OFFER to 50000 people",
        "Your balance 98765432.10",
        "Open 1800-1900 hrs",
        "Send money to 50000 users",
        "Send Rs 500 to 50000",
        "Send Rs500 to 5000000",
        "Send the form to 400051",
        "Send up to 100 SMS daily",
        "You can send money up to 50000",
        "Send Rupees 500 to 23456789",
        "Send funds to 2345678901 via IMPS",
        "Send gifts to 100 winners",
        "Send papers to 150 Feet Road",
        "SMS charges are up to 100",
        "Send INR 500 to 50000",
        "Please send the documents to 400051",
        "Send gifts to 560001 and more",
        "Call on 18-03-2026 at 5",
        "Call us by 18.03.2026",
        "Weighment 8012345678 for vehicle TN01AB1234 is recorded",
        "Account ending 9876543210",
        "send Rs 500 to 1500 customers",
        "we send gifts to 1500 people",
        "We will call on 26-11-2026",
        "We will call on 26.11.26",
        "We will call on 26112026",
        "Order 1234567890",
        "Order OD9876543210",
        "Ref #9876543210",
        "Ref 9876543210/5",
        "98765432101234",
        "Rs 9876543210.50",
        "5876543210",
        "2026-11-08 10:00",
        "https://t.in/9876543210",
        "Rs.1800 1234",
        "12-11-2026 10 30",
        "UTR 912345678901",
        "A/c no 9876543210",
        "9876543210@ybl",
        "4111 1111 1111 1111",
        "9876 5432 1098 7654",
        "on 08-11-2026 10:30",
        "Rs 1800 50000",
        "Aadhaar 9876 5432 1098",
        "AWB 9876543210123",
        "Rs 95,000.00",
        "INV-2026-98765432",
        "wa.me/919876543210",
        "x?p=9876543210",
        "OTP 123456",
        "OTP is 876543",
        "Flat 12 sector 2223456",
        "22 23456789",
        "2026-2027 1234",
        "PNR 2345678901",
        "10.30-11.30",
        "26/11/2026",
        "1,23,45,678.00",
        "code 98765 43210",
        "A1-9876543210",
        "100-200-3000",
        "Ref(9876543210)",
        "Txn(9876543210)",
        "Order No(9876543210)",
        "Rs(9876543210)",
        "f(1234567890)",
        "A1(9876543210)",
        "9876543210-9876543211-3",
        "SR No. 9876543210",
        "Token 9876543210",
        "Token No. 9876543210",
        "CA No 6012345678",
        "CA No. 60123456789",
        "K No 9876543210",
        "Ref no:\n9876543210",
        "9876543210 points",
        "98765 43210 points",
        "upto 1800 1900",
        "up to 18001900",
        "1 2 3 4 5 6 7 8 9 0",
        "9 8 7 6 5 4 3 2 1 0 1 2",
        "OD-9876543210",
        "12345\n98765\n43210",
        "call 100 times",
        "call 24x7",
        "call charges 100 p",
        "your phone for Rs. 15000",
        "in 1930 we began, call in 2025",
        "Call between 1000 am and 5 pm",
        "SMS sent to 56767 customers",
    ],
)
def test_ids_amounts_dates_and_links_are_no_numbers_to_call(text: str) -> None:
    assert find(text) == []


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Paid on 18-03-2026 16:02:18. If not you, Call 1800222243", ["1800222243"]),
        ("Toll Free: 1800-11-2024 (9 AM - 6 PM IST)", ["1800-11-2024"]),
        ("108 (एम्बुलेंस) या 102 (प्रसूति) पर कॉल करें", ["108", "102"]),
        ("Ph.022-61234567/61234568", ["022-61234567", "61234568"]),
        ("022-61234567, 61234568", ["022-61234567", "61234568"]),
        ("18001800/18002021", ["18001800", "18002021"]),
        ("Call 9876543210/9876543211, 022-23456789", ["9876543210", "9876543211", "022-23456789"]),
        ("Call 1800 1234 24/7", ["1800 1234"]),
        ("9876543210-9876543211", ["9876543210", "9876543211"]),
        ("Call 1800-123-4567 24x7", ["1800-123-4567"]),
        ("Ph:022-23456789/90", ["022-23456789"]),
        ("कॉल १८०० १२३ ४५६७", ["१८०० १२३ ४५६७"]),
    ],
)
def test_each_number_is_seen_as_it_is_written(text: str, numbers: list[str]) -> None:
    assert find(text) == numbers


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("1800 123 4567", "Call1800-123-4567"),
        ("1800 123 4567", "1-800-123-4567"),
        ("1800 123 4567", "१८०० १२३ ४५६७"),
        ("022 23456789", "+91-22-2345-6789"),
        ("022 23456789", "+91 (0) 22 2345 6789"),
        ("022 23456789", "0091 22 23456789"),
        ("022 23456789", "Call 2345 6789"),
        ("98765-43210", "00919876543210"),
    ],
)
def test_a_whitelisted_number_is_known_in_every_form(entry: str, text: str) -> None:
    assert find(text)
    assert NumberWhitelist([entry]).missing(text) == []


@pytest.mark.parametrize("number", ["1800-123-4567", "1860 266 1234", "1800-11-2024", "1800 11 2024"])
@pytest.mark.parametrize("after", ["9 AM to 6 PM", "7 days a week", "- 9 to 6", "10 AM - 6 PM", "1 for Hindi"])
def test_the_hours_after_a_toll_free_number_are_no_part_of_it(number: str, after: str) -> None:
    assert find(f"Toll free: Call {number} {after}") == [number]


SHORT = [
    "SMS STOP to 56161",
    "SMS OFFER to 50000",
    "Send HELP to 56767",
    "Type STOP & send to 1909",
    "Report fraud: call 1930",
]


@pytest.mark.parametrize("text", SHORT)
def test_a_short_code_in_a_registered_text_is_no_problem_because_no_portal_whitelists_it(text: str) -> None:
    for numbers in ([], ["1800 123 4567"]):
        lists = Whitelists(Template(text), links=LinkWhitelist([]), numbers=NumberWhitelist(numbers))
        assert (lists.problems_in_text(), lists.unlisted_numbers_in_text()) == ([], [])
    assert set(find(text)) == set(exempt_from_whitelist(text))


@pytest.mark.parametrize(
    "text",
    [
        "Send HELP to 9223123456",
        "Give a missed call on 9015135135",
        "Call 1800 208 7700",
        "Call 567676",
        "Call 5676791",
        "SMS BLOCK to 7308080808",
    ],
)
def test_other_numbers_in_a_registered_text_are_compared_with_the_whitelist(text: str) -> None:
    lists = Whitelists(Template(text), links=LinkWhitelist([]), numbers=NumberWhitelist(["1800 123 4567"]))
    assert len(lists.problems_in_text()) == 1
    assert exempt_from_whitelist(text) == []
