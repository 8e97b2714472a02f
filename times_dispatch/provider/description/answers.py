"""What a provider's answer means: one table, and the body goes before the HTTP status (docs/domain.md section 1)."""

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from times_dispatch.provider.description import answer_fields as fields
from times_dispatch.provider.description.answer_fields import JsonPaths
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.outcomes import BrakeScope, Outcome, Verdict

LONGEST_RETRY_AFTER_S: Final = 900.0
"""Whatever the provider asks for, it is tried again after a quarter of an hour."""

HEADERS_MATTER: Final = frozenset({429, 503})
"""Only answers with one of these statuses are judged by a header, too."""

_MOST: Final = 65_535
"""The largest code that the ledger's records hold."""


class Meaning(msgspec.Struct, frozen=True):
    """What one code or status is to us."""

    verdict: Verdict
    reason: str
    scope: BrakeScope | None = None
    number: int | None = None
    """Under which a code that is not a number is counted."""


class AnswerRules(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider's answers are read. What no table names, and no state that is known, is in doubt."""

    paths: Mapping[str, str] = {}
    """Where ``state``, ``code``, ``id``, ``parts`` and ``text`` stand in a JSON answer
    (``times_dispatch.provider.description.answer_fields``)."""
    pattern: str = ""
    """Of answers that are not JSON: a regular expression with groups of these names."""
    accepted_states: frozenset[str] = frozenset()
    """In capitals, as are ``failed_states`` and the codes."""
    failed_states: frozenset[str] = frozenset()
    codes: Mapping[str, Meaning] = {}
    """By the code in the body; a whole number without leading zeros, below 0 too."""
    rest: Meaning | None = None
    """Of a code that ``codes`` does not name; None leaves it to the HTTP status."""
    words: Mapping[str, str] = {}
    """By the first words, in lower case, of the answer's text, or of an answer that cannot be read: a code."""
    statuses: Mapping[int, Meaning]
    """By HTTP status, when the body says nothing. One that means accepted counts only with an id, if there is a path
    to one."""


_ACCEPTED: Final = Meaning(Verdict.ACCEPTED, "accepted")
_REFUSED: Final = Meaning(Verdict.REJECTED, "rejected by the provider")
_CONTRADICTION: Final = Meaning(Verdict.IN_DOUBT, "the answer contradicts itself")
_SILENCE: Final = Meaning(Verdict.IN_DOUBT, "the answer cannot be read")
_THROTTLED: Final = "the provider asks to wait"

_LOCKED_OUT: Final = Meaning(Verdict.BRAKE, "access refused without a readable answer", BrakeScope.PROVIDER)
_WRONG_DOOR: Final = Meaning(Verdict.BRAKE, "nothing takes messages at the endpoint", BrakeScope.PROVIDER)
_REDIRECTED: Final = Meaning(Verdict.BRAKE, "the endpoint redirects elsewhere", BrakeScope.PROVIDER)
_MALFORMED: Final = Meaning(Verdict.REJECTED, "the request was refused without a readable answer")

HTTP_STATUSES: Final[Mapping[int, Meaning]] = {
    # 303 is not among the redirects: it is how some servers say that they have done what the POST asked for.
    **dict.fromkeys((301, 302, 307, 308), _REDIRECTED),
    **dict.fromkeys((401, 402, 403, 407), _LOCKED_OUT),
    **dict.fromkeys((404, 405, 406, 410, 411, 415), _WRONG_DOOR),
    **dict.fromkeys((400, 413, 414, 422, 431), _MALFORMED),
}
"""What a bare status means, whoever the provider is."""

TIMES_MOBILE_ANSWERS: Final = AnswerRules(
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


class AnswerReader:
    """Reads answers by a provider's rules."""

    def __init__(self, rules: AnswerRules = TIMES_MOBILE_ANSWERS, *, clock: Callable[[], float] = time.time) -> None:
        self._rules = rules
        self._clock = clock
        self._fields = fields.in_text(rules.pattern) if rules.pattern else fields.in_json(rules.paths)
        self._expects_id = bool(rules.paths.get("id")) and not rules.pattern

    def read(self, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Judge one answer; ``headers`` are looked at only if the status is one of HEADERS_MATTER."""
        found = self._fields(body)
        said = self._by_words(body) if found is None else self._by_fields(found)
        if status in HEADERS_MATTER:
            wait_s = _retry_after_s(headers.get("retry-after", ""), self._clock())
            if status == 429 or wait_s is not None:
                return self._throttled(status, said, wait_s)
        return said or self._by_status(status, found or JsonPaths())

    def _by_fields(self, found: JsonPaths) -> Outcome | None:
        """Judge by the body alone; None if it says nothing."""
        rules = self._rules
        code, number = _code(found.code)
        meaning = rules.codes.get(code)
        if meaning is None and found.text is not None and (coded := self._coded(str(found.text))):
            (code, number), meaning = _code(coded), rules.codes[coded]
        state = found.state
        if type(state) is not str or state not in rules.accepted_states:
            state = _state(state)
        if state in rules.accepted_states:
            if meaning is None and found.code is None:
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
            meaning = _SILENCE
        return _outcome(meaning, number or 0, found)

    def _by_words(self, body: bytes) -> Outcome | None:
        """Judge a body that has no fields by its first words; None if they are not known."""
        code = self._coded(body[:100].decode(errors="replace"))
        return _outcome(self._rules.codes[code], _code(code)[1] or 0) if code else None

    def _coded(self, text: str) -> str:
        """Return the code that a text stands for; empty if none."""
        start = text[:100].strip("\ufeff\r\n\t \"'").lower()
        return next((code for words, code in self._rules.words.items() if start.startswith(words)), "")

    def _by_status(self, status: int, found: JsonPaths) -> Outcome:
        meaning = self._rules.statuses.get(status)
        if meaning is not None and meaning.verdict is Verdict.ACCEPTED and self._expects_id and not _text(found.id):
            meaning = None
        if meaning is None:
            code = Failure.UNREADABLE_ANSWER.value if 200 <= status < 300 else status
            return _outcome(_SILENCE, code)
        return _outcome(meaning, status, found)

    def _throttled(self, status: int, said: Outcome | None, wait_s: float | None) -> Outcome:
        """Let a code that the table names go before the status; an acceptance that was throttled is in doubt."""
        if said is not None and said.verdict is Verdict.ACCEPTED:
            return _outcome(_CONTRADICTION, status)
        if said is not None and said.verdict is not Verdict.THROTTLED and said.reason != _REFUSED.reason:
            return said
        return Outcome(verdict=Verdict.THROTTLED, code=status, retry_after_s=wait_s, reason=_THROTTLED)


def _outcome(meaning: Meaning, code: int, found: JsonPaths | None = None) -> Outcome:
    return Outcome(
        verdict=meaning.verdict,
        code=code if meaning.number is None else meaning.number,
        transaction_id=_text(found.id) if found else "",
        parts=(_number(found.parts, most=255) or 0) if found else 0,
        scope=meaning.scope,
        reason=meaning.reason,
    )


def spelled(code: object) -> str:
    """Return a code as ``AnswerRules`` spells it; empty for what is none."""
    return _code(code)[0]


def _code(value: object) -> tuple[str, int | None]:
    """Return a code as the tables spell it, and as the number that it is, if the ledger can hold that."""
    if type(value) is int and 0 <= value <= _MOST:
        return str(value), value
    number = _whole(value)
    if number is not None and abs(number) <= 10**18:
        return str(number), number if 0 <= number <= _MOST else None
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
    """Return a transaction id; an answer that has none says 0, or nothing."""
    return str(value)[:64] if value and value != "0" and type(value) in (str, int) else ""


def _number(value: object, *, most: int) -> int | None:
    """Return a whole number from 0 to ``most``, given as a number or a string; None for anything else."""
    number = _whole(value)
    return number if number is not None and 0 <= number <= most else None


def _whole(value: object) -> int | None:
    """Return a whole number, given as one or as a string; None for anything else."""
    if type(value) is int:
        return value
    if isinstance(value, str):
        digits = value.strip().removeprefix("-")
        is_number = digits.isascii() and digits.isdecimal() and len(digits) < 20
        return int(value) if is_number else None
    return int(value) if isinstance(value, float) and value.is_integer() else None


def _retry_after_s(value: str, now_s: float) -> float | None:
    """Read a Retry-After header, in seconds or as an HTTP date; None if it is absent or neither."""
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return min(float(value[:9]), LONGEST_RETRY_AFTER_S)
    try:
        wait_s = parsedate_to_datetime(value).timestamp() - now_s
    except (ValueError, OverflowError):
        return None
    return min(max(wait_s, 0.0), LONGEST_RETRY_AFTER_S)
