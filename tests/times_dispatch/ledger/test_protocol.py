"""The scripts and Python exchange the same symbols."""

import re
from typing import get_args

import pytest

from times_dispatch.ledger.archive_states import ArchiveBegin, ArchiveCommit
from times_dispatch.ledger.model import InDoubtPolicy, MissedStart
from times_dispatch.ledger.protocol import (
    BackOffPolicy,
    BrakeTarget,
    CloseReason,
    ControlAction,
    PushResult,
    ReportLetter,
    Settlement,
    Status,
    StopReason,
    WaitReason,
    stop_reason_in_words,
)
from times_dispatch.ledger.reports.report_applier import ReportEffect
from times_dispatch.ledger.scripts import lib_names, lib_text, script_names, script_text
from times_dispatch.ledger.states import CampaignState, MessageState, Suppression

ALL_LUA = re.sub(r"--.*", "", "\n".join([*map(script_text, script_names()), *map(lib_text, lib_names())]))


def _constants(source: str) -> dict[str, str]:
    return dict(re.findall(r"^local ([A-Z_]+) = '(\w)'$", source, re.MULTILINE))


def _found(pattern: str, source: str = ALL_LUA) -> set[str]:
    return set(re.findall(pattern, source))


def test_states_of_messages() -> None:
    assert _constants(lib_text("states")) == {state.name: state.value for state in MessageState}


def test_states_of_campaigns() -> None:
    compared = _found(r"\bstate [=~]= '(\w+)'")
    written = _found(r"'HSET', campaign_key, 'state', '(\w+)'")
    of_control = _found(r"= '(\w+)'[,}]", script_text("control").partition("local args")[0])
    assert compared | written | of_control == set(CampaignState)


def test_statuses() -> None:
    assert _found(r"\bstatus = '(\w+)'") == {*Status, *ArchiveBegin, *ArchiveCommit}


def test_reasons_to_wait() -> None:
    given_by_python = {WaitReason.REPLICAS}
    assert _found(r"\bwait\(.*, '(\w+)'\)", script_text("open_block")) | given_by_python == set(WaitReason)


def test_reasons_to_close() -> None:
    source = script_text("open_block") + lib_text("campaigns")
    closed = _found(r"closed\('(\w+)'\)", source)
    checked = _found(r"then return '(\w+)' end", source)
    assert closed | checked == set(CloseReason)


def test_results_of_pushes() -> None:
    constants = {**_constants(lib_text("states")), **_constants(script_text("record"))}
    results = _found(r"\bresult [=~]= ([A-Z_]+)", script_text("record"))
    assert {name: constants[name].encode() for name in results} == {result.name: result.value for result in PushResult}


def test_backing_off_and_brakes() -> None:
    source = script_text("record")
    assert _found(r"args\.back_off == '(\w+)'", source) | {BackOffPolicy.NEVER} == set(BackOffPolicy)
    assert _found(r"args\.brake == '(\w+)'", source) | {BrakeTarget.NOTHING} == set(BrakeTarget)


def test_kinds_and_effects_of_reports() -> None:
    source = script_text("apply_reports")
    kinds = dict(re.findall(r"^local (REPORT_[A-Z]+) = (\d+)$", source, re.MULTILINE))
    assert _found(r"kind [=~]= ([A-Z_]+)", source) == kinds.keys()
    assert {bytes([int(kind)]) for kind in kinds.values()} == {letter.value for letter in ReportLetter}
    assert _constants(source) == {
        effect.name: effect.value
        for effect in ReportEffect
        if effect is not ReportEffect.ARCHIVED  # only Python uses this effect
    }


def test_reasons_to_suppress() -> None:
    codes = re.findall(r"^local ([A-Z_]+) = (3\d)$", lib_text("suppression"), re.MULTILINE)
    by_workers = {Suppression.OPTED_OUT, Suppression.DEAD_NUMBER, Suppression.FORGOTTEN}
    expected = {reason.name: str(reason.value) for reason in Suppression if reason not in by_workers}
    assert dict(codes) == expected


def test_the_codes_that_count_as_suppressed_are_those_of_a_suppression() -> None:
    ((first, last),) = re.findall(r"code >= (\d+) and code <= (\d+) and 'suppressed:'", lib_text("states"))
    assert set(range(int(first), int(last) + 1)) == set(Suppression)


def test_actions() -> None:
    assert _found(r"\n  (\w+) = \{", script_text("control")) == set(ControlAction)


def test_settlements_and_policies() -> None:
    source = script_text("settle_overdue")
    assert _found(r"settlement == '(\w+)'", source) == set(Settlement)
    assert _found(r"campaign\.in_doubt == '(\w+)'") <= set(get_args(InDoubtPolicy))
    assert _found(r"missed_start [=~]= '(\w+)'") <= set(get_args(MissedStart))


def test_reasons_of_stopped_campaigns() -> None:
    braked = _found(r"brake_campaign,? ?\(?id, [\w()]+, '(\w+)")
    written = _found(r"'state', '\w+', 'reason', '(\w+)'[,)]")
    given_by_python = {StopReason.COUNTERS_MISMATCH}
    assert braked | written | given_by_python == set(StopReason)


@pytest.mark.parametrize("reason", StopReason)
def test_every_reason_of_a_script_has_words_for_people(reason: StopReason) -> None:
    assert " " in stop_reason_in_words(reason, "500")


def test_a_reason_in_words() -> None:
    assert stop_reason_in_words("budget_spent", "500") == "its budget of 500 parts is spent"
    assert stop_reason_in_words("too_many_rejected", "") == "too many of the last pushes were rejected"


@pytest.mark.parametrize("reason", ["", "lunch", "lunch break", "damage done {}"])
def test_a_reason_of_a_person_stands_as_it_is(reason: str) -> None:
    assert stop_reason_in_words(reason, "") == reason


def test_no_script_replies_english_to_python() -> None:
    """Only the texts of errors, which go to the log, have more than one word."""
    texts = {text for text in re.findall(r"'([^'\n]*)'", ALL_LUA) if re.search(r"[a-z] [a-z]", text)}
    assert texts == {"DAMAGED records of ", " bytes for ", " is too long ago"}
