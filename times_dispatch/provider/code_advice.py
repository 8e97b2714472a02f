"""Advice about the codes that the ledger counts; ``reports/codes.py`` and the settings have their meanings."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_PERMANENT: Final = "leave the number out of later campaigns"
_TEMPORARY: Final = "send again later"
_DLT: Final = "compare with the DLT portal, and have it approved there"

_LINK: Final = "have the link whitelisted on the DLT portal"
_CONSENT: Final = "send promotional messages only to numbers with consent"
_CONNECTION: Final = "check the provider's address and the network: dispatch provider check"

_REPORTED: Final[Mapping[int, str]] = MappingProxyType(
    {
        900: "ask the provider for the reason",
        901: _CONSENT,
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
        913: _CONSENT,
        914: _TEMPORARY,
        915: "ask the provider why it drops messages",
        916: _TEMPORARY,
        917: _TEMPORARY,
        918: "wait 30 minutes before the same text goes to a number again",
        919: _TEMPORARY,
        920: _LINK,
        **dict.fromkeys(range(600, 606), _DLT),
        **dict.fromkeys(range(610, 620), "have the provider added as telemarketer on the DLT portal"),
        **dict.fromkeys(range(620, 626), _DLT),
        **dict.fromkeys(
            range(630, 638), "compare the text with the template on the DLT portal: dispatch template check"
        ),
        635: "shorten the values of the template's variables",
        642: _LINK,
        650: _CONSENT,
        651: "send promotional messages from 10:00 to 21:00",
        660: "have the consent registered on the DLT portal",
        670: _TEMPORARY,
        700: _LINK,
        701: _LINK,
    }
)
_SUPPRESSED: Final[Mapping[int, str]] = MappingProxyType(
    {
        31: "nothing: the recipient wants no messages",
        32: "send later, or raise the sender's max_per_number",
        33: "send later, or change the sender's repeat_after",
        34: _PERMANENT,
        35: "nothing: the person's data was erased",
    }
)
_PUSHED: Final[Mapping[int, str]] = MappingProxyType(
    {
        **dict.fromkeys((1, 2, 3, 4, 6), _CONNECTION),
        5: "nothing: sent again; if it stays, raise the provider's max_connections",
        7: "correct the provider's credentials",
        8: "check the token server: dispatch provider check",
        9: "nothing: sent again",
        10: "wait for the reports; then dispatch resolve",
        11: "wait for the reports; then dispatch resolve",
        12: "find out what answers in the provider's place: dispatch provider check",
        13: "wait for the reports; then dispatch resolve",
        14: "report the error with the log",
        15: "correct the row: its text does not fit into a request",
        16: "nothing: nobody can say whether the first attempt arrived",
        401: "correct the provider's user name and password",
        404: "correct the provider's endpoint",
        429: "lower the sender's rate_per_s",
        2051: "have the sender registered with the provider",
        2054: _PERMANENT,
        2070: "correct the provider's user name and password",
        5000: "wait for the reports; then dispatch resolve",
        5001: "have the template approved",
        6001: "top up the account, then dispatch resume",
        7001: "set the template's content_id",
    }
)


_RETRIED: Final[Mapping[int, str]] = MappingProxyType({**_PUSHED, 10: "", 11: "", 13: "", 5000: ""})
"""A message that is sent again needs no reports."""
_BY_ORIGIN: Final = {"report": _REPORTED, "push": _PUSHED, "retry": _RETRIED, "suppressed": _SUPPRESSED}


def advice_of(name: str) -> str:
    """Return advice about a counted code, such as ``report:910`` or ``push:2054``; empty if there is no advice."""
    origin, _, digits = name.partition(":")
    return _BY_ORIGIN.get(origin, {}).get(int(digits), "")
