"""The meanings of campaigns' codes, by the settings of their providers."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from producers.cli import CliContext
from producers.cli.ledger import settings_if_valid
from times_dispatch.ledger.keys import CodeOrigin
from times_dispatch.ledger.model import CampaignView
from times_dispatch.status.code_meanings import text_of

if TYPE_CHECKING:
    from times_dispatch.provider.description.responses import ResponseRules
    from times_dispatch.settings.model import Settings

_BY_ANY_SETTINGS = (CodeOrigin.REPORT, CodeOrigin.SUPPRESSED)
"""The origins of the codes that mean the same with every provider."""


class CodeTexts:
    """The meanings of codes; the settings are loaded once, when the first code of a provider needs them."""

    def __init__(self, options: CliContext) -> None:
        self._options = options

    def of(self, view: CampaignView) -> Callable[[str], str]:
        """Return a function from a code of a campaign to its meaning, by the settings of the campaign's providers."""

        def meaning(name: str) -> str:
            return text_of(name, () if name.partition(":")[0] in _BY_ANY_SETTINGS else self._rules(view.plan.chain))

        return meaning

    @cached_property
    def _settings(self) -> "Settings | None":
        return settings_if_valid(self._options)

    def _rules(self, chain: Sequence[str]) -> "list[ResponseRules]":
        from times_dispatch.provider.description.responses import TIMES_MOBILE_RESPONSES  # noqa: PLC0415  # as settings

        providers = self._settings.providers if self._settings else {}
        rules = [providers[nickname].response_rules for nickname in chain if nickname in providers]
        return rules or [TIMES_MOBILE_RESPONSES]
