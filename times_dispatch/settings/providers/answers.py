"""``[providers.NICK.answers]``: how a provider's answers are read, as data."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from times_dispatch.provider.description.answer_fields import FIELD_NAMES
from times_dispatch.provider.description.answers import HTTP_STATUSES, AnswerRules, Meaning, normalise_code
from times_dispatch.provider.outcomes import BrakeScope, Verdict
from times_dispatch.settings.strict_table import StrictTable

LARGEST_NUMBER = 65_535

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


def _codes(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(code, int | str) and normalise_code(code) for code in value):
        raise ValueError('must be an array of codes, as in [0, 200, "QUEUED"]')
    return tuple(normalise_code(code) for code in value)


def _code(value: object) -> str:
    return _codes([value])[0]


def _states(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(state, str | bool) for state in value):
        raise ValueError('must be an array of states, as in ["QUEUED"] or [true]')
    return tuple(str(state).strip().upper() for state in value)


def _pattern(text: str) -> str:
    try:
        groups = set(re.compile(text).groupindex)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error.msg}") from None
    if text and (not groups or groups - set(FIELD_NAMES)):
        raise ValueError(f"needs named groups, as in (?P<code>[0-9]+), of {', '.join(FIELD_NAMES)}")
    return text


Codes = Annotated[tuple[str, ...], BeforeValidator(_codes)]
States = Annotated[tuple[str, ...], BeforeValidator(_states)]
Spelled = Annotated[str, BeforeValidator(_code)]


class Groups(StrictTable):
    """What codes mean, each named at most once."""

    accepted: Codes = ()
    rejected: Codes = ()
    """Final for this recipient."""
    brake_campaign: Codes = ()
    """Nothing was sent, and the others of the campaign would be refused as well; likewise the next two."""
    brake_sender: Codes = ()
    brake_provider: Codes = ()
    throttled: Codes = ()
    """Nothing was sent: not now."""
    in_doubt: Codes = ()
    """It may have been sent."""

    @model_validator(mode="after")
    def _names_each_once(self) -> "Groups":
        seen: dict[str, str] = {}
        for group, code in self.named():
            if seen.setdefault(code, group) != group:
                raise ValueError(f"code {code} stands in {seen[code]} and in {group}")
        return self

    def named(self) -> Iterator[tuple[str, str]]:
        """Yield group and code."""
        for group in _MEANINGS:
            for code in getattr(self, group):
                yield group, code


class HttpGroups(Groups):
    """``[providers.NICK.answers.http]``: what an HTTP status means where the body says nothing."""

    @model_validator(mode="after")
    def _are_statuses(self) -> "HttpGroups":
        for group, code in self.named():
            if not re.fullmatch("[1-5][0-9]{2}", code):
                raise ValueError(f"{group}: {code} is no HTTP status")
        return self


class AnswerSettings(Groups):
    """``[providers.NICK.answers]``. Over a preset it adds to what that knows, and goes before it."""

    state: str = ""
    """Where it stands: a JSON pointer as ``/result/state``, or ``result.state``; likewise the next four."""
    code: str = ""
    id: str = ""
    parts: str = ""
    text: str = ""
    pattern: Annotated[str, AfterValidator(_pattern)] = ""
    """Of answers that are not JSON: a regular expression whose named groups are these five."""
    accepted_states: States = ()
    failed_states: States = ()
    rest: Literal["in_doubt", "rejected", "http_status"] = "in_doubt"
    """What a code means that nothing here names."""
    words: dict[str, Spelled] = Field(default_factory=dict)
    """Code of an answer whose text, or that itself, begins so."""
    numbers: dict[str, Annotated[int, Field(ge=100, le=LARGEST_NUMBER)]] = Field(default_factory=dict)
    """Under which number codes are counted that are words, or below 0."""
    reasons: dict[str, str] = Field(default_factory=dict)
    """What a code is called, in our words."""
    http: HttpGroups = HttpGroups()

    @model_validator(mode="after")
    def _fits_together(self) -> "AnswerSettings":
        named = {code for _, code in self.named()}
        for group, code in self.named():
            is_number = code.isdecimal() and int(code) <= LARGEST_NUMBER
            if group != "accepted" and not is_number and self._number(code) is None:
                reason = f"is not a number from 0 to {LARGEST_NUMBER}: say in numbers under which it is counted"
                raise ValueError(f"code {code} {reason}")
        for table, codes in (("numbers", self.numbers), ("reasons", self.reasons)):
            if unknown := [code for code in codes if normalise_code(code) not in named]:
                raise ValueError(f"{table}: no group names the code {unknown[0]}")
        return self

    def rules(self, base: AnswerRules | None) -> AnswerRules:
        """Return the rules, laid over those of a preset."""
        base = base or AnswerRules(statuses=HTTP_STATUSES, rest=_REST["in_doubt"])
        paths = {name: getattr(self, name) for name in FIELD_NAMES if getattr(self, name)}
        return AnswerRules(
            paths={**base.paths, **paths},
            pattern=self.pattern or base.pattern,
            accepted_states=frozenset(self.accepted_states) or base.accepted_states,
            failed_states=frozenset(self.failed_states) or base.failed_states,
            codes={**base.codes, **{code: self._meaning(group, code) for group, code in self.named()}},
            rest=_REST[self.rest] if "rest" in self.model_fields_set else base.rest,
            words={**base.words, **{words.strip().lower(): code for words, code in self.words.items()}},
            statuses={**base.statuses, **{int(code): _MEANINGS[group] for group, code in self.http.named()}},
        )

    def _meaning(self, group: str, code: str) -> Meaning:
        found = _MEANINGS[group]
        reasons = {normalise_code(name): reason for name, reason in self.reasons.items()}
        return Meaning(found.verdict, reasons.get(code, found.reason), found.scope, self._number(code))

    def _number(self, code: str) -> int | None:
        return {normalise_code(name): number for name, number in self.numbers.items()}.get(code)
