"""A response that an attacker on the network cuts short never decides about a message."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from tests.kit.scripted_server import ACCEPTED, ScriptedConnection, serving
from tests.kit.tls import Certificates
from tests.kit.waiting import loop_turns
from times_dispatch.provider.client import Client
from times_dispatch.provider.description.provider import timesmobile_post
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.outcomes import Outcome, Verdict
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
        # The end of TCP without the end of TLS, which any attacker on the network can cause.
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
    _print(f"{len(server.received)} pushes for 5 answers, of which 4 were cut", outcomes)
    assert len(server.received) == 5


@pytest.mark.parametrize(
    "frame",
    [
        lambda first, second: (b"Transfer-Encoding: chunked\r\n\r\n", _chunk(first), _chunk(second) + b"0\r\n\r\n"),
        lambda first, second: (b"\r\n", first, second),
        lambda first, second: (b"\r\n", first + second, b""),
    ],
    ids=["chunks", "pieces", "no pieces"],
)
async def test_connections_that_end_without_the_end_of_tls_leave_the_pool(
    certificates: Certificates, frame: Callable[[bytes, bytes], tuple[bytes, bytes, bytes]]
) -> None:
    async def answer(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.write(b"HTTP/1.1 200 OK\r\n")
        for piece in frame(ACCEPTED[:20], ACCEPTED[20:]):
            await connection.write(piece)
            await loop_turns()
        connection.writer.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await connection.client_gone()

    errors = list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context.get("exception")))
    push = Push(to="919876543210", text="Hi", sender="TIMESM", content_id="1", correlation_id="c1", unicode=False)
    async with serving(answer, tls=certificates.server("trusted")) as server, asyncio.timeout(300):
        provider = timesmobile_post(
            nickname="tm",
            username="u",
            password="p",
            endpoint=server.url,
            ca_file=str(certificates.ca),
            max_connections=1,
        )
        async with Client(provider) as client:  # a pool of one connection would be empty after a lost connection
            outcomes = []
            for _ in range(3):
                outcomes.append(await client.push(push))
                await asyncio.wait_for(server.closed_by_client.wait(), 30)
                server.closed_by_client.clear()
    _print(f"{len(errors)} errors of the event loop", outcomes)
    assert [each.verdict for each in outcomes] == [Verdict.ACCEPTED] * 3
    assert errors == []


# No version of Python can read a document that is so deep and has no end.
@pytest.mark.parametrize("body", [b"[" * 30_000, b'{"state":"\xff'], ids=["deep", "not UTF-8"])
async def test_a_document_that_cannot_be_read_and_is_cut_leaves_the_message_in_doubt(
    certificates: Certificates, body: bytes
) -> None:
    outcome = await _outcome_of_cut(certificates, body)
    _print(f"{len(body):,} bytes", [outcome])
    assert (outcome.verdict, outcome.code) == (Verdict.IN_DOUBT, Failure.CONNECTION_LOST)


async def test_a_document_that_is_no_utf_8_and_is_whole_decides(certificates: Certificates) -> None:
    outcome = await _outcome_of_cut(certificates, REFUSED.replace(b"dead", b"\xff"))
    _print("a whole document that is not UTF-8", [outcome])
    assert outcome.code != Failure.CONNECTION_LOST


async def _outcome_of_cut(certificates: Certificates, body: bytes) -> Outcome:
    """Push a message, and answer with a body that ends with the connection, without the close_notify of TLS."""

    async def answer(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.write(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        connection.writer.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await connection.client_gone()

    push = Push(to="919876543210", text="Hi", sender="TIMESM", content_id="1", correlation_id="c1", unicode=False)
    async with serving(answer, tls=certificates.server("trusted")) as server, asyncio.timeout(300):
        provider = timesmobile_post(
            nickname="tm", username="u", password="p", endpoint=server.url, ca_file=str(certificates.ca)
        )
        async with Client(provider) as client:
            return await client.push(push)


def _print(what: str, outcomes: list[Outcome]) -> None:
    """Print the figure, and how many messages are in doubt."""
    in_doubt = sum(outcome.verdict is Verdict.IN_DOUBT for outcome in outcomes)
    print(f"{what}: {in_doubt} of {len(outcomes)} messages in doubt")  # noqa: T201  # the figure


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
