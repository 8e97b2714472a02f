"""The state of a sender, and of the providers that the sender cannot use."""

from collections.abc import Mapping, Sequence

import msgspec

from times_dispatch.ledger.keys import ProviderField, SenderField, provider_field
from times_dispatch.ledger.model import SenderId


class UnavailableProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider through which a sender sends no messages, or only one message at a time as a probe.

    Through a provider that is silent, and neither braked nor backed off from, the sender sends all messages that are
    not promotional.
    """

    provider: str
    brake: str
    """Why the provider is braked; empty if it is not braked."""
    backing_off_until_ms: int
    """The end of the back-off in epoch milliseconds; 0 if the sender does not back off."""
    backing_off_why: str
    """Why the sender backs off; empty if it does not back off."""
    silent_since_ms: int = 0
    """Since when promotional messages are held back, because reports are missing; 0 if they are not held back."""
    silent_why: str = ""
    """Which reports are missing; empty if no reports are."""

    @property
    def backs_off(self) -> bool:
        """Whether the sender backs off from the provider, also while a probe may be sent."""
        return bool(self.backing_off_until_ms or self.backing_off_why)

    @property
    def why(self) -> str:
        """Return the reason in words: ``braked: insufficient balance (6001)``, ``backing off: connection refused``."""
        if self.brake:
            return f"braked: {self.brake}"
        if self.backs_off:
            return f"backing off: {self.backing_off_why}"
        return f"held back for promotional messages: {self.silent_why}"

    def stops(self, category: str) -> bool:
        """Say whether messages of a category cannot go through the provider."""
        return bool(self.brake) or self.backs_off or (self.silent_since_ms > 0 and category == "promotional")


class SenderView(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a sender at one moment."""

    id: SenderId
    rate_per_s: float
    """Messages or SMS parts per second; 0 is no limit."""
    paused: bool
    pause_reason: str = ""
    """Why a person paused the sender; empty if the sender is not paused, or was paused without a reason."""
    configured_rate_per_s: float | None = None
    """The rate in the settings when a campaign of the sender was last submitted; None if there was no campaign."""
    unavailable: list[UnavailableProvider]
    """Providers that are braked or silent, or from which the sender backs off, by name."""
    batches_out: int
    campaigns_in_turn: int
    max_parts_per_day: int = 0
    """SMS parts that may be sent from midnight to midnight in Asia/Kolkata; 0 is no limit, and no parts are counted."""
    parts_today: int = 0
    day_is_used_up: bool = False
    """Whether the daily cap is used up: no message is sent until midnight in Asia/Kolkata."""
    lanes: int = 1
    """The number of lanes of the sender."""

    def waits_for_resume(self, chain: Sequence[str]) -> bool:
        """Say whether no message is sent through these providers until somebody resumes the sender."""
        return self.paused or {provider.provider for provider in self.unavailable if provider.brake}.issuperset(chain)


def unavailable_providers(sender: Mapping[str, bytes]) -> dict[str, UnavailableProvider]:
    """Return the providers that are braked or silent, or from which the sender backs off, by nickname."""
    unavailable = dict[str, UnavailableProvider]()
    silent = sender.get(SenderField.SILENT, b"").decode("utf-8", "replace").split()
    for provider in {field.partition("@")[2] for field in sender} - {""}:
        fields = {
            name: sender.get(provider_field(name, provider), b"").decode("utf-8", "backslashreplace")
            for name in ProviderField
        }
        brake = fields[ProviderField.BRAKE]
        backs_off = fields[ProviderField.BACK_OFF_COUNT] not in {"", "0"}
        is_silent = provider in silent
        if brake or backs_off or is_silent:
            until_ms = int(float(fields[ProviderField.BACK_OFF_UNTIL_US] or 0) / 1000)
            unavailable[provider] = UnavailableProvider(
                provider=provider,
                brake=brake,
                backing_off_until_ms=until_ms if backs_off else 0,
                backing_off_why=fields[ProviderField.BACK_OFF_REASON] if backs_off else "",
                silent_since_ms=int(float(fields[ProviderField.SILENT_SINCE_US] or 0) / 1000) if is_silent else 0,
                silent_why=fields[ProviderField.SILENT_REASON] if is_silent else "",
            )
    return unavailable
