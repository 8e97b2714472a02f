"""The category of a message, which decides the hours in which it may be sent (docs/domain.md section 5)."""

from typing import Literal, get_args

Category = Literal["transactional", "service", "government", "promotional"]

CATEGORIES: tuple[Category, ...] = get_args(Category)

_PORTALS: dict[str, Category] = {
    "transactional": "transactional",
    "trans": "transactional",
    "t": "transactional",
    "service": "service",
    "serviceimplicit": "service",
    "serviceinferred": "service",
    "implicit": "service",
    "si": "service",
    "s": "service",
    "government": "government",
    "govt": "government",
    "g": "government",
    "promotional": "promotional",
    "promo": "promotional",
    "p": "promotional",
    # The category "service explicit" was abolished: its templates are promotional, and their headers are still letters.
    "serviceexplicit": "promotional",
    "explicit": "promotional",
    "se": "promotional",
}


def category_from_portal(word: str) -> Category | None:
    """Read a category as DLT portals write it, as in ``Service - Implicit``; return None if the word is unknown."""
    return _PORTALS.get("".join(filter(str.isalpha, word.casefold())))


def effective_category(sender: Category, template: Category | None) -> Category:
    """Return the category of a message: promotional if its template is promotional, else its sender's category."""
    return "promotional" if template == "promotional" else sender
