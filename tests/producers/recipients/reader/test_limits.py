from producers.recipients.reader.limits import DEFAULT_LIMITS, ReaderLimits
from times_dispatch.settings.tables.recipients import RecipientsSettings


def test_the_limits_are_those_of_the_settings_and_have_the_same_defaults() -> None:
    assert ReaderLimits.of(RecipientsSettings()) == DEFAULT_LIMITS
    assert ReaderLimits.of(RecipientsSettings(max_rows=7)) == ReaderLimits(max_rows=7)
