"""Where pushes come in: book, judge, play the fault, answer in the endpoint's dialect (docs/domain.md section 1)."""

import asyncio
from typing import cast

from aiohttp import web

from times_dispatch.sandbox import answer
from times_dispatch.sandbox.account import ACCEPTED, Account
from times_dispatch.sandbox.books import Books
from times_dispatch.sandbox.config import SandboxConfig
from times_dispatch.sandbox.connection import SandboxConnection
from times_dispatch.sandbox.dialect import Dialect
from times_dispatch.sandbox.entries import Acceptance, Arrival, InjectedFault, Refusal, number_hash
from times_dispatch.sandbox.faults import AFTER_ACCEPTING, Fault, Faults, FaultTable
from times_dispatch.sandbox.poster import Poster
from times_dispatch.sandbox.seeded_random import Draws, SeededRandom
from times_dispatch.sandbox.tokens import TokenIssuer

GET_PATH = "/ct/api/v1/send"
POST_PATH = "/ct/api/v1/message"

UNKNOWN_SENDER = "?"
"""Under this name the books keep requests without a sender that could be one."""
_LONGEST_SENDER = 11

_FAULT, _DETAIL, _LATENCY, _TRANSACTION, _TRANSACTION_LOW = 0, 1, 2, 5, 6  # 3 and 4 are the dialect's
_STATUS = {
    Fault.HTTP_429: 429,
    Fault.HTTP_500: 500,
    Fault.HTTP_502: 502,
    Fault.HTTP_503: 503,
    Fault.HTTP_503_RETRY_AFTER: 503,
    Fault.HTTP_504: 504,
    Fault.HTTP_500_AFTER: 500,
}
_WITH_RETRY_AFTER = (Fault.HTTP_429, Fault.HTTP_503_RETRY_AFTER)


class Gateway:
    """Takes pushes. A message is in the books before anything of its answer is written."""

    def __init__(
        self,
        config: SandboxConfig,
        chance: SeededRandom,
        *,
        books: Books,
        account: Account,
        tokens: TokenIssuer,
        poster: Poster,
    ) -> None:
        self._config = config
        self._chance = chance
        self._books = books
        self._account = account
        self._tokens = tokens
        self._poster = poster
        self.misaddressed = 0
        """Requests for another path or with another method; no arrivals."""
        self.change(config.faults)

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self._table.faults

    def change(self, faults: Faults) -> None:
        """Put other faults in force."""
        self._table = FaultTable(faults)
        self._account.faults = self._tokens.faults = faults

    async def push(
        self, request: web.BaseRequest, connection: SandboxConnection, dialect: Dialect
    ) -> web.StreamResponse | None:
        """Handle a request to one of the endpoints; None when the connection was cut instead of answered."""
        at_ns = connection.arrived_ns
        submission = await dialect.read(request)
        sender = submission.sender if 0 < len(submission.sender) <= _LONGEST_SENDER else UNKNOWN_SENDER
        self._books.enter(Arrival(sender, submission.correlation_id, at_ns))
        arrival = f"{submission.correlation_id}:{self._books.arrivals_of(submission.correlation_id)}"
        draws = self._chance.draws(arrival, purpose=b"arrival")

        fault = self._table.hit(draws[_FAULT])
        if fault and fault not in AFTER_ACCEPTING:
            self._books.enter(InjectedFault(sender, fault.value))
            return await self._play(fault, connection, draws, b"")

        if turned_away := dialect.locked_out(request):
            return turned_away
        ruling = self._account.rule(submission, authorization=dialect.authorization(request))
        transaction = int(draws[_TRANSACTION] * 2**20) << 32 | int(draws[_TRANSACTION_LOW] * 2**32)
        response = dialect.answer(ruling.code, transaction=transaction, parts=ruling.parts, draws=draws)
        if ruling.code != ACCEPTED:
            self._books.enter(Refusal(sender, ruling.code))
            await self._linger(draws)
            return response

        self._books.enter(
            Acceptance(
                sender,
                submission.correlation_id,
                at_ns,
                number_hash(submission.to),
                ruling.parts,
                ruling.unicode_mismatch,
                ruling.unicode_needless,
            )
        )
        early = self._poster.plan(submission.correlation_id)
        if early:
            await self._poster.post_early(early)
        if fault:
            self._books.enter(InjectedFault(sender, fault.value))
            return await self._play(fault, connection, draws, cast(bytes, response.body))
        await self._linger(draws)
        return response

    async def _linger(self, draws: Draws) -> None:
        longest_ms, shortest_ms = self._config.latency_max_ms, self._config.latency_min_ms
        if longest_ms:
            await asyncio.sleep((shortest_ms + draws[_LATENCY] * (longest_ms - shortest_ms)) / 1000)

    async def _play(
        self, fault: Fault, connection: SandboxConnection, draws: Draws, content: bytes
    ) -> web.StreamResponse | None:
        match fault:
            case Fault.RESET_BEFORE | Fault.RESET_AFTER:
                connection.cut(abruptly=draws[_DETAIL] < 0.5)
            case Fault.STALL_BEFORE | Fault.STALL_AFTER:
                await asyncio.sleep(self.faults.stall_s)
                connection.cut(abruptly=draws[_DETAIL] < 0.5)
            case Fault.HALF_BODY_AFTER:
                connection.write_and_close(answer.half(content))
            case Fault.GARBAGE_BEFORE | Fault.GARBAGE_AFTER:
                return answer.garbage(draws[_DETAIL])
            case _:
                retry_after_s = self.faults.retry_after_s if fault in _WITH_RETRY_AFTER else None
                return answer.page(_STATUS[fault], retry_after_s=retry_after_s)
        return None
