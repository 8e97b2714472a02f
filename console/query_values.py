"""Values in the address of a page. An unknown value is an error: without it, the page would show another list."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final

from console.formats import day_typed
from console.visit import Visit

_MAX_SHOWN: Final = 40
_MAX_DIGITS: Final = 9


class QueryInvalid(Exception):
    """A parameter of the address has a value that the page does not know; the text says which, and what is possible."""

    def __init__(self, name: str, written: str, possible: str) -> None:
        """Make the error.

        Args:
            name: the parameter.
            written: its value.
            possible: the values that are possible, in words.
        """
        super().__init__(f"The address has {name}={written[:_MAX_SHOWN]}. Possible: {possible}.")


def choice(visit: Visit, name: str, values: Collection[str]) -> str:
    """Return a parameter that is one of some values; empty if the address does not have the parameter."""
    written = visit.query(name)
    if written and written not in values:
        raise QueryInvalid(name, written, ", ".join(values))
    return written


def choices(name: str, written: Sequence[str], values: Collection[str]) -> frozenset[str]:
    """Return the values of a parameter that may have several of some values.

    Args:
        name: the parameter.
        written: its values.
        values: the values that are possible.
    """
    if unknown := next((each for each in written if each not in values), ""):
        raise QueryInvalid(name, unknown, ", ".join(values))
    return frozenset(written)


def number(visit: Visit, name: str, *, below: int = 10**_MAX_DIGITS) -> int | None:
    """Return a parameter that is a whole number from 0; None if the address does not have the parameter.

    Args:
        visit: the request.
        name: the parameter.
        below: the smallest number that is too large.
    """
    written = visit.query(name)
    if not written:
        return None
    is_number = written.isascii() and written.isdecimal() and len(written) <= _MAX_DIGITS
    if not is_number or int(written) >= below:
        raise QueryInvalid(name, written, f"whole numbers from 0 to {below - 1}")
    return int(written)


def day(visit: Visit, name: str) -> date | None:
    """Return a parameter that is a day; None if the address does not have the parameter."""
    written = visit.query(name)
    typed = day_typed(written)
    if written and typed is None:
        raise QueryInvalid(name, written, "days from 2000 to 2999, such as 31/12/2026 or 2026-12-31")
    return typed
