"""A sandbox on a free port, a client for it, and a receiver for its reports."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from yarl import URL

from tests.kit.waiting import eventually
from times_dispatch.sandbox import SandboxConfig, serve

USERNAME, PASSWORD = "account", "s3cret"
BASIC = "Basic " + b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
GOOD = {
    "username": USERNAME,
    "password": PASSWORD,
    "unicode": "false",
    "from": "TIMESM",
    "to": "919876543210",
    "text": "Dear Asha, your order is on its way.",
    "dltContentId": "1107160000000000001",
    "corelationid": "diwali0100000001signaturesignat0",
}


def correlation_id(number: int, campaign: str = "campaign") -> str:
    return f"{campaign}{number:06d}00signaturesignat0"


class ReportReceiver:
    """Receives posted reports; the first responses have the HTTP statuses in ``statuses``, all later ones 200."""

    def __init__(self) -> None:
        self.url = ""
        self.statuses: list[int] = []
        self.bodies: list[Any] = []
        self.hold = asyncio.Event()
        self.hold.set()

    @property
    def rows(self) -> list[tuple[str, dict[str, Any]]]:
        """The event and the data of all rows, in the order of their arrival."""
        bodies = [body if isinstance(body, list) else [body] for body in self.bodies]
        return [(group["event"], row) for body in bodies for group in body for row in group["data"]]

    async def take(self, request: web.BaseRequest) -> web.Response:
        self.bodies.append(orjson.loads(await request.read()))
        await self.hold.wait()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


class SandboxClient:
    """Pushes to one sandbox; each push has its own connection."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def push(self, *, authorization: str = BASIC, **changes: Any) -> tuple[int, bytes, Any]:
        """POST a valid submission with changes (``None`` removes a key); return status, body and headers."""
        keys = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
        headers = {"Content-Type": "application/JSON", "Authorization": authorization}
        return await self.post("/ct/api/v1/message", orjson.dumps(keys), headers)

    async def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, bytes, Any]:
        async with self._session.post(self.url + path, data=body, headers=headers) as response:
            return response.status, await response.read(), response.headers

    async def get(self, path: str, **query: str) -> tuple[int, bytes]:
        async with self._session.get(self.url + path, params=query) as response:
            return response.status, await response.read()

    async def get_raw(self, path: str) -> tuple[int, bytes]:
        """GET a path that is already escaped."""
        async with self._session.get(URL(self.url + path, encoded=True)) as response:
            return response.status, await response.read()

    async def books(self) -> Any:
        return orjson.loads((await self.get("/sandbox/books"))[1])

    async def until(self, condition: Callable[[Any], object]) -> None:
        """Wait until the books meet a condition."""

        async def is_met() -> bool:
            return bool(condition(await self.books()))

        await eventually(is_met)

    async def accepted(self) -> list[Any]:
        return [orjson.loads(line) for line in (await self.get("/sandbox/accepted"))[1].splitlines()]

    async def change(self, **changes: Any) -> Any:
        status, body, _ = await self.post("/sandbox/faults", orjson.dumps(changes))
        assert status == 200, body
        return orjson.loads(body)

    async def flush(self) -> Any:
        return orjson.loads((await self.post("/sandbox/flush", b""))[1])


Start = Callable[..., Awaitable[SandboxClient]]


@asynccontextmanager
async def run_sandbox(config: SandboxConfig) -> AsyncIterator[SandboxClient]:
    url: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    serving: asyncio.Future[Any] = asyncio.create_task(serve(config, ready=url.set_result))
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10)) as session:
        try:
            await asyncio.wait([serving, url], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            yield SandboxClient(url.result(), session)
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
