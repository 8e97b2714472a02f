"""The category of a message, which decides the hours in which it may be sent (docs/domain.md section 5)."""

import re
from typing import Literal, get_args

Category = Literal["transactional", "service", "government", "promotional"]

CATEGORIES: tuple[Category, ...] = get_args(Category)

_LETTERS = re.compile(r"[^\W\d_]+")

_WORDS: dict[Category, frozenset[str]] = {
    "transactional": frozenset({"transactional", "transaction", "trans", "t", "tr", "tx", "otp"}),
    "service": frozenset(
        {"service", "services", "serviceimplicit", "implicit", "inferred", "serviceinferred", "si", "s"}
    ),
    "government": frozenset({"government", "govt", "gov", "g"}),
    "promotional": frozenset({"promotional", "promotion", "promo", "p", "pr"}),
}
"""The words with which portals and panels name a category, in exports and documents of 2021 to 2026."""
_EXPLICIT = frozenset({"explicit", "serviceexplicit", "se"})
"""The category "service explicit" was abolished in 2025: its templates are promotional, with headers of letters."""
_MEANINGLESS = frozenset(
    {"sms", "message", "messages", "msg", "template", "content", "type", "category", "traffic", "route"}
)
_NO_CATEGORY = frozenset(
    {"text", "unicode", "plain", "plaintext", "flash", "english", "hindi", "regional", "vernacular", "others", "other"}
    | {"normal", "na", "n a", "multilingual", "non unicode", "variable", "fixed", "static", "dynamic", ""}
)
"""The values in columns with a name like ``Template Type`` at portals that do not mean the category."""
_PREFERENCES = (
    "banking", "insurance", "financial", "real estate", "education", "health", "consumer goods", "automobile",
    "communication", "broadcasting", "entertainment", "tourism", "leisure", "food", "beverages", "retail", "ecommerce",
)  # fmt: skip
"""Words of TRAI's preference categories, which exports have in a column of their own (TCCCPR 2018, schedule II)."""


def category_from_portal(word: str) -> Category | None:
    """Read a category as DLT portals write it, as in ``Service Implicit (SI)``; return None if the word is unknown.

    All words must belong to one category: ``Transactional/Promotional`` is unknown.
    """
    words = frozenset(_letters_of(word)) - _MEANINGLESS
    if words & _EXPLICIT:
        return "promotional" if words <= _EXPLICIT | {"service", "services"} | _WORDS["promotional"] else None
    return next((category for category, known in _WORDS.items() if words and words <= known), None)


def is_no_category(word: str) -> bool:
    """Return whether a cell says something else than the category: the kind of text, or a preference of subscribers."""
    letters = " ".join(_letters_of(word))
    return letters in _NO_CATEGORY or any(preference in letters for preference in _PREFERENCES)


def _letters_of(word: str) -> list[str]:
    return _LETTERS.findall(word.casefold())


def effective_category(sender: Category, template: Category | None) -> Category:
    """Return the category of a message: promotional if its template is promotional, else its sender's category."""
    return "promotional" if template == "promotional" else sender
