"""The names that people give to fields of a form, a sheet or a template, such as ``first name`` or ``OrderID``."""

import re
from typing import Final

_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^\W\d_a-zA-Z]+")
_NOUNS = (
    "name fname lname mname firstname lastname fullname username nickname surname customer cust client user member "
    "student parent patient guest employee recipient contact mobile phone cell email mail amount amt price balance "
    "date time otp code pin password order orderid id ref reference invoice policy account link url website city "
    "address company brand product item plan subject message text value val var variable var field column col param "
    "parameter placeholder customername studentname productname merge tag string number num"
)
_QUALIFIERS = (
    "first last middle full total due day month year here your enter insert no new old my the of bill loan card "
    "policy delivery payment start end expiry"
)
"""The words that name a field only beside a noun: ``[full]`` is a remark, ``[full name]`` is a field."""
_NOUN_SET: Final = frozenset(_NOUNS.split())
_PART_SET: Final = _NOUN_SET | frozenset(_QUALIFIERS.split())


def is_field_name(name: str) -> bool:
    """Say whether a name is certainly the name of a field: ``Name``, ``first_name``, ``customerName``, ``VAR1``."""
    parts = [part.lower() for part in _PART.findall(name)]
    while len(parts) > 1 and parts[-1].isdecimal():
        parts.pop()
    return not _NOUN_SET.isdisjoint(parts) and _PART_SET.issuperset(parts)
