"""What a provider's answer means: one table, and the body goes before the HTTP status (DOMAIN.md section 1)."""

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from timesmobile.failures import Failure
from timesmobile.outcomes import BrakeScope, Outcome, Verdict

LONGEST_RETRY_AFTER_S: Final = 900.0
"""Whatever the provider asks for, it is tried again after a quarter of an hour."""

HEADERS_MATTER: Final = frozenset({429, 503})
"""Only answers with one of these statuses are judged by a header, too."""


class Meaning(msgspec.Struct, frozen=True):
    """What one code or status is to us."""

    verdict: Verdict
    reason: str
    scope: BrakeScope | None = None


class AnswerRules(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider's answers are read. What no table names, and no state that is known, is in doubt."""

    transaction_id_key: str
    state_key: str
    code_key: str
    parts_key: str
    accepted_state: str
    failed_state: str
    codes: Mapping[int, Meaning]
    """By the code in the body."""
    words: Mapping[str, int]
    """Bodies without JSON, by their first words in lower case: the code that they stand for."""
    statuses: Mapping[int, Meaning]
    """By HTTP status, when the body says nothing."""


_ACCEPTED: Final = Meaning(Verdict.ACCEPTED, "accepted")
_REFUSED: Final = Meaning(Verdict.REJECTED, "rejected by the provider")
_CONTRADICTION: Final = Meaning(Verdict.IN_DOUBT, "the answer contradicts itself")
_SILENCE: Final = Meaning(Verdict.IN_DOUBT, "the answer cannot be read")
_THROTTLED: Final = "the provider asks to wait"

_LOCKED_OUT: Final = Meaning(Verdict.BRAKE, "access refused without a readable answer", BrakeScope.PROVIDER)
_WRONG_DOOR: Final = Meaning(Verdict.BRAKE, "nothing takes messages at the endpoint", BrakeScope.PROVIDER)
_REDIRECTED: Final = Meaning(Verdict.BRAKE, "the endpoint redirects elsewhere", BrakeScope.PROVIDER)
_MALFORMED: Final = Meaning(Verdict.REJECTED, "the request was refused without a readable answer")

TIMES_MOBILE_ANSWERS: Final = AnswerRules(
    transaction_id_key="transactionId",
    state_key="state",
    code_key="statusCode",
    parts_key="pdu",
    accepted_state="SUBMIT_ACCEPTED",
    failed_state="SUBMIT_FAILED",
    codes={
        200: _ACCEPTED,
        2051: Meaning(Verdict.BRAKE, "sender id not registered", BrakeScope.SENDER),
        2054: Meaning(Verdict.REJECTED, "invalid mobile number"),
        2070: Meaning(Verdict.BRAKE, "authentication failure", BrakeScope.PROVIDER),
        5000: Meaning(Verdict.IN_DOUBT, "internal error at the provider"),
        5001: Meaning(Verdict.BRAKE, "template missing or not approved", BrakeScope.CAMPAIGN),
        6001: Meaning(Verdict.BRAKE, "insufficient balance", BrakeScope.PROVIDER),
        7001: Meaning(Verdict.BRAKE, "DLT content id missing", BrakeScope.CAMPAIGN),
    },
    words={"authentication failure": 2070, "invalid_source_address": 2051},
    # 303 is not among the redirects: it is how some servers say that they have done what the POST asked for.
    statuses={
        **dict.fromkeys((301, 302, 307, 308), _REDIRECTED),
        **dict.fromkeys((401, 402, 403, 407), _LOCKED_OUT),
        **dict.fromkeys((404, 405, 406, 410, 411, 415), _WRONG_DOOR),
        **dict.fromkeys((400, 413, 414, 422, 431), _MALFORMED),
    },
)


class AnswerReader:
    """Reads answers by a provider's rules. Its decoder is made once; the usual answer costs one pass over its bytes."""

    def __init__(self, rules: AnswerRules = TIMES_MOBILE_ANSWERS, *, clock: Callable[[], float] = time.time) -> None:
        self._rules = rules
        self._clock = clock
        fields = {
            "state": rules.state_key,
            "code": rules.code_key,
            "transaction_id": rules.transaction_id_key,
            "parts": rules.parts_key,
        }
        scalar = int | str | None
        shape = msgspec.defstruct(
            "Answer",
            [("state", str, ""), ("code", scalar, None), ("transaction_id", scalar, None), ("parts", scalar, None)],
            rename=fields,
            gc=False,
        )
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(shape).decode
        self._shape = shape
        self._fields = fields

    def read(self, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Judge one answer; ``headers`` are looked at only if the status is one of HEADERS_MATTER."""
        said = self._read_body(body)
        if status in HEADERS_MATTER:
            wait_s = _retry_after_s(headers.get("retry-after", ""), self._clock())
            if status == 429 or wait_s is not None:
                return self._throttled(status, said, wait_s)
        if said is not None:
            return said
        meaning = self._rules.statuses.get(status)
        if meaning is None:
            return _outcome(_SILENCE, Failure.UNREADABLE_ANSWER if 200 <= status < 300 else status)
        return _outcome(meaning, status)

    def _read_body(self, body: bytes) -> Outcome | None:
        """Judge by the body alone; None if it says nothing."""
        try:
            answer = self._decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            answer = self._lenient(body)
        if answer is None:
            start = body[:100].decode(errors="replace").strip("\ufeff\r\n\t \"'").lower()
            code = next((code for words, code in self._rules.words.items() if start.startswith(words)), None)
            return None if code is None else _outcome(self._rules.codes[code], code)
        return self._judge(answer)

    def _lenient(self, body: bytes) -> Any:
        """Read an object whose values have odd types, or whose text is not UTF-8; None if it is none."""
        try:
            found = msgspec.json.decode(body.decode(errors="replace").lstrip("\ufeff"))
        except (msgspec.DecodeError, RecursionError):
            return None
        if not isinstance(found, dict):
            return None
        values = {name: found.get(key) for name, key in self._fields.items()}
        state = values["state"]
        values["state"] = state if isinstance(state, str) else "" if state is None else "unknown"
        return self._shape(**values)

    def _judge(self, answer: Any) -> Outcome | None:
        code = _number(answer.code, most=65_535)
        state = answer.state
        if state not in (self._rules.accepted_state, self._rules.failed_state):
            state = state.strip().upper()
        meaning = None if code is None else self._rules.codes.get(code)
        if state == self._rules.accepted_state:
            if meaning is None and answer.code is None:
                meaning = _ACCEPTED
            elif meaning is None or meaning.verdict is not Verdict.ACCEPTED:
                meaning = _CONTRADICTION
        elif state == self._rules.failed_state:
            if meaning is None:
                meaning = _REFUSED
            elif meaning.verdict is Verdict.ACCEPTED:
                meaning = _CONTRADICTION
        elif meaning is None:
            return None
        elif state and meaning.verdict is Verdict.ACCEPTED:
            meaning = _SILENCE
        transaction = answer.transaction_id
        return Outcome(
            verdict=meaning.verdict,
            code=code or 0,
            transaction_id=str(transaction)[:64] if transaction and transaction != "0" else "",
            parts=_number(answer.parts, most=255) or 0,
            scope=meaning.scope,
            reason=meaning.reason,
        )

    def _throttled(self, status: int, said: Outcome | None, wait_s: float | None) -> Outcome:
        """Let a code that the table names go before the status; an acceptance that was throttled is in doubt."""
        if said is not None and said.verdict is Verdict.ACCEPTED:
            return _outcome(_CONTRADICTION, status)
        if said is not None and said.reason is not _REFUSED.reason:
            return said
        return Outcome(verdict=Verdict.THROTTLED, code=status, retry_after_s=wait_s, reason=_THROTTLED)


def _outcome(meaning: Meaning, code: int) -> Outcome:
    return Outcome(verdict=meaning.verdict, code=code, scope=meaning.scope, reason=meaning.reason)


def _number(value: object, *, most: int) -> int | None:
    """Return a whole number from 0 to ``most``, given as a number or a string; None for anything else."""
    if isinstance(value, str):
        value = value.strip()
        value = int(value) if value.isascii() and value.isdecimal() and len(value) < 20 else None
    elif isinstance(value, float):
        value = int(value) if value.is_integer() else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else None


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
