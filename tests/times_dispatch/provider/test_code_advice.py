from times_dispatch.ledger.states import SUPPRESSION_REASONS
from times_dispatch.provider.code_advice import advice_of
from times_dispatch.provider.description.responses import TIMES_MOBILE_RESPONSES
from times_dispatch.provider.failures import FAILURE_TEXTS
from times_dispatch.provider.outcomes import Verdict
from times_dispatch.provider.reports.codes import REPORTED, SCRUBBING


def test_every_documented_code_of_a_report_has_advice() -> None:
    assert [code for code in (*REPORTED, *SCRUBBING) if not advice_of(f"report:{code}")] == []


def test_every_documented_code_of_a_response_has_advice_unless_it_means_accepted() -> None:
    codes = [code for code, meaning in TIMES_MOBILE_RESPONSES.codes.items() if meaning.verdict is not Verdict.ACCEPTED]
    assert codes
    assert [code for code in codes if not advice_of(f"push:{code}")] == []


def test_each_of_our_own_codes_has_advice() -> None:
    codes = [*(f"push:{code}" for code in FAILURE_TEXTS), *(f"suppressed:{code}" for code in SUPPRESSION_REASONS)]
    assert [code for code in codes if not advice_of(code)] == []


def test_a_message_that_is_sent_again_needs_no_reports() -> None:
    assert advice_of("push:10")
    assert advice_of("retry:10") == ""
    assert advice_of("retry:2051") == advice_of("push:2051")


def test_an_unknown_code_has_no_advice() -> None:
    assert advice_of("push:31337") == advice_of("suppressed:99") == advice_of("report:911") == ""
