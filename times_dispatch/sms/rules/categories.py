"""What kind a message is: it decides the hours in which it may be sent (docs/domain.md section 5)."""

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
    # They became promotional, and kept their letter headers.
    "serviceexplicit": "promotional",
    "explicit": "promotional",
    "se": "promotional",
}


def from_portal(word: str) -> Category | None:
    """Read a category as DLT portals write it (``Service - Implicit``, ``SERVICE_EXPLICIT``); None if it is unknown."""
    return _PORTALS.get("".join(filter(str.isalpha, word.casefold())))


def effective(sender: Category, template: Category | None) -> Category:
    """Return what a message goes as: promotional as soon as its template is; what its sender is otherwise."""
    return "promotional" if template == "promotional" else sender
