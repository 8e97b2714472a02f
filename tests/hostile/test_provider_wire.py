"""Somebody on the way to the provider: a response that was cut short never decides about a message."""

import asyncio
import socket

import pytest

from tests.kit.scripted_server import ACCEPTED, ScriptedConnection, serving
from tests.kit.tls import Certificates
from times_dispatch.provider.client import Client
from times_dispatch.provider.description.provider import timesmobile_post
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.outcomes import Verdict
from times_dispatch.provider.push import Push


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


REFUSED = b'{"transactionId": 1, "state": "SUBMIT_FAILED", "statusCode": 2054, "description": "dead", "pdu": 0}'


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "429 Too Many Requests", "503 Service Unavailable"])
@pytest.mark.parametrize("whole", [ACCEPTED, REFUSED], ids=["accepted", "refused"])
async def test_a_response_without_a_length_that_is_cut_anywhere_leaves_the_message_in_doubt(
    certificates: Certificates, status: str, whole: bytes
) -> None:
    cuts = iter([0, 1, len(whole) // 2, len(whole) - 1, len(whole)])

    async def answer(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.write(f"HTTP/1.1 {status}\r\n\r\n".encode() + whole[: next(cuts)])
        # The end of TCP without the end of TLS, as anybody on the way can make it.
        connection.writer.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await connection.client_gone()

    push = Push(to="919876543210", text="Hi", sender="TIMESM", content_id="1", correlation_id="c1", unicode=False)
    async with serving(answer, tls=certificates.server("trusted")) as server, asyncio.timeout(300):
        provider = timesmobile_post(
            nickname="tm", username="u", password="p", endpoint=server.url, ca_file=str(certificates.ca)
        )
        async with Client(provider) as client:
            outcomes = [await client.push(push) for _ in range(5)]
    assert [(each.verdict, each.code) for each in outcomes[:4]] == [(Verdict.IN_DOUBT, Failure.CONNECTION_LOST)] * 4
    assert outcomes[4].code != Failure.CONNECTION_LOST
    assert len(server.received) == 5
