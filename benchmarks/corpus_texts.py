"""Generates values and texts like those of Indian senders from a seed, each with the right judgement.

The forms are from public templates and messages of banks, shops, schools and authorities, read in November 2026; the
words, names and digits are invented.
"""

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

LINK, NUMBER, SLOT, RECIPIENT, CATEGORY, SPELLING = (
    "link", "callback number", "slot", "recipient's number", "category", "spelling of a slot",
)  # fmt: skip

WHITELISTED_LINKS = ("times.example", "https://sho.rt/TIMESM/")
WHITELISTED_NUMBERS = ("1800 123 4567", "022 23456789", "98765 43210")

_ENDINGS = (
    "in", "com", "net", "org", "co.in", "io", "xyz", "info", "online", "site", "shop", "app", "ru", "link",
    "gov.in", "edu", "ai", "me", "cc", "bank.in", "dev",
)  # fmt: skip
_NAMES = (
    "pay", "offer", "kyc", "update", "bonus", "win", "card", "loan", "track", "order",
    "my", "secure", "login", "app", "times", "shop", "refund",
)  # fmt: skip
_PEOPLE = ("Asha Rao", "Mr.Rao", "Dr.Sen", "K.Ram", "Smt.Devi", "राहुल शर्मा", "Mohd. Ali", "M/s A.K.Traders")
_BEFORE = (
    "Call {}", "call us at {}", "Call:{}", "call-{}", "Call{}", "Ph {}", "Ph:{}", "Ph. No. {}", "Tel {}", "Mob.{}",
    "Toll Free No. {}", "Toll free:{}", "Toll Free No.- {}", "contact {}", "Contact us on {}", "Helpline {}",
    "Helpline No:{}", "WhatsApp {}", "missed call on {}", "give a missed call to {}", "Not you? Call {}", "dial {}",
    "For queries call: {}", "or call on {} now", "SMS BLOCK 284 to {}", "SMS STOP to {}", "कॉल करें {}", "{} पर कॉल करें",
    "({})", "{}", "{}.", "{} -TIMES", "Customer care {}", "{}/5000-TIMES", "{} 24x7", "हेल्पलाइन {}",
)  # fmt: skip
_NEEDS_CALL_WORD = _BEFORE[:24]
_GROUPINGS = ((10,), (5, 5), (4, 6), (3, 3, 4), (4, 3, 3), (2, 4, 4), (5, 3, 2), (2, 2, 2, 2, 2), (3, 7))
_TOLL_FREE = ((8,), (10,), (11,), (4, 3, 3), (4, 3, 4), (4, 4, 3), (4, 2, 2, 2), (4, 6), (4, 7), (1, 3, 3, 4), (4, 4))
_CODES = ("11", "22", "33", "44", "40", "80", "79", "20", "731", "120", "124", "484", "612", "755", "265", "471")
_ZEROS = "०০੦૦௦౦೦൦"


class CorpusSample(NamedTuple):
    """A value or a text with the right judgement."""

    rule: str
    text: str
    is_bad: bool
    """Whether an operator drops the message."""
    kind: str = ""
    """The tag of the slot of a value."""


