"""Suggestions for an unknown name, at a limited cost: the time of a comparison grows with the square of the length."""

import difflib
from collections.abc import Iterable
from itertools import islice
from typing import Final

_MAX_NAME_LENGTH: Final = 100
_MAX_COMPARED: Final = 1_000


def similar_name(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return the known name that is most similar to an unknown name, or an empty text.

    Args:
        name: the unknown name.
        known: the known names; if there are very many, only the first names are compared.
        cutoff: how similar the names must be, from 0 to 1.
    """
    if len(name) > _MAX_NAME_LENGTH:
        return ""
    candidates = [candidate for candidate in islice(known, _MAX_COMPARED) if len(candidate) <= _MAX_NAME_LENGTH]
    return next(iter(difflib.get_close_matches(name, candidates, n=1, cutoff=cutoff)), "")
