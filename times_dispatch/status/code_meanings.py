"""The meanings of the codes that the ledger counts: our codes, the provider's codes, and codes of delivery reports."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from times_dispatch.ledger.keys import CodeOrigin
from times_dispatch.ledger.states import SUPPRESSION_REASONS
from times_dispatch.provider.failures import FAILURE_TEXTS
from times_dispatch.provider.outcomes import Verdict
from times_dispatch.provider.reports.codes import describe

if TYPE_CHECKING:
    from times_dispatch.provider.description.responses import ResponseRules

_CONTRADICTION: Final = "the response contradicts itself"


def text_of(name: str, rules: "Iterable[ResponseRules]") -> str:
    """Return the meaning of a counted code.

    Args:
        name: the origin and the code, as in ``push:2054`` (``CodeOrigin``).
        rules: how the responses of the campaign's providers are read, in the order of the chain.
    """
    origin, _, digits = name.partition(":")
    code = int(digits)
    if origin == CodeOrigin.SUPPRESSED:
        return SUPPRESSION_REASONS.get(code, "")
    if origin == CodeOrigin.REPORT:
        return describe(code)
    if code == 0:
        return "no code"
    if code in FAILURE_TEXTS:
        return FAILURE_TEXTS[code]
    texts = dict.fromkeys(text for each in rules if (text := _by_rules(code, each)))
    return "; ".join(texts) or _http_status(code) or f"unknown code {code}"


def _by_rules(code: int, rules: "ResponseRules") -> str:
    meanings = [meaning for meaning in rules.codes.values() if meaning.number == code]
    if str(code) in rules.codes:
        meanings.append(rules.codes[str(code)])
    for meaning in meanings:
        return _CONTRADICTION if meaning.verdict is Verdict.ACCEPTED else meaning.reason
    status = rules.statuses.get(code)
    return f"{status.reason} ({_http_status(code)})" if status else ""


def _http_status(code: int) -> str:
    try:
        return f"HTTP {code} {HTTPStatus(code).phrase}"
    except ValueError:
        return f"HTTP {code}" if 300 <= code < 600 else ""
