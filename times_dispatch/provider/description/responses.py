"""The meaning of a provider's response, as one table; the body overrides the HTTP status (docs/domain.md section 1)."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.provider.description.response_fields import ResponseFields, json_reader, text_reader
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.outcomes import BrakeScope, Outcome, Verdict

MAX_RETRY_AFTER_S: Final = 900.0
"""The next push is tried after this time, in seconds, even if the provider asks for a longer wait."""

STATUSES_WITH_HEADERS: Final = frozenset({429, 503})
"""The statuses of responses whose meaning also depends on the header Retry-After."""

_MAX_FLOAT_ID: Final = 2.0**53
"""A float from this size on may have lost digits of an id."""
_SECONDS: Final = re.compile(r"[0-9]+(?:[.][0-9]+)?", re.ASCII)

_MAX_CODE: Final = 65_535
"""The largest code that a message record of the ledger can hold."""


class Meaning(msgspec.Struct, frozen=True):
    """The meaning of one code or HTTP status: a verdict and a reason."""

    verdict: Verdict
    reason: str
    scope: BrakeScope | None = None
    number: int | None = None
    """The recorded number for a code that is not a number."""


class ResponseRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules for reading a provider's responses.

    A response whose code, state and HTTP status are all unknown is in doubt.
    """

    paths: Mapping[str, str] = {}
    """The paths of ``state``, ``code``, ``id``, ``parts`` and ``text`` in a JSON response, see ``response_fields``."""
    pattern: str = ""
    """A regular expression with groups of these names, for responses that are not JSON."""
    accepted_states: frozenset[str] = frozenset()
    """States that mean accepted. These states, ``failed_states`` and the codes have capital letters."""
    failed_states: frozenset[str] = frozenset()
    codes: Mapping[str, Meaning] = {}
    """The meanings of codes in the body. A numeric code has no leading zeros, and may be negative."""
    rest: Meaning | None = None
    """The meaning of a code that ``codes`` does not name; None lets the HTTP status decide."""
    words: Mapping[str, str] = {}
    """The codes for texts that begin with certain words in lower case: the field ``text``, or a body without fields."""
    statuses: Mapping[int, Meaning]
    """The meanings of HTTP statuses, for bodies without a meaning. If ``paths`` has an ``id``, a status that means
    accepted counts only if the body has the id.
    """


_ACCEPTED: Final = Meaning(Verdict.ACCEPTED, "accepted")
_REFUSED: Final = Meaning(Verdict.REJECTED, "rejected by the provider")
_CONTRADICTION: Final = Meaning(Verdict.IN_DOUBT, "the response contradicts itself")
_UNREADABLE: Final = Meaning(Verdict.IN_DOUBT, "the response cannot be read")
_THROTTLED: Final = "the provider asks to wait"

_ACCESS_REFUSED: Final = Meaning(Verdict.BRAKE, "access refused without a readable response", BrakeScope.PROVIDER)
_WRONG_ENDPOINT: Final = Meaning(Verdict.BRAKE, "nothing takes messages at the endpoint", BrakeScope.PROVIDER)
_REDIRECTED: Final = Meaning(Verdict.BRAKE, "the endpoint redirects elsewhere", BrakeScope.PROVIDER)
_MAYBE_DONE: Final = Meaning(Verdict.IN_DOUBT, "the endpoint redirects elsewhere", BrakeScope.PROVIDER)
_MALFORMED: Final = Meaning(Verdict.REJECTED, "the request was refused without a readable response")

HTTP_STATUSES: Final[Mapping[int, Meaning]] = {
    # 303 is no redirect in this table: some servers send 303 after a POST that they have carried out. Many servers send
    # 301 and 302 in this case too, but a moved endpoint also has these statuses: the message is in doubt, and no
    # further message is sent.
    **dict.fromkeys((301, 302), _MAYBE_DONE),
    **dict.fromkeys((307, 308), _REDIRECTED),
    **dict.fromkeys((401, 402, 403, 407), _ACCESS_REFUSED),
    **dict.fromkeys((404, 405, 406, 410, 411, 415), _WRONG_ENDPOINT),
    **dict.fromkeys((400, 413, 414, 422, 431), _MALFORMED),
}
"""The meanings of HTTP statuses, for every provider, if the body has no meaning."""

