import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.clock import FakeClock
from times_dispatch.provider.description.responses import (
    MAX_RETRY_AFTER_S,
    ResponseReader,
)
from times_dispatch.provider.outcomes import BrakeScope, Outcome, Verdict

HTML = b"<html><body><h1>Something</h1></body></html>"
NOW_S = 1_792_000_000.0  # 2026-10-14 17:46:40 UTC


def read(status: int, body: object, **headers: str) -> Outcome:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    reader = ResponseReader(clock=FakeClock(epoch=NOW_S))
    return reader.read(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def accepted(**changes: object) -> dict[str, object]:
    answer: dict[str, object] = {
        "transactionId": 205538399,
        "state": "SUBMIT_ACCEPTED",
        "statusCode": 200,
        "description": "Message accepted successfully",
        "pdu": 1,
    }
    return answer | changes


def failed(code: object, **changes: object) -> dict[str, object]:
    return {"transactionId": 0, "state": "SUBMIT_FAILED", "statusCode": code, "description": "why"} | changes


def test_an_acceptance_holds_the_transaction_and_the_parts() -> None:
    assert read(200, accepted(pdu=3)) == Outcome(
        verdict=Verdict.ACCEPTED, code=200, transaction_id="205538399", parts=3, reason="accepted"
    )


@pytest.mark.parametrize(
    "body",
    [
        accepted(transactionId="205538399", statusCode="200", pdu="1"),
        accepted(statusCode=200.0, pdu=1.0),
        accepted(statusCode=" 200 "),
        accepted(state="submit_accepted "),
        {"unknown": [1, {}]} | accepted(),
        b"\xef\xbb\xbf" + json.dumps(accepted()).encode(),
        json.dumps(accepted()).encode().replace(b"successfully", b"\xff\xfe"),
    ],
)
def test_an_acceptance_is_known_in_all_its_spellings(body: object) -> None:
    outcome = read(200, body)
    assert (outcome.verdict, outcome.code, outcome.transaction_id, outcome.parts) == (
        Verdict.ACCEPTED,
        200,
        "205538399",
        1,
    )


def test_an_acceptance_needs_no_code() -> None:
    assert read(200, {"state": "SUBMIT_ACCEPTED"}).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 500, 502, 503])
def test_the_body_decides_and_not_the_status(status: int) -> None:
    assert read(status, accepted()).verdict is Verdict.ACCEPTED
    assert read(status, failed(2054)).verdict is Verdict.REJECTED
    assert read(status, failed(2070)).scope is BrakeScope.PROVIDER


@pytest.mark.parametrize("spelt", [int, str])
@pytest.mark.parametrize(
    ("code", "verdict", "scope"),
    [
        (2051, Verdict.BRAKE, BrakeScope.SENDER),
        (2054, Verdict.REJECTED, None),
        (2070, Verdict.BRAKE, BrakeScope.PROVIDER),
        (6001, Verdict.BRAKE, BrakeScope.PROVIDER),
        (7001, Verdict.BRAKE, BrakeScope.CAMPAIGN),
        (5001, Verdict.BRAKE, BrakeScope.CAMPAIGN),
        (5000, Verdict.IN_DOUBT, None),
        (1234, Verdict.REJECTED, None),
        (65535, Verdict.REJECTED, None),
    ],
)
def test_a_failure_means_what_the_table_says(
    code: int, verdict: Verdict, scope: BrakeScope | None, spelt: type[object]
) -> None:
    outcome = read(200, failed(spelt(code)))  # type: ignore[call-arg]
    assert (outcome.verdict, outcome.code, outcome.scope, outcome.transaction_id) == (verdict, code, scope, "")


@pytest.mark.parametrize("code", [None, "", "abc", 65536, -1, 10**30, "9" * 5000, True, [], {}, "٢٠٥٤"])
def test_an_explicit_failure_without_a_usable_code_is_a_rejection(code: object) -> None:
    outcome = read(200, failed(code))
    assert (outcome.verdict, outcome.code) == (Verdict.REJECTED, 0)


@pytest.mark.parametrize(
    "body",
    [
        accepted(statusCode=2070),
        accepted(statusCode=5000),
        accepted(statusCode=1234),
        accepted(statusCode="OK"),
        accepted(statusCode=True),
        failed(200),
        {"state": "SUBMIT_QUEUED", "statusCode": 200},
        {"state": 1, "statusCode": 200},
    ],
)
def test_a_contradiction_is_in_doubt(body: object) -> None:
    assert read(200, body).verdict is Verdict.IN_DOUBT


def test_a_code_of_the_table_decides_without_a_state() -> None:
    assert read(200, {"statusCode": 200}).verdict is Verdict.ACCEPTED
    assert read(200, {"statusCode": "2051"}).scope is BrakeScope.SENDER
    assert read(200, {"state": None, "statusCode": 2054}).verdict is Verdict.REJECTED