def samples(count: int, seed: int = 1) -> Iterator[CorpusSample]:
    """Yield about ``count`` samples, with the same number of each kind."""
    chance = random.Random(seed)
    kinds: tuple[Callable[[random.Random], CorpusSample], ...] = (
        _foreign_link, _own_link, _no_link, _foreign_number, _own_number, _no_number,
        _bad_value, _good_value, _landline, _mobile, _category, _no_category, _bad_spelling, _good_spelling,
    )  # fmt: skip
    for _ in range(count // len(kinds)):
        for kind in kinds:
            yield kind(chance)


def _digits(chance: random.Random, count: int) -> str:
    return "".join(chance.choice("0123456789") for _ in range(count))


def _grouped(chance: random.Random, digits: str, sizes: tuple[int, ...], separators: str = " -") -> str:
    groups, start = [], 0
    for size in sizes:
        groups.append(digits[start : start + size])
        start += size
    return chance.choice(separators).join(groups)


def _foreign_link(chance: random.Random) -> CorpusSample:
    host = f"{chance.choice(_NAMES)}{chance.choice(['', '-', '1'])}{chance.choice(_NAMES)}.{chance.choice(_ENDINGS)}"
    path = chance.choice(["", "/", "/x1", "/TIMESM/x?a=1", ":8080", ":443/p"])
    link = chance.choice(["", "", "http://", "https://", "www.", "HTTPS://"]) + host + path
    shown = chance.choice(
        ["{}", "Pay at {}", "Pay at {}.", "({})", "Link:{}", "{} now", "see...{}", "*{}*", "भुगतान {} पर", "•{}"]
    )
    return CorpusSample(LINK, shown.format(link), is_bad=True)


def _own_link(chance: random.Random) -> CorpusSample:
    link = chance.choice(["times.example/a", "https://times.example/x?y=1", "www.times.example", "sho.rt/TIMESM/q7"])
    return CorpusSample(
        LINK, chance.choice(["{}", "Pay at {}.", "({})", "Link:{}", "{} now"]).format(link), is_bad=False
    )


def _no_link(chance: random.Random) -> CorpusSample:
    word, other = chance.choice(_NAMES), chance.choice(_NAMES).title()
    return CorpusSample(
        LINK,
        chance.choice(
            [
                f"{word}@{other.lower()}.co.in", f"Mail {word}.{other.lower()}@times.in", f"{word}@okaxis", "B.Com",
                f"{word}.{other}", f"Thank you.{other} again", f"Rs.{_digits(chance, 3)}/-", "BBA/B.Com", "Opp.Bank",
                f"{_digits(chance, 2)}.{_digits(chance, 2)}.2026", f"S.No/{_digits(chance, 2)}", "9.am/9.pm", "10.30am",
                f"Inv.No:{_digits(chance, 3)}/2025-26", chance.choice(_PEOPLE), f"A/c.{_digits(chance, 4)}", "Pvt.Ltd.",
                f"{_digits(chance, 1)}.5 kg", "e.g. this", f"No.{_digits(chance, 2)}/A", "M.Sc/B.Sc", "St.Mary/Cross",
                f"{other}.In case of doubt", "sent.to", f"v{_digits(chance, 1)}.{_digits(chance, 2)}", "U.P. East",
            ]
        ),
        is_bad=False,
    )  # fmt: skip


def _in_script(chance: random.Random, text: str) -> str:
    zero = ord(chance.choice(_ZEROS))
    return "".join(chr(zero + int(character)) if character.isdigit() else character for character in text)


def _foreign_number(chance: random.Random) -> CorpusSample:
    shape, before = chance.randrange(6), chance.choice(_BEFORE)
    if shape <= 1:
        number = _grouped(chance, chance.choice("6789") + _digits(chance, 9), chance.choice(_GROUPINGS))
        number = chance.choice(["", "", "+91 ", "+91-", "91", "0", "+91"]) + number
    elif shape <= 3:
        sizes = chance.choice(_TOLL_FREE)
        digits = chance.choice(["1800", "1800", "1860"]) + _digits(chance, sum(sizes) - 4)
        number = _grouped(chance, digits, sizes)
    else:
        code = chance.choice(_CODES)
        local = chance.choice("234567") + _digits(chance, 9 - len(code))
        local = chance.choice([local, local, f"{local[:-4]} {local[-4:]}"])
        number = chance.choice([f"0{code}-{local}", f"0{code} {local}", f"(0{code}) {local}", f"+91-{code}-{local}"])
        if chance.random() < 0.3:
            number, before = chance.choice([f"{code}{local}", local]), chance.choice(_NEEDS_CALL_WORD)
    if chance.random() < 0.1:
        number = _in_script(chance, number)
    return CorpusSample(NUMBER, before.format(number), is_bad=True)


def _own_number(chance: random.Random) -> CorpusSample:
    number = chance.choice(
        ["1800 123 4567", "1800-123-4567", "18001234567", "022-23456789", "+91 22 2345 6789", "9876543210"]
    )
    return CorpusSample(NUMBER, chance.choice(_BEFORE[:24]).format(number), is_bad=False)


def _no_number(chance: random.Random) -> CorpusSample:
    def d(count: int) -> str:
        return _digits(chance, count)

    return CorpusSample(
        NUMBER,
        chance.choice(
            [
                f"OD{d(10)}", f"Ref #{d(10)}", f"Ref no {d(10)}", f"UTR {d(12)}", f"A/c no {d(11)}", f"AWB {d(10)}",
                f"Order no. {d(10)}", f"Rs {d(5)}.{d(2)}", f"Rs.{d(6)}", f"{d(2)}-11-2026 10:{d(2)}", f"OTP {d(6)}",
                f"{d(2)}/11/2026", f"{d(3)}-{d(7)}-{d(7)}", f"{d(4)} {d(4)} {d(4)} {d(4)}", f"X{d(4)}", f"{d(6)}",
                f"{d(10)}@ybl", f"t.in/{d(10)}", f"PNR {d(10)}", f"Policy No. {d(10)}", f"Txn {d(12)}", f"{d(14)}",
                f"1,{d(2)},{d(3)}.00", f"INV-2026-{d(8)}", f"Flat {d(3)}, Sector {d(2)}", f"Pin {d(6)}", f"{d(16)}",
                f"Consumer no {d(10)}", f"Regn No {d(8)}", f"2026-11-{d(2)} 10:{d(2)}:{d(2)}", f"Complaint {d(8)}",
            ]
        ),
        is_bad=False,
    )  # fmt: skip


def _bad_value(chance: random.Random) -> CorpusSample:
    word = chance.choice(_NAMES)
    kind, text = chance.choice(
        [
            ("num", f"{_digits(chance, 3)},{_digits(chance, 3)}"), ("num", "12.50"), ("num", word), ("num", ""),
            ("alp", f"{word}-{word}"), ("alp", "10:30"), ("alp", f"{word}@x"), ("alp", "a" * 41), ("alp", f"Rs,{word}"),
            ("urg", word), ("urg", f"https://times.example/{'a' * 30}"), ("uro", "not a link"), ("cbn", "call us"),
            ("cbn", _digits(chance, 2)), ("email", f"{word}@x"), ("email", word), ("var", "a" * 31), ("var", "a\nb"),
        ]
    )  # fmt: skip
    return CorpusSample(SLOT, text, is_bad=True, kind=kind)


def _good_value(chance: random.Random) -> CorpusSample:
    word = chance.choice(_NAMES)
    kind, text = chance.choice(
        [
            ("num", _digits(chance, 6)), ("alp", f"{word} {word}"), ("alp", f"27.{_digits(chance, 1)}.2026"),
            ("alp", f"ABC/{_digits(chance, 3)}/X_1"), ("alp", "राहुल शर्मा"), ("alp", "a" * 40), ("var", "a" * 30),
            ("urg", f"https://times.example/{'a' * chance.randrange(18)}"), ("uro", "https://times.example/app"),
            ("cbn", "1800 123 4567"), ("email", f"{word}@times.co.in"), ("var", f"Rs {_digits(chance, 4)}.00"),
            ("NUM", _digits(chance, 4)), ("alphanumeric", word), ("url", "www.times.example/a"),
        ]
    )  # fmt: skip
    return CorpusSample(SLOT, text, is_bad=False, kind=kind)


def _landline(chance: random.Random) -> CorpusSample:
    code = chance.choice([code for code in _CODES if code[0] in "678"])
    digits = code + chance.choice("24") + _digits(chance, 9 - len(code))
    return CorpusSample(RECIPIENT, chance.choice(["", "0", "+91", "91 "]) + digits, is_bad=True)


def _mobile(chance: random.Random) -> CorpusSample:
    start = chance.choice(["9", "98", "70", "8989", "6200", "6300", "7900", "8012", "99", "7999", "8130", "6912"])
    return CorpusSample(
        RECIPIENT, chance.choice(["", "0", "+91", "91 "]) + start + _digits(chance, 10 - len(start)), is_bad=False
    )


def _category(chance: random.Random) -> CorpusSample:
    words = [
        "Promotional", "Promotional (P)", "Promotional SMS", "Promo", "Service Implicit", "Service Implicit (SI)",
        "Service-Explicit", "Service/Explicit", "Service Explicit (SE)", "Transactional", "Transactional (OTP)",
        "Otp SMS", "Government", "Govt", "SERVICE_IMPLICIT", "Service Inferred", "SE", "SI", "P", "T", "G",
    ]  # fmt: skip
    word = chance.choice(words)
    return CorpusSample(CATEGORY, chance.choice([word, word.upper(), word.lower(), f" {word} "]), is_bad=False)


def _no_category(chance: random.Random) -> CorpusSample:
    words = [
        "Transactional/Promotional",
        "Non-promotional",
        "Implicit/Explicit",
        "Werbung",
        "Priority",
        "Bulk",
        "Alert",
    ]
    return CorpusSample(CATEGORY, chance.choice(words), is_bad=True)


def _bad_spelling(chance: random.Random) -> CorpusSample:
    word = chance.choice(["var", "num", "alp", "url", "numeric", "alphanumeric", "cbn", "email"])
    shapes = ["{# %s #}", "{#%s}", "{%s#}", "{##%s##}", "[#%s#]", "##%s##", "#%s#", "{#%s1#}", "{#%s_2#}", "{ #%s# }"]
    return CorpusSample(SPELLING, f"Dear {chance.choice(shapes) % word}, thank you. - TIMES", is_bad=True)


def _good_spelling(chance: random.Random) -> CorpusSample:
    word = chance.choice(["var", "num", "NUM", "Alp", "url", "numeric", "AlphaNumeric", "cbn", "email", "urg", "uro"])
    return CorpusSample(SPELLING, f"Dear {{#{word}#}}, order #{_digits(chance, 3)}. - TIMES", is_bad=False)
