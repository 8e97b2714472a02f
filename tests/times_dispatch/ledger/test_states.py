from times_dispatch.ledger.states import (
    AWAITING_REPORT,
    FINAL,
    LIVE,
    SENT,
    SUPPRESSION_REASONS,
    UNSENT,
    CampaignState,
    MessageState,
    Suppression,
)


def test_every_message_state_is_one_byte_of_its_own() -> None:
    assert {len(state.value.encode()) for state in MessageState} == {1}
    assert len({state.value for state in MessageState}) == len(MessageState)


def test_every_message_state_is_unsent_or_awaits_a_report_or_is_final() -> None:
    assert not UNSENT & AWAITING_REPORT
    assert set(MessageState) == UNSENT | AWAITING_REPORT | FINAL
    assert not UNSENT & SENT


def test_labels_are_lower_case_names() -> None:
    assert MessageState.IN_DOUBT.label == "in_doubt"


def test_every_suppression_has_a_reason_for_people() -> None:
    assert set(SUPPRESSION_REASONS) == set(Suppression)


def test_a_campaign_that_is_being_written_or_is_over_is_not_live() -> None:
    assert set(CampaignState) - LIVE == {CampaignState.SUBMITTING, CampaignState.FINISHED, CampaignState.CANCELLED}
