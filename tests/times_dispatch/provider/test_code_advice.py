from times_dispatch.provider.code_advice import advice_of
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.reports.codes import OTHER, REPORTED


def test_every_documented_code_of_a_report_has_advice() -> None:
    assert [code for code in REPORTED if not advice_of(f"report:{code}")] == [OTHER]


def test_every_failure_that_leaves_a_message_in_doubt_or_rejected_has_advice() -> None:
    lasting = [failure for failure in Failure if failure >= Failure.READ_TIMEOUT]
    assert all(advice_of(f"push:{failure.value}") for failure in lasting)


def test_an_unknown_code_has_no_advice() -> None:
    assert advice_of("push:31337") == advice_of("suppressed:31") == ""
