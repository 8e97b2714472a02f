import time
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from tests.kit.sandbox import GOOD, Start, correlation_id


def answer(body: bytes) -> dict[str, Any]:
    decoded = orjson.loads(body)
    assert isinstance(decoded, dict)
    return decoded


async def test_a_good_post_is_accepted_with_the_parts_it_costs(start: Start) -> None:
    client = await start()
    status, body, headers = await client.push()
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    taken = answer(body)
    assert taken.pop("transactionId") > 0
    assert taken == {
        "state": "SUBMIT_ACCEPTED",
        "statusCode": 200,
        "description": "Message accepted successfully",
        "pdu": 1,
    }


async def test_a_good_get_is_accepted_without_basic_authentication(start: Start) -> None:
    client = await start()
    status, body = await client.get("/ct/api/v1/send", **{**GOOD, "text": "नमस्ते", "unicode": "true"})
    assert (status, answer(body)["statusCode"]) == (200, 200)


@pytest.mark.parametrize(
    ("changes", "http_status", "code"),
    [
        ({"password": "other"}, 200, 2070),
        ({"username": None}, 200, 2070),
        ({"from": "OTHERS"}, 400, 2051),
        ({"from": "timesm"}, 400, 2051),
        ({"from": None}, 400, 2051),
        ({"dltContentId": ""}, 400, 7001),
        ({"dltContentId": None}, 400, 7001),
        ({"dltContentId": "1107160000000000009"}, 400, 5001),
        ({"to": "91987654321"}, 400, 2054),
        ({"to": "915876543210"}, 400, 2054),
        ({"to": " 919876543210"}, 400, 2054),
        ({"to": "919876543210\n"}, 400, 2054),
        ({"to": "९१९८७६५४३२१०"}, 400, 2054),
        ({"to": None}, 400, 2054),
        ({"to": 919876543210}, 400, 400),
        ({"unicode": "True"}, 400, 400),
        ({"unicode": True}, 400, 400),
        ({"text": ""}, 400, 400),
        ({"corelationid": None, "correlationid": "x"}, 400, 400),
        ({"corelationid": None, "corelationId": "x"}, 400, 400),
    ],
)
async def test_a_wrong_push_is_refused_with_the_code_of_its_fault(
    start: Start, changes: dict[str, Any], http_status: int, code: int
) -> None:
    client = await start(senders={"TIMESM": (GOOD["dltContentId"],)})
    status, body, _ = await client.push(**changes)
    assert (status, answer(body)["statusCode"]) == (http_status, code)
    assert answer(body)["state"] == "SUBMIT_FAILED"
    assert answer(body)["transactionId"] == 0
    books = (await client.books())["all"]
    assert books["refused"] == {str(code): 1}
    assert (books["accepted"], books["arrivals"]) == (0, 1)


@pytest.mark.parametrize("number", ["+919876543210", "916000000000", "14155552671", "971501234567"])
async def test_numbers_of_india_and_of_elsewhere_are_taken(start: Start, number: str) -> None:
    client = await start()
    assert answer((await client.push(to=number))[1])["statusCode"] == 200


async def test_a_plus_that_was_not_escaped_in_a_query_is_an_invalid_number(start: Start) -> None:
    client = await start()
    query = "&".join(f"{name}={quote(value)}" for name, value in GOOD.items() if name != "to")
    assert answer((await client.get_raw(f"/ct/api/v1/send?{query}&to=+919876543210"))[1])["statusCode"] == 2054
    assert answer((await client.get_raw(f"/ct/api/v1/send?{query}&to=%2B919876543210"))[1])["statusCode"] == 200


@pytest.mark.parametrize("authorization", ["", "Basic d3Jvbmc6d3Jvbmc=", "Bearer x"])
async def test_a_post_needs_basic_authentication_besides_the_body(start: Start, authorization: str) -> None:
    client = await start()
    status, body, _ = await client.push(authorization=authorization)
    assert (status, answer(body)["statusCode"]) == (200, 2070)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff", b'{"text": "\\ud800"}'])
async def test_a_body_that_is_not_a_flat_object_is_a_bad_request(start: Start, body: bytes) -> None:
    client = await start()
    status, _, _ = await client.post("/ct/api/v1/message", body, {"Content-Type": "application/json"})
    assert status == 400
    assert (await client.books())["senders"]["?"]["refused"] == {"400": 1}


async def test_a_form_is_not_json(start: Start) -> None:
    client = await start()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await client.post("/ct/api/v1/message", orjson.dumps(GOOD), headers))[0] == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ct/api/v1/Message", 404),
        ("/CT/api/v1/message", 404),
        ("/ct/api/v1/message/", 404),
        ("/ct/api/v1/send", 405),
        ("/sandbox/nothing", 404),
    ],
)
async def test_paths_are_case_sensitive_and_each_has_its_method(start: Start, path: str, status: int) -> None:
    client = await start()
    assert (await client.post(path, orjson.dumps(GOOD)))[0] == status
    assert (await client.books())["all"]["arrivals"] == 0


async def test_some_answers_hold_strings_for_numbers(start: Start) -> None:
    client = await start(string_answers=0.5)
    answers = [answer((await client.push(corelationid=correlation_id(n)))[1]) for n in range(40)]
    kinds = {(type(taken["transactionId"]), type(taken["statusCode"])) for taken in answers}
    assert kinds == {(int, int), (str, str)}
    assert len({int(taken["transactionId"]) for taken in answers}) == 40


async def test_bare_refusals_are_a_word_for_credentials_and_senders_only(start: Start) -> None:
    client = await start(bare_refusals=1.0, senders={"TIMESM": ()})
    assert (await client.push(password="other"))[1] == b"Authentication failure"
    assert (await client.push(**{"from": "OTHERS"}))[1] == b"INVALID_SOURCE_ADDRESS"
    assert answer((await client.push(to="1"))[1])["statusCode"] == 2054


async def test_a_share_of_good_numbers_is_invalid_and_stays_so(start: Start) -> None:
    client = await start(invalid_numbers=0.3)
    numbers = [f"9198765432{n:02d}" for n in range(40)]
    first = [answer((await client.push(to=number))[1])["statusCode"] for number in numbers]
    again = [answer((await client.push(to="+" + number))[1])["statusCode"] for number in reversed(numbers)]
    assert set(first) == {200, 2054}
    assert again == first[::-1]


async def test_latency_holds_the_answer_back(start: Start) -> None:
    client = await start(latency_min_ms=80, latency_max_ms=80)
    began = time.monotonic()
    await client.push()
    assert time.monotonic() - began >= 0.08