TIMES_MOBILE_RESPONSES: Final = ResponseRules(
    paths={"state": "state", "code": "statusCode", "id": "transactionId", "parts": "pdu"},
    accepted_states=frozenset({"SUBMIT_ACCEPTED"}),
    failed_states=frozenset({"SUBMIT_FAILED"}),
    codes={
        "200": _ACCEPTED,
        "2051": Meaning(Verdict.BRAKE, "sender id not registered", BrakeScope.SENDER),
        "2054": Meaning(Verdict.REJECTED, "invalid mobile number"),
        "2070": Meaning(Verdict.BRAKE, "authentication failure", BrakeScope.PROVIDER),
        "5000": Meaning(Verdict.IN_DOUBT, "internal error at the provider"),
        "5001": Meaning(Verdict.BRAKE, "template missing or not approved", BrakeScope.CAMPAIGN),
        "6001": Meaning(Verdict.BRAKE, "insufficient balance", BrakeScope.PROVIDER),
        "7001": Meaning(Verdict.BRAKE, "DLT content id missing", BrakeScope.CAMPAIGN),
    },
    words={"authentication failure": "2070", "invalid_source_address": "2051"},
    statuses=HTTP_STATUSES,
)


class ResponseReader:
    """Turns HTTP responses into outcomes, according to a provider's rules."""

    def __init__(self, rules: ResponseRules = TIMES_MOBILE_RESPONSES, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._rules = rules
        self._clock = clock
        self._read_fields = text_reader(rules.pattern) if rules.pattern else json_reader(rules.paths)
        self._expects_id = bool(rules.paths.get("id")) and not rules.pattern

    def read(self, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Return the outcome of a response; ``headers`` are read only if the status is in STATUSES_WITH_HEADERS."""
        fields = self._read_fields(body)
        by_body = self._by_words(body) if fields is None else self._by_fields(fields)
        if status in STATUSES_WITH_HEADERS:
            wait_s = _retry_after_s(headers.get("retry-after", ""), self._clock.time())
            if status == 429 or wait_s is not None:
                return self._throttled(status, by_body, wait_s)
        return by_body or self._by_status(status, fields or ResponseFields())

    def _by_fields(self, fields: ResponseFields) -> Outcome | None:
        """Return the outcome from the fields of the body alone; None if the fields have no meaning."""
        rules = self._rules
        code, number = _code(fields.code)
        meaning = rules.codes.get(code)
        if meaning is None and fields.text is not None and (text_code := self._code_of_text(str(fields.text))):
            (code, number), meaning = _code(text_code), rules.codes[text_code]
        state = fields.state
        if type(state) is not str or state not in rules.accepted_states:
            state = _state(state)
        if state in rules.accepted_states:
            if meaning is None and fields.code is None:
                meaning = _ACCEPTED
            elif meaning is None or meaning.verdict is not Verdict.ACCEPTED:
                meaning = _CONTRADICTION
        elif state in rules.failed_states:
            if meaning is None:
                meaning = _REFUSED
            elif meaning.verdict is Verdict.ACCEPTED:
                meaning = _CONTRADICTION
        elif meaning is None:
            if rules.rest is None or not code:
                return None
            meaning = rules.rest
        elif state and meaning.verdict is Verdict.ACCEPTED:
            meaning = _UNREADABLE
        return _outcome_of(meaning, number or 0, fields)

    def _by_words(self, body: bytes) -> Outcome | None:
        """Return the outcome from the first words of a body without fields; None if the rules do not name the words."""
        code = self._code_of_text(body[:100].decode(errors="replace"))
        return _outcome_of(self._rules.codes[code], _code(code)[1] or 0) if code else None

    def _code_of_text(self, text: str) -> str:
        """Return the code of a text by the rules; empty if there is none."""
        start = text[:100].strip("\ufeff\r\n\t \"'").lower()
        return next((code for words, code in self._rules.words.items() if start.startswith(words)), "")

    def _by_status(self, status: int, fields: ResponseFields) -> Outcome:
        meaning = self._rules.statuses.get(status)
        if meaning is not None and meaning.verdict is Verdict.ACCEPTED and self._expects_id and not _text(fields.id):
            meaning = None
        if meaning is None:
            code = Failure.UNREADABLE_RESPONSE.value if 200 <= status < 300 else status
            return _outcome_of(_UNREADABLE, code)
        return _outcome_of(meaning, status, fields)

    def _throttled(self, status: int, by_body: Outcome | None, wait_s: float | None) -> Outcome:
        """Return the outcome for a status that asks to wait; a code that the rules name overrides the status.

        A body that says accepted contradicts such a status, and the message is in doubt.
        """
        if by_body is not None and by_body.verdict is Verdict.ACCEPTED:
            return _outcome_of(_CONTRADICTION, status)
        if by_body is not None and by_body.verdict is not Verdict.THROTTLED and by_body.reason != _REFUSED.reason:
            return by_body
        return Outcome(verdict=Verdict.THROTTLED, code=status, retry_after_s=wait_s, reason=_THROTTLED)


def _outcome_of(meaning: Meaning, code: int, fields: ResponseFields | None = None) -> Outcome:
    return Outcome(
        verdict=meaning.verdict,
        code=code if meaning.number is None else meaning.number,
        transaction_id=_text(fields.id) if fields else "",
        parts=(_number(fields.parts, max_value=255) or 0) if fields else 0,
        scope=meaning.scope,
        reason=meaning.reason,
    )


def normalise_code(code: object) -> str:
    """Return a code in the form of ``ResponseRules``; empty for a value that is no code."""
    return _code(code)[0]


def _code(value: object) -> tuple[str, int | None]:
    """Return a code in the form of ``ResponseRules``, and as a number if the ledger can hold the number."""
    if type(value) is int and 0 <= value <= _MAX_CODE:
        return str(value), value
    number = _whole(value)
    if number is not None and abs(number) <= 10**18:
        return str(number), number if 0 <= number <= _MAX_CODE else None
    return (value.strip().upper()[:64] if isinstance(value, str) else ""), None


def _state(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return value.strip().upper()
        case bool() | int():
            return str(value).upper()
        case _:
            return "UNKNOWN"


def _text(value: object) -> str:
    """Return a transaction id; empty for 0 or nothing, which providers send instead of a missing id."""
    if isinstance(value, float) and value.is_integer() and value < _MAX_FLOAT_ID:
        value = int(value)  # Java writes 2.05538399E8
    return str(value)[:64] if value and value != "0" and type(value) in (str, int) else ""


def _number(value: object, *, max_value: int) -> int | None:
    """Return a whole number from 0 to ``max_value``, given as a number or a string; None for anything else."""
    number = _whole(value)
    return number if number is not None and 0 <= number <= max_value else None


def _whole(value: object) -> int | None:
    """Return a whole number, given as a number or a string; None for anything else."""
    if type(value) is int:
        return value
    if isinstance(value, str):
        digits = value.strip().removeprefix("-")
        is_number = digits.isascii() and digits.isdecimal() and len(digits) < 20
        return int(value) if is_number else None
    return int(value) if isinstance(value, float) and value.is_integer() else None


def _retry_after_s(value: str, now_s: float) -> float | None:
    """Return the wait of a Retry-After header, in seconds; None if it is neither a number nor an HTTP date."""
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return min(float(value[:9]), MAX_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(value)
        wait_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now_s
    except (ValueError, OverflowError):
        return None
    return min(max(wait_s, 0.0), MAX_RETRY_AFTER_S)
