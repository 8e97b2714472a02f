"""The brakes and the back-offs of a sender, for each provider."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from times_dispatch.ledger.protocol import BackOffPolicy
from times_dispatch.ledger.push_results import Consequence

PROBE_INTERVAL_US = 1_000_000
MAX_BACK_OFF_US = 900_000_000
MAX_UNREADABLE_BACK_OFFS = 7
ANSWERED_EVERY_US = 1_000_000
ANSWERED_LATELY_US = 5_000_000


class Pushed(NamedTuple):
    """How many messages of a group of results the provider accepted and rejected, and how many were suppressed."""

    accepted: int
    rejected: int
    suppressed: int


class Choice(NamedTuple):
    """The provider that can take a message now."""

    chain_index: int
    is_probe: bool


@dataclass
class ModelProvider:
    is_braked: bool = False
    back_off_until_us: int = 0
    back_off_since_us: int = 0
    back_offs: int = 0
    back_off_reason: str = ""
    answered_us: int = 0
    """When the provider last accepted or rejected a message, with a precision of about a second."""
    probe_us: int = 0
    """When the next probe may be sent."""

    def free_us(self) -> int:
        return max(self.back_off_until_us, self.probe_us) if self.back_offs else 0


@dataclass
class Providers:
    by_name: dict[str, ModelProvider] = field(default_factory=dict)

    def __getitem__(self, name: str) -> ModelProvider:
        return self.by_name.setdefault(name, ModelProvider())

    def resumed(self, *, decided_us: int) -> "Providers":
        """Return the providers after a resume of the sender: only back-offs that began after the decision continue."""
        later = {name: provider for name, provider in self.by_name.items() if provider.back_off_since_us > decided_us}
        return Providers({name: replace(provider, is_braked=False) for name, provider in later.items()})

    def choose(self, chain: tuple[str, ...], now_us: int) -> Choice | str:
        """Return the provider for the next block, or the reason why no provider can take a message."""
        usable = [(index, self[name]) for index, name in enumerate(chain) if not self[name].is_braked]
        for index, provider in usable:
            if provider.free_us() <= now_us:
                return Choice(index, is_probe=provider.back_offs > 0)
        return "backing_off" if usable else "provider_braked"

    def conclude(self, name: str, pushed: Pushed, consequence: Consequence, now_us: int) -> bool:
        """Begin, extend or end a back-off; return whether the sender must be braked at the provider."""
        provider, asked_us, brakes = self[name], round(consequence.at_least_s * 1e6), False
        is_answered_lately = provider.answered_us > now_us - ANSWERED_LATELY_US
        if (pushed.accepted or pushed.rejected) and now_us - provider.answered_us > ANSWERED_EVERY_US:
            provider.answered_us = now_us
        if provider.back_off_until_us > now_us:
            if consequence.back_off == BackOffPolicy.ALWAYS:
                provider.back_off_until_us = max(provider.back_off_until_us, now_us + asked_us)
            return False
        is_unreadable = consequence.back_off == BackOffPolicy.IF_NONE_READABLE
        if consequence.back_off == BackOffPolicy.ALWAYS or (
            consequence.back_off != BackOffPolicy.NEVER
            and not (consequence.back_off == BackOffPolicy.IF_NONE_ANSWERED and is_answered_lately)
            and not pushed.accepted
        ):
            doubled_us = min(round(1e6 * 2 ** min(provider.back_offs, 16) * consequence.jitter), 60_000_000)
            brakes = is_unreadable and provider.back_off_reason == consequence.reason
            provider.back_off_until_us = now_us + max(asked_us, doubled_us)
            provider.back_off_since_us = provider.back_off_since_us if provider.back_offs else now_us
            provider.back_offs, provider.back_off_reason = provider.back_offs + 1, consequence.reason
            brakes = brakes and provider.back_offs >= MAX_UNREADABLE_BACK_OFFS
        elif (pushed.accepted or pushed.rejected) and provider.back_offs:
            provider.back_offs, provider.back_off_reason = 0, ""
        if pushed.suppressed:
            provider.probe_us = 0
        return brakes
