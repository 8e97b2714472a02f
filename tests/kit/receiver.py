"""The receiver on a real socket in the test's process, and the report events that the reconciler reads."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from redis.asyncio import Redis

from callbacks.callback_secrets import CallbackSecrets
from callbacks.classifier import ClassifiedReports, ReportClassifier
from callbacks.http.server import HttpServer
from callbacks.receiver import Receiver
from callbacks.stream_writer import ReportStreamWriter
from tests.kit.callbacks import ID_KEY, NOW_S, SECRET, stored
from times_dispatch.http_server.bounded_protocol import BoundedProtocol
from times_dispatch.provider.correlation_ids import CorrelationIds

PATH = f"/callbacks/{SECRET}"
META = CorrelationIds(ID_KEY.encode()).make("abcdefgh", 7)
"""The id of message 7 of the campaign abcdefgh."""
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""A context without certificates: a client would load all certificates of the system, which takes too long."""


@asynccontextmanager
async def receiving(redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a receiver, and yield a client of it."""
    receiver = Receiver(redis, ReportStreamWriter(redis), CallbackSecrets(redis, [SECRET], change_s=0))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(receiver, http=BoundedProtocol, ws="none", lifespan="off", log_config=None)
        config.load()
        server = HttpServer(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30, verify=_NO_CERTIFICATES
            ) as client:
                yield client
        finally:
            # Server.shutdown() would sleep for a tenth of a second in each test.
            for listening in server.servers:
                listening.close()
            for connection in list(server.server_state.connections):
                connection.shutdown()


async def classified(redis: Redis) -> ClassifiedReports:
    """Return the report events that the reconciler reads from the stored reports."""
    return ReportClassifier(CorrelationIds(ID_KEY.encode()), relaying=False).classify(await stored(redis))


async def assert_delivered(redis: Redis, response: httpx.Response) -> None:
    """Check that a post was accepted, and stored one report that the message of ``META`` was delivered at ``NOW_S``."""
    assert (response.status_code, response.json()["data"]["processed_events"]) == (200, 1)
    (report,) = (await classified(redis)).reports
    assert (report.campaign, report.index, report.kind, report.ts) == ("abcdefgh", 7, "delivered", NOW_S)
