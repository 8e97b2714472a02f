"""The reasons why a sender does not use a provider, in words, and the messages for which each reason holds."""

import pytest

from times_dispatch.ledger.sender_view import UnavailableProvider, unavailable_providers


@pytest.mark.parametrize(
    ("fields", "why", "stopped"),
    [
        ({"brake@tm": b"no balance"}, "braked: no balance", {"service", "promotional"}),
        (
            {"back_off_count@tm": b"1", "back_off_reason@tm": b"connection refused"},
            "backing off: connection refused",
            {"service", "promotional"},
        ),
        (
            {"silent": b"tm", "silent_since_us@tm": b"1790000000000000", "silent_reason@tm": b"no reports"},
            "held back for promotional messages: no reports",
            {"promotional"},
        ),
    ],
)
def test_each_reason_has_words_and_stops_the_messages_that_it_is_about(
    fields: dict[str, bytes], why: str, stopped: set[str]
) -> None:
    (provider,) = unavailable_providers(fields).values()
    assert provider.why == why
    assert {category for category in ("service", "promotional") if provider.stops(category)} == stopped


def test_a_provider_without_a_reason_is_not_listed() -> None:
    assert unavailable_providers({"brake@tm": b"", "back_off_count@tm": b"0"}) == dict[str, UnavailableProvider]()
