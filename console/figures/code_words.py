"""The meanings of a campaign's codes, and advice about them, from the settings of the campaign's providers."""

from collections.abc import Sequence

import msgspec

from times_dispatch.ledger.statistics.figures import CodeCount
from times_dispatch.provider.code_advice import advice_of
from times_dispatch.provider.description.responses import TIMES_MOBILE_RESPONSES
from times_dispatch.settings.model import Settings
from times_dispatch.status.code_meanings import text_of


class CodeWords(msgspec.Struct, frozen=True, kw_only=True):
    """One reason of messages, in words."""

    count: CodeCount
    meaning: str
    advice: str
    """What a person should do about the reason; empty if there is no advice."""


class CodeBook:
    """Gives the meanings of codes.

    Args:
        settings: describe the providers.
        providers: the nicknames of the providers whose codes are read; if empty, all providers of the settings.
    """

    def __init__(self, settings: Settings, providers: Sequence[str] = ()) -> None:
        names = providers or list(settings.providers)
        known = [settings.providers[name].response_rules for name in names if name in settings.providers]
        self._rules = known or [TIMES_MOBILE_RESPONSES]

    def meaning(self, name: str) -> str:
        """Return the meaning of a code with its origin, as in ``report:910``."""
        return text_of(name, self._rules)

    def advice(self, name: str) -> str:
        """Return the advice about a code with its origin."""
        return advice_of(name)

    def words(self, codes: Sequence[CodeCount]) -> list[CodeWords]:
        """Return the codes in words, in the same order."""
        return [
            CodeWords(count=count, meaning=self.meaning(count.name), advice=self.advice(count.name)) for count in codes
        ]