@pytest.mark.parametrize(
    ("body", "code", "scope"),
    [
        (b"Authentication failure", 2070, BrakeScope.PROVIDER),
        (b'  "AUTHENTICATION FAILURE"\r\n', 2070, BrakeScope.PROVIDER),
        (b"\xef\xbb\xbfAuthentication failure", 2070, BrakeScope.PROVIDER),
        (b"INVALID_SOURCE_ADDRESS", 2051, BrakeScope.SENDER),
        (b"invalid_source_address: TIMESM", 2051, BrakeScope.SENDER),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_known_words_without_json_stand_for_their_code(status: int, body: bytes, code: int, scope: BrakeScope) -> None:
    outcome = read(status, body)
    assert (outcome.verdict, outcome.code, outcome.scope) == (Verdict.BRAKE, code, scope)


UNREADABLE = [
    b"",
    HTML,
    b"<p>Authentication failure</p>",
    b"{",
    b'{"state": "SUBMIT_ACC',
    b"{}",
    b"[]",
    b"null",
    b"\x00\xff",
    json.dumps([accepted()]).encode(),
    b'{"statusCode": 999, "message": "Not Found"}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
@pytest.mark.parametrize(
    ("status", "verdict", "scope", "code"),
    [
        (200, Verdict.IN_DOUBT, None, 12),
        (202, Verdict.IN_DOUBT, None, 12),
        (204, Verdict.IN_DOUBT, None, 12),
        (301, Verdict.IN_DOUBT, BrakeScope.PROVIDER, 301),
        (302, Verdict.IN_DOUBT, BrakeScope.PROVIDER, 302),
        (303, Verdict.IN_DOUBT, None, 303),
        (307, Verdict.BRAKE, BrakeScope.PROVIDER, 307),
        (308, Verdict.BRAKE, BrakeScope.PROVIDER, 308),
        (400, Verdict.REJECTED, None, 400),
        (401, Verdict.BRAKE, BrakeScope.PROVIDER, 401),
        (402, Verdict.BRAKE, BrakeScope.PROVIDER, 402),
        (403, Verdict.BRAKE, BrakeScope.PROVIDER, 403),
        (404, Verdict.BRAKE, BrakeScope.PROVIDER, 404),
        (405, Verdict.BRAKE, BrakeScope.PROVIDER, 405),
        (407, Verdict.BRAKE, BrakeScope.PROVIDER, 407),
        (408, Verdict.IN_DOUBT, None, 408),
        (409, Verdict.IN_DOUBT, None, 409),
        (413, Verdict.REJECTED, None, 413),
        (415, Verdict.BRAKE, BrakeScope.PROVIDER, 415),
        (422, Verdict.REJECTED, None, 422),
        (429, Verdict.THROTTLED, None, 429),
        (500, Verdict.IN_DOUBT, None, 500),
        (502, Verdict.IN_DOUBT, None, 502),
        (503, Verdict.IN_DOUBT, None, 503),
        (504, Verdict.IN_DOUBT, None, 504),
        (599, Verdict.IN_DOUBT, None, 599),
    ],
)
def test_without_a_readable_body_the_status_decides(
    status: int, verdict: Verdict, scope: BrakeScope | None, code: int, body: bytes
) -> None:
    outcome = read(status, body)
    assert (outcome.verdict, outcome.scope, outcome.code) == (verdict, scope, code)


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("0", 0.0),
        (" 7 ", 7.0),
        ("900", MAX_RETRY_AFTER_S),
        ("901", MAX_RETRY_AFTER_S),
        ("9" * 400, MAX_RETRY_AFTER_S),
        ("Wed, 14 Oct 2026 17:46:50 GMT", 10.0),
        ("Wed, 14 Oct 2026 17:46:30 GMT", 0.0),
        ("Thu, 15 Oct 2026 17:46:40 GMT", MAX_RETRY_AFTER_S),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_throttle_says_how_long_to_wait(status: int, header: str, wait_s: float) -> None:
    outcome = read(status, HTML, retry_after=header)
    assert (outcome.verdict, outcome.retry_after_s, outcome.code) == (Verdict.THROTTLED, wait_s, status)


@pytest.mark.parametrize("header", ["", "soon", "-5", "1.5.5", "٧", "Wed, 99 Oct 2026 17:46:50 GMT", "1e3"])
def test_a_wait_that_cannot_be_read_is_none(header: str) -> None:
    assert read(429, HTML, retry_after=header).retry_after_s is None
    assert read(429, HTML, retry_after=header).verdict is Verdict.THROTTLED
    assert read(503, HTML, retry_after=header).verdict is Verdict.IN_DOUBT


@pytest.mark.parametrize("status", [429, 503])
def test_a_throttle_that_claims_acceptance_is_in_doubt(status: int) -> None:
    assert read(status, accepted(), retry_after="1").verdict is Verdict.IN_DOUBT
    assert read(status, accepted(statusCode=1), retry_after="1").verdict is Verdict.IN_DOUBT


def test_a_code_of_the_table_overrides_a_throttle_and_an_unknown_code_does_not() -> None:
    assert read(429, failed(2070)).verdict is Verdict.BRAKE
    assert read(429, failed(429)).verdict is Verdict.THROTTLED
    assert read(503, failed(1234), retry_after="3").retry_after_s == 3.0


@pytest.mark.parametrize(
    ("given_id", "kept"),
    [
        ("abc-1", "abc-1"),
        (10**30, str(10**30)),
        ("x" * 64, "x" * 64),
        ("x" * 65, "x" * 64),
        (0, ""),
        ("0", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_transaction_id_is_kept_as_text(given_id: object, kept: str) -> None:
    assert read(200, accepted(transactionId=given_id)).transaction_id == kept


@pytest.mark.parametrize(
    ("pdu", "parts"),
    [(2, 2), ("2", 2), (255, 255), (256, 0), (0, 0), (-1, 0), ("x", 0), (None, 0), (1.5, 0), ([1], 0), ({}, 0)],
)
def test_a_count_of_parts_that_makes_no_sense_is_none_at_all(pdu: object, parts: int) -> None:
    outcome = read(200, accepted(pdu=pdu))
    assert (outcome.verdict, outcome.parts) == (Verdict.ACCEPTED, parts)


def test_reasons_are_constant_and_repeat_nothing_of_the_answer() -> None:
    assert read(200, failed(2054, description="919876543210")).reason == "invalid mobile number"
    assert "Something" not in read(200, HTML).reason


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.sampled_from([200, "200", 2054, "2070", 5000, "SUBMIT_ACCEPTED", "SUBMIT_FAILED"]),
)
values = st.one_of(scalars, st.lists(scalars, max_size=2), st.dictionaries(st.text(max_size=3), scalars, max_size=2))
objects = st.dictionaries(st.sampled_from(["transactionId", "state", "statusCode", "pdu", "other"]), values)
statuses = st.one_of(st.sampled_from([200, 400, 429, 503]), st.integers(100, 999))


@given(statuses, st.one_of(st.binary(), objects.map(lambda found: json.dumps(found).encode())), st.text())
def test_whatever_comes_is_an_outcome_that_fits_its_record(status: int, body: bytes, retry_after: str) -> None:
    outcome = ResponseReader().read(status, {"retry-after": retry_after}, body)
    assert 0 <= outcome.code <= 65_535
    assert 0 <= outcome.parts <= 255
    assert len(outcome.transaction_id) <= 64
    assert (outcome.scope is None) == (outcome.verdict is not Verdict.BRAKE)
    assert outcome.retry_after_s is None or 0 <= outcome.retry_after_s <= MAX_RETRY_AFTER_S


@given(statuses, objects)
def test_only_an_explicit_acceptance_is_accepted(status: int, found: dict[str, object]) -> None:
    outcome = read(status, found)
    if outcome.verdict is Verdict.ACCEPTED:
        assert found.get("state") in ("SUBMIT_ACCEPTED", None, "")
        assert found.get("statusCode") in (200, "200", None)
        assert found.get("state") or found.get("statusCode")


@pytest.mark.parametrize(("header", "wait_s"), [("1.5", 1.5), ("0.25", 0.25), ("120.0", 120), ("99999.9", 900)])
@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_may_have_a_fraction(status: int, header: str, wait_s: float) -> None:
    outcome = read(status, HTML, retry_after=header)
    assert (outcome.verdict, outcome.retry_after_s) == (Verdict.THROTTLED, wait_s)


@pytest.mark.parametrize(("written", "expected"), [("2.05538399E8", "205538399"), ("7.5", ""), ("1E30", "")])
def test_an_id_that_java_wrote_as_a_float_is_the_same_id(written: str, expected: str) -> None:
    body = f'{{"transactionId":{written},"state":"SUBMIT_ACCEPTED","statusCode":200}}'.encode()
    assert read(200, body).transaction_id == expected


def test_a_date_to_wait_for_without_a_zone_is_in_utc_on_every_host(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        with monkeypatch.context() as environment:
            environment.setenv("TZ", "Asia/Kolkata")
            time.tzset()
            assert read(503, HTML, retry_after="Wed, 14 Oct 2026 17:46:50 -0000").retry_after_s == 10
    finally:
        time.tzset()
