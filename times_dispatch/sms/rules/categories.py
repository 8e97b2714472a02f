"""The category of a message, which determines the hours in which the message may be sent (docs/domain.md section 5)."""

import re
from typing import Literal, get_args

Category = Literal["transactional", "service", "government", "promotional"]

CATEGORIES: tuple[Category, ...] = get_args(Category)

_LETTERS = re.compile(r"[^\W\d_]+")

_SERVICE = "(?:services?|serv|svcs?|srvc?|ser)"
_WORDS: dict[Category, re.Pattern[str]] = {
    "transactional": re.compile(
        "transactional|transactions?|transact?|trans|transl|trxns?|trx|txns?|txnl|tnx|tran|tr|tx|t|otps?"
    ),
    "service": re.compile(
        f"{_SERVICE}?(?:implicite?|implicitly|implied|impl?|impct|inferr?ed|infer|inf)|{_SERVICE}|si|s"
    ),
    "government": re.compile("governmental|government|goverment|govern|govt|gov|gvt|g"),
    "promotional": re.compile("promotional|promotions?|promos?|promot|prom|prm|pr|p|marketing"),
}
"""The names of categories at portals and panels, in exports and documents of 2021 to 2026: Airtel, BSNL, Jio, Vi, and
the portal of Tata and Videocon (Smartping, PingConnect). All portals shorten the words.
"""
_EXPLICIT = re.compile(f"{_SERVICE}?(?:explicite?|explicitly|expl?|expct)|se")
"""The category "service explicit" was abolished in 2025. Its former templates are promotional, with headers of
letters.
"""
_EXPLICIT_BESIDE = re.compile(f"{_EXPLICIT.pattern}|{_SERVICE}|{_WORDS['promotional'].pattern}")
_MEANINGLESS = frozenset(
    {"sms", "message", "messages", "msg", "msgs", "template", "templates", "content", "type", "category", "traffic"}
    | {"english", "hindi", "unicode", "regional", "dlt", "of"}
    | {"route", "communication", "communications", "comm", "comms", "only", "based", "alert", "alerts"}
)
_NO_CATEGORY = frozenset(
    {"text", "unicode", "plain", "plaintext", "flash", "english", "hindi", "regional", "vernacular", "others", "other"}
    | {"normal", "na", "n a", "multilingual", "non unicode", "variable", "fixed", "static", "dynamic", ""}
)
"""Values that are not categories, in columns with a name like ``Template Type``."""
_PREFERENCES = (
    "banking", "insurance", "financial", "real estate", "education", "health", "consumer goods", "automobile",
    "communication", "broadcasting", "entertainment", "tourism", "leisure", "food", "beverages", "retail", "ecommerce",
)  # fmt: skip
"""The words of TRAI's preference categories, which have a separate column in exports (TCCCPR 2018, schedule II)."""


def category_from_portal(word: str) -> Category | None:
    """Return the category that a portal's name means, such as ``Service Implicit (SI)``; None for an unknown name.

    All words must belong to one category: ``Transactional/Promotional`` is unknown.
    """
    words = frozenset(_letters_of(word)) - _MEANINGLESS
    if any(map(_EXPLICIT.fullmatch, words)):
        return "promotional" if all(map(_EXPLICIT_BESIDE.fullmatch, words)) else None
    return next((category for category, known in _WORDS.items() if words and all(map(known.fullmatch, words))), None)


def is_no_category(word: str) -> bool:
    """Return whether a cell does not hold a category, but the kind of text or a preference of subscribers."""
    words = _letters_of(word)
    letters = " ".join(words)
    if letters in _NO_CATEGORY:
        return True
    names_a_category = any(known.fullmatch(part) for part in words if len(part) > 1 for known in _NAMES)
    return not names_a_category and any(preference in letters for preference in _PREFERENCES)


def _letters_of(word: str) -> list[str]:
    return _LETTERS.findall(word.casefold())


_NAMES = (*(known for category, known in _WORDS.items() if category != "service"), _EXPLICIT)


def effective_category(sender: Category, template: Category | None) -> Category:
    """Return the category of a message: promotional if the template is promotional, otherwise the sender's category."""
    return "promotional" if template == "promotional" else sender
