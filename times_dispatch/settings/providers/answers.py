"""``[providers.NICKNAME.answers]``: the rules for reading a provider's answers."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from times_dispatch.provider.description.response_fields import FIELD_NAMES
from times_dispatch.provider.description.responses import HTTP_STATUSES, Meaning, ResponseRules, normalise_code
from times_dispatch.provider.outcomes import BrakeScope, Verdict
from times_dispatch.settings.toml.strict_table import StrictTable

MAX_CODE_NUMBER = 65_535

_MEANINGS = {
    "accepted": Meaning(Verdict.ACCEPTED, "accepted"),
    "rejected": Meaning(Verdict.REJECTED, "rejected"),
    "brake_campaign": Meaning(Verdict.BRAKE, "refused for the whole campaign", BrakeScope.CAMPAIGN),
    "brake_sender": Meaning(Verdict.BRAKE, "refused for the whole sender", BrakeScope.SENDER),
    "brake_provider": Meaning(Verdict.BRAKE, "refused for the whole account", BrakeScope.PROVIDER),
    "throttled": Meaning(Verdict.THROTTLED, "the provider asks to wait"),
    "in_doubt": Meaning(Verdict.IN_DOUBT, "the provider does not know"),
}
_REST = {
    "in_doubt": Meaning(Verdict.IN_DOUBT, "a code that the settings do not name"),
    "rejected": Meaning(Verdict.REJECTED, "a code that the settings do not name"),
    "http_status": None,
}


def _parse_codes(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(code, int | str) and normalise_code(code) for code in value):
        raise ValueError('must be an array of codes, as in [0, 200, "QUEUED"]')
    return tuple(normalise_code(code) for code in value)


def _parse_code(value: object) -> str:
    return _parse_codes([value])[0]


def _parse_states(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(state, str | bool) for state in value):
        raise ValueError('must be an array of states, as in ["QUEUED"] or [true]')
    return tuple(str(state).strip().upper() for state in value)


def _check_pattern(text: str) -> str:
    try:
        groups = set(re.compile(text).groupindex)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error.msg}") from None
    if text and (not groups or groups - set(FIELD_NAMES)):
        raise ValueError(f"needs named groups, as in (?P<code>[0-9]+), of {', '.join(FIELD_NAMES)}")
    return text


Codes = Annotated[tuple[str, ...], BeforeValidator(_parse_codes)]
States = Annotated[tuple[str, ...], BeforeValidator(_parse_states)]
Code = Annotated[str, BeforeValidator(_parse_code)]


class CodeGroups(StrictTable):
    """The meanings of codes. Each code is in at most one group."""

    accepted: Codes = ()
    rejected: Codes = ()
    """The provider finally refused the message."""
    brake_campaign: Codes = ()
    """Nothing was sent, and all other messages of the campaign would be refused too."""
    brake_sender: Codes = ()
    """Nothing was sent, and all other messages of the sender would be refused too."""
    brake_provider: Codes = ()
    """Nothing was sent, and all other messages of the account would be refused too."""
    throttled: Codes = ()
    """Nothing was sent; the provider accepts the message later."""
    in_doubt: Codes = ()
    """The message may have been sent."""

    @model_validator(mode="after")
    def _has_each_code_once(self) -> "CodeGroups":
        seen: dict[str, str] = {}
        for group, code in self.codes_by_group():
            if seen.setdefault(code, group) != group:
                raise ValueError(f"code {code} is in {seen[code]} and in {group}")
        return self

    def codes_by_group(self) -> Iterator[tuple[str, str]]:
        """Yield each code with its group, as ``(group, code)``."""
        for group in _MEANINGS:
            for code in getattr(self, group):
                yield group, code


class HttpStatusGroups(CodeGroups):
    """``[providers.NICKNAME.answers.http]``: the meanings of HTTP statuses of answers without a known code."""

    @model_validator(mode="after")
    def _are_statuses(self) -> "HttpStatusGroups":
        for group, code in self.codes_by_group():
            if not re.fullmatch("[1-5][0-9]{2}", code):
                raise ValueError(f"{group}: {code} is not an HTTP status")
        return self


class AnswerSettings(CodeGroups):
    """``[providers.NICKNAME.answers]``: the fields and codes of answers, which override the preset's."""

    state: str = ""
    """The path of the state in a JSON answer: a JSON pointer such as ``/result/state``, or ``result.state``."""
    code: str = ""
    """The path of the code."""
    id: str = ""
    """The path of the provider's id of the message."""
    parts: str = ""
    """The path of the number of SMS parts."""
    text: str = ""
    """The path of the text that explains the code."""
    pattern: Annotated[str, AfterValidator(_check_pattern)] = ""
    """A regular expression for answers that are not JSON, with named groups: state, code, id, parts, text."""
    accepted_states: States = ()
    """The states that mean that the message is accepted."""
    failed_states: States = ()
    """The states that mean that the message is not accepted."""
    rest: Literal["in_doubt", "rejected", "http_status"] = "in_doubt"
    """The meaning of a code that is in no group."""
    words: dict[str, Code] = Field(default_factory=dict)
    """The codes of answers without a code, by the words at the beginning of the field ``text`` or of the answer."""
    numbers: dict[str, Annotated[int, Field(ge=100, le=MAX_CODE_NUMBER)]] = Field(default_factory=dict)
    """The number under which a code is counted if the code is a word or a number below 0."""
    reasons: dict[str, str] = Field(default_factory=dict)
    """The reason that commands show for a code."""
    http: HttpStatusGroups = HttpStatusGroups()

    @model_validator(mode="after")
    def _has_consistent_codes(self) -> "AnswerSettings":
        known_codes = {code for _, code in self.codes_by_group()}
        for group, code in self.codes_by_group():
            is_number = code.isdecimal() and int(code) <= MAX_CODE_NUMBER
            if group != "accepted" and not is_number and self._number(code) is None:
                reason = (
                    f"is not a number from 0 to {MAX_CODE_NUMBER}: give the number under which it is counted in numbers"
                )
                raise ValueError(f"code {code} {reason}")
        for table, codes in (("numbers", self.numbers), ("reasons", self.reasons)):
            if unknown := [code for code in codes if normalise_code(code) not in known_codes]:
                raise ValueError(f"{table}: code {unknown[0]} is in no group")
        return self

    def rules(self, base: ResponseRules | None) -> ResponseRules:
        """Return these rules together with the rules of a preset; these rules override the preset."""
        base = base or ResponseRules(statuses=HTTP_STATUSES, rest=_REST["in_doubt"])
        paths = {name: getattr(self, name) for name in FIELD_NAMES if getattr(self, name)}
        return ResponseRules(
            paths={**base.paths, **paths},
            pattern=self.pattern or base.pattern,
            accepted_states=frozenset(self.accepted_states) or base.accepted_states,
            failed_states=frozenset(self.failed_states) or base.failed_states,
            codes={**base.codes, **{code: self._meaning(group, code) for group, code in self.codes_by_group()}},
            rest=_REST[self.rest] if "rest" in self.model_fields_set else base.rest,
            words={**base.words, **{words.strip().lower(): code for words, code in self.words.items()}},
            statuses={**base.statuses, **{int(code): _MEANINGS[group] for group, code in self.http.codes_by_group()}},
        )

    def _meaning(self, group: str, code: str) -> Meaning:
        meaning = _MEANINGS[group]
        reasons = {normalise_code(name): reason for name, reason in self.reasons.items()}
        return Meaning(meaning.verdict, reasons.get(code, meaning.reason), meaning.scope, self._number(code))

    def _number(self, code: str) -> int | None:
        return {normalise_code(name): number for name, number in self.numbers.items()}.get(code)
