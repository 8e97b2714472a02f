from typing import Any
from urllib.parse import urlencode

import orjson

from tests.kit.sandbox import SandboxClient, Start, correlation_id
from times_dispatch.sandbox.config import GenericConfig

GENERIC = GenericConfig(client_id="cid", client_secret="csecret")
FORM = {
    "mobile": "+919876543210",
    "message": "Dear Asha & Co: 1+1",
    "sender": "TIMESM",
    "template": "1107160000000000001",
    "unicode": "false",
    "ref": correlation_id(0),
    "route": "4",
}
LOGIN = {"Authorization": "Basic Y2lkOmNzZWNyZXQ="}
AS_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def ask(client: SandboxClient, headers: dict[str, str] | None = None, **form: str) -> tuple[int, Any]:
    body = urlencode({"grant_type": "client_credentials", **form}).encode()
    status, answer, _ = await client.post("/generic/oauth/token", body, {**AS_FORM, **(headers or {})})
    return status, orjson.loads(answer)


async def token(client: SandboxClient) -> str:
    status, response = await ask(client, LOGIN)
    assert (status, response["token_type"], response["expires_in"]) == (200, "bearer", 3_600)
    return str(response["access_token"])


async def push(client: SandboxClient, bearer: str, *, channel: str = "bulk", **changes: str) -> tuple[int, Any]:
    headers = {**AS_FORM, "Authorization": f"Bearer {bearer}", "X-Channel": channel}
    status, answer, _ = await client.post("/generic/v2/messages", urlencode({**FORM, **changes}).encode(), headers)
    return status, orjson.loads(answer)


async def test_without_a_client_there_is_no_second_provider(start: Start) -> None:
    client = await start()
    assert (await client.post("/generic/oauth/token", b""))[0] == 404
    assert (await client.post("/generic/v2/messages", b""))[0] == 404


async def test_the_generic_api_takes_a_form_with_a_token_and_records_the_message(start: Start) -> None:
    client = await start(generic=GENERIC)
    status, response = await push(client, await token(client))
    assert status == 202
    assert response["result"]["status"]["code"] == "QUEUED"
    assert response["result"]["message"]["segments"] == 1
    (accepted,) = await client.accepted()
    assert (accepted["id"], accepted["sender"]) == (FORM["ref"], "TIMESM")


async def test_the_generic_api_refuses_in_words_of_its_own(start: Start) -> None:
    client = await start(generic=GENERIC, senders={"TIMESM": ("1107160000000000001",)}, balance=1)
    bearer = await token(client)
    refusals = [
        await push(client, bearer, mobile="12"),
        await push(client, bearer, sender="OTHERS"),
        await push(client, bearer, template="7"),
        await push(client, bearer, route=""),
        await push(client, bearer, channel="slow"),
    ]
    assert [status for status, _ in refusals] == [422] * 5
    codes = [response["result"]["status"]["code"] for _, response in refusals]
    assert codes == ["E_NUMBER", "E_SENDER", "E_TEMPLATE", "E_REQUEST", "E_REQUEST"]
    assert (await push(client, bearer))[0] == 202
    assert (await push(client, bearer))[1]["result"]["status"]["code"] == "E_BALANCE"


async def test_nobody_comes_in_without_a_good_token(start: Start) -> None:
    client = await start(generic=GENERIC)
    bearer = await token(client)
    assert await push(client, "guessed") == (401, {"error": "invalid_token"})
    assert (await push(client, bearer))[0] == 202
    await client.change(revoke_tokens=True)
    assert (await push(client, bearer))[0] == 401
    books = await client.books()
    assert (books["tokens"]["locked_out"], books["all"]["accepted"], books["all"]["arrivals"]) == (2, 1, 3)


async def test_the_token_endpoint_knows_its_client_by_login_or_form_and_counts_who_asks(start: Start) -> None:
    client = await start(generic=GENERIC)
    assert (await ask(client, client_id="cid", client_secret="csecret"))[0] == 200
    assert await ask(client, client_id="cid", client_secret="x") == (401, {"error": "invalid_client"})
    assert await ask(client, LOGIN, grant_type="password") == (400, {"error": "unsupported_grant_type"})
    await client.change(token_refused=True)
    assert (await ask(client, LOGIN))[0] == 401
    tokens = (await client.books())["tokens"]
    assert (tokens["asked"], tokens["issued"], tokens["refused"], tokens["max_at_once"]) == (4, 1, 2, 1)


def test_its_client_is_in_no_representation() -> None:
    assert "secret" not in repr(GenericConfig(client_id="cid", client_secret="csecret"))
