"""Responses of providers that the settings describe: codes, words, statuses and patterns of their own."""

import json

import pytest

from tests.kit.clock import FakeClock
from times_dispatch.provider.description.responses import (
    TIMES_MOBILE_RESPONSES,
    Meaning,
    ResponseReader,
    ResponseRules,
)
from times_dispatch.provider.outcomes import BrakeScope, Outcome, Verdict

HTML = b"<html><body><h1>Something</h1></body></html>"
NOW_S = 1_792_000_000.0  # 2026-10-14 17:46:40 UTC


def accepted(**changes: object) -> dict[str, object]:
    answer: dict[str, object] = {
        "transactionId": 205538399,
        "state": "SUBMIT_ACCEPTED",
        "statusCode": 200,
        "description": "Message accepted successfully",
        "pdu": 1,
    }
    return answer | changes


def test_the_rules_are_data() -> None:
    rules = ResponseRules(
        paths={"id": "id", "state": "status", "code": "error", "parts": "segments"},
        accepted_states=frozenset({"QUEUED"}),
        failed_states=frozenset({"ERROR"}),
        codes={"0": Meaning(Verdict.ACCEPTED, "queued"), "7": Meaning(Verdict.BRAKE, "no money", BrakeScope.PROVIDER)},
        statuses=TIMES_MOBILE_RESPONSES.statuses,
    )
    reader = ResponseReader(rules)
    taken = reader.read(200, {}, b'{"id":"m-1","status":"QUEUED","error":0,"segments":2}')
    assert (taken.verdict, taken.transaction_id, taken.parts) == (Verdict.ACCEPTED, "m-1", 2)
    assert reader.read(200, {}, b'{"status":"ERROR","error":7}').scope is BrakeScope.PROVIDER
    assert reader.read(200, {}, json.dumps(accepted()).encode()).verdict is Verdict.IN_DOUBT


@pytest.mark.parametrize("code", [-1, "-1", " -01 ", -1.0])
def test_a_code_below_zero_is_a_code(code: object) -> None:
    rules = ResponseRules(
        paths={"code": "code"},
        codes={"-1": Meaning(Verdict.REJECTED, "no such number", number=2054)},
        rest=Meaning(Verdict.IN_DOUBT, "unknown"),
        statuses=TIMES_MOBILE_RESPONSES.statuses,
    )
    reader = ResponseReader(rules)

    known = reader.read(200, {}, json.dumps({"code": code}).encode())
    other = reader.read(400, {}, b'{"code":-2}')

    assert (known.verdict, known.code) == (Verdict.REJECTED, 2054)
    assert (other.verdict, other.code, other.reason) == (Verdict.IN_DOUBT, 0, "unknown")


NESTED = ResponseRules(
    paths={"code": "result.status.code", "text": "result.status.text", "id": "/result/id", "parts": "result.n"},
    codes={
        "QUEUED": Meaning(Verdict.ACCEPTED, "accepted"),
        "E_NUMBER": Meaning(Verdict.REJECTED, "no such number", number=2054),
        "E_BUSY": Meaning(Verdict.THROTTLED, "busy", number=429),
        "100001": Meaning(Verdict.REJECTED, "rejected", number=101),
        "17": Meaning(Verdict.BRAKE, "no money", BrakeScope.PROVIDER),
    },
    words={"invalid mobile": "E_NUMBER"},
    rest=Meaning(Verdict.IN_DOUBT, "unknown"),
    statuses={**TIMES_MOBILE_RESPONSES.statuses, 202: Meaning(Verdict.ACCEPTED, "accepted")},
)


def nested(code: object = None, status: int = 200, **found: object) -> Outcome:
    text = found.pop("text", None)
    body = {"result": {"status": {"code": code, "text": text}, **found}}
    headers = {"retry-after": "3"} if status == 429 else {}
    return ResponseReader(NESTED, clock=FakeClock(epoch=NOW_S)).read(status, headers, json.dumps(body).encode())


def test_codes_may_be_words_deep_in_an_answer_and_are_counted_as_numbers() -> None:
    assert nested("QUEUED", id="m-1", n=2) == Outcome(
        verdict=Verdict.ACCEPTED, transaction_id="m-1", parts=2, reason="accepted"
    )
    assert nested(" queued ").verdict is Verdict.ACCEPTED
    assert (nested("E_NUMBER").verdict, nested("e_number").code) == (Verdict.REJECTED, 2054)
    assert (nested(100_001).code, nested("100001").code) == (101, 101)
    assert nested("017").scope is BrakeScope.PROVIDER


def test_a_code_can_say_not_now() -> None:
    outcome = nested("E_BUSY")
    assert (outcome.verdict, outcome.code, outcome.retry_after_s) == (Verdict.THROTTLED, 429, None)
    assert nested("E_BUSY", 429).retry_after_s == 3.0


def test_a_text_stands_for_its_code_where_there_is_none() -> None:
    assert nested(text="Invalid mobile number 98…").code == 2054
    assert nested("E_OTHER", text="INVALID MOBILE").verdict is Verdict.REJECTED
    assert nested("QUEUED", text="invalid mobile").verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("status", [200, 202, 400, 500])
def test_a_code_that_nothing_names_is_the_rest_whatever_the_status(status: int) -> None:
    outcome = nested(77, status, id="m-1")
    assert (outcome.verdict, outcome.code, outcome.reason) == (Verdict.IN_DOUBT, 77, "unknown")


def test_a_status_that_means_accepted_needs_the_id_that_is_expected() -> None:
    assert nested(None, 202, id="m-1") == Outcome(
        verdict=Verdict.ACCEPTED, code=202, transaction_id="m-1", reason="accepted"
    )
    assert nested(None, 202).verdict is Verdict.IN_DOUBT
    assert ResponseReader(NESTED).read(202, {}, HTML).verdict is Verdict.IN_DOUBT
    without_id = ResponseReader(ResponseRules(statuses={200: Meaning(Verdict.ACCEPTED, "accepted")}))
    assert without_id.read(200, {}, HTML).verdict is Verdict.ACCEPTED


def test_answers_that_are_no_json_are_read_by_a_pattern() -> None:
    reader = ResponseReader(
        ResponseRules(
            pattern=r"^(?P<code>\d{4})(?:\|\d+:(?P<id>\S+))?",
            codes={"1701": Meaning(Verdict.ACCEPTED, "accepted"), "1706": Meaning(Verdict.REJECTED, "bad number")},
            words={"busy": "1706"},
            statuses={},
        )
    )
    assert reader.read(200, {}, b"1701|919876543210:abc-1") == Outcome(
        verdict=Verdict.ACCEPTED, code=1701, transaction_id="abc-1", reason="accepted"
    )
    assert reader.read(200, {}, b"1706").verdict is Verdict.REJECTED
    assert reader.read(200, {}, b"Busy").code == 1706
    assert reader.read(200, {}, b'{"code":1701}').verdict is Verdict.IN_DOUBT


@pytest.mark.parametrize(("said", "verdict"), [(True, Verdict.ACCEPTED), (False, Verdict.REJECTED), (None, None)])
def test_a_state_may_be_true_or_false(said: object, verdict: Verdict | None) -> None:
    rules = ResponseRules(
        paths={"state": "ok"}, accepted_states=frozenset({"TRUE"}), failed_states=frozenset({"FALSE"}), statuses={}
    )
    outcome = ResponseReader(rules).read(200, {}, json.dumps({"ok": said}).encode())
    assert outcome.verdict is (verdict or Verdict.IN_DOUBT)
