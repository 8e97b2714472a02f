import pytest

from producers.export.code_names import code_name
from times_dispatch.ledger.model import RetryRule
from times_dispatch.ledger.states import MessageState

RULE = RetryRule(codes=[912, 914], after_s=[60], at_most=1)


@pytest.mark.parametrize(
    ("state", "code", "name"),
    [
        (MessageState.FAILED, 910, "report:910"),
        (MessageState.REJECTED, 2054, "push:2054"),
        (MessageState.PENDING, 29, "retry:29"),
        (MessageState.FAILED, 0, ""),
        (MessageState.DELIVERED, 910, ""),
        (MessageState.ACCEPTED, 912, ""),
    ],
)
def test_a_code_is_named_with_its_origin_if_the_state_has_an_error(state: MessageState, code: int, name: str) -> None:
    assert code_name(state, code, retry=None) == name
    assert code_name(state, code, retry=RULE) == ("report:912" if code == 912 else name)


@pytest.mark.parametrize("state", [MessageState.PENDING, MessageState.SENDING, MessageState.ACCEPTED])
def test_a_message_that_is_sent_again_after_a_report_has_the_code_of_the_report(state: MessageState) -> None:
    assert code_name(state, 912, retry=RULE) == "report:912"
