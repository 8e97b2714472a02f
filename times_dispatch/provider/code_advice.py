"""Advice about the codes that the ledger counts; ``reports/codes.py`` and the settings have their meanings."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_PERMANENT: Final = "leave the number out of later campaigns"
_TEMPORARY: Final = "send again later"
_DLT: Final = "compare with the DLT portal, and have it approved there"

_REPORTED: Final[Mapping[int, str]] = MappingProxyType(
    {
        901: "send promotional messages only to numbers with consent",
        902: "change the text, or ask the provider why it is spam",
        903: "put the number on the opt-out list",
        904: "ask the provider",
        905: _PERMANENT,
        906: _DLT,
        907: _DLT,
        908: _DLT,
        909: "have the consent registered on the DLT portal",
        910: _PERMANENT,
        912: _TEMPORARY,
        913: "send promotional messages only to numbers with consent",
        914: _TEMPORARY,
        915: "ask the provider why it drops messages",
        916: _TEMPORARY,
        917: _TEMPORARY,
        918: "wait 30 minutes before the same text goes to a number again",
        919: _TEMPORARY,
        920: "have the link whitelisted on the DLT portal",
    }
)
_PUSHED: Final[Mapping[int, str]] = MappingProxyType(
    {
        10: "wait for the reports; then dispatch resolve",
        11: "wait for the reports; then dispatch resolve",
        12: "find out what answers in the provider's place: dispatch provider check",
        13: "wait for the reports; then dispatch resolve",
        14: "report the error with the log",
        15: "correct the row: its text does not fit into a request",
        16: "nothing: nobody can say whether the first attempt arrived",
        2051: "have the sender registered with the provider",
        2054: _PERMANENT,
        2070: "correct the provider's user name and password",
        5001: "have the template approved",
        6001: "top up the account, then dispatch resume",
        7001: "set the template's content_id",
    }
)


def advice_of(name: str) -> str:
    """Return advice about a counted code, such as ``report:910`` or ``push:2054``; empty if there is no advice."""
    origin, _, digits = name.partition(":")
    return {"report": _REPORTED, "push": _PUSHED}.get(origin, {}).get(int(digits), "")
