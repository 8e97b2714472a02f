"""Handles pushes: notes the arrival, injects a fault or calls the account, and answers (docs/domain.md section 1)."""

from typing import cast

from aiohttp import web

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.sandbox.account import ACCEPTED, Account
from times_dispatch.sandbox.bookkeeping.books import Books
from times_dispatch.sandbox.bookkeeping.entries import Acceptance, Arrival, InjectedFault, Refusal, number_hash
from times_dispatch.sandbox.clicker import Clicker
from times_dispatch.sandbox.config import SandboxConfig
from times_dispatch.sandbox.delivery_reports.poster import Poster
from times_dispatch.sandbox.faults import AFTER_ACCEPTING, Fault, Faults, FaultTable
from times_dispatch.sandbox.http import responses
from times_dispatch.sandbox.http.api import ProviderApi
from times_dispatch.sandbox.http.connection import SandboxConnection
from times_dispatch.sandbox.http.tokens import TokenIssuer
from times_dispatch.sandbox.seeded_random import Draws, SeededRandom

GET_PATH = "/ct/api/v1/send"
POST_PATH = "/ct/api/v1/message"

UNKNOWN_SENDER = "?"
"""The name in the books for requests without a valid sender."""
_MAX_SENDER_LENGTH = 11

_FAULT, _DETAIL, _LATENCY, _TRANSACTION, _TRANSACTION_LOW = 0, 1, 2, 5, 6  # 3 and 4: see api.py
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
    """Handles pushes; a message is in the books before a byte of its response is written."""

    def __init__(
        self,
        config: SandboxConfig,
        seeded_random: SeededRandom,
        *,
        books: Books,
        account: Account,
        tokens: TokenIssuer,
        poster: Poster,
        clicker: Clicker,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Create a gateway with the faults of the configuration.

        Args:
            config: latencies and the first faults.
            seeded_random: determines faults, latencies and transaction ids.
            books: the books in which arrivals, acceptances, refusals and faults are entered.
            account: accepts or refuses submissions.
            tokens: gets the current faults too.
            poster: plans the reports of accepted messages.
            clicker: plans the clicks on links of accepted messages.
            clock: the clock of the latencies and stalls.
        """
        self._config = config
        self._random = seeded_random
        self._clock = clock
        self._books = books
        self._account = account
        self._tokens = tokens
        self._poster = poster
        self._clicker = clicker
        self.misaddressed = 0
        """The number of requests with an unknown path or a wrong method, which do not count as arrivals."""
        self.set_faults(config.faults)

    @property
    def faults(self) -> Faults:
        """The faults that the sandbox injects now."""
        return self._table.faults

    def set_faults(self, faults: Faults) -> None:
        """Replace the current faults."""
        self._table = FaultTable(faults)
        self._account.faults = self._tokens.faults = faults

    async def push(
        self, request: web.BaseRequest, connection: SandboxConnection, api: ProviderApi
    ) -> web.StreamResponse | None:
        """Return the response to a push, or None if the connection was dropped instead."""
        at_ns = connection.arrived_ns
        submission = await api.read(request)
        sender = submission.sender if 0 < len(submission.sender) <= _MAX_SENDER_LENGTH else UNKNOWN_SENDER
        self._books.enter(Arrival(sender, submission.correlation_id, at_ns))
        arrival = f"{submission.correlation_id}:{self._books.arrivals_of(submission.correlation_id)}"
        draws = self._random.draws(arrival, purpose=b"arrival")

        fault = self._table.choose(draws[_FAULT])
        if fault and fault not in AFTER_ACCEPTING:
            self._books.enter(InjectedFault(sender, fault.value))
            return await self._inject(fault, connection, draws, b"")

        if denied := api.deny_access(request):
            return denied
        result = self._account.submit(submission, authorization=api.authorization(request))
        transaction = int(draws[_TRANSACTION] * 2**20) << 32 | int(draws[_TRANSACTION_LOW] * 2**32)
        response = api.respond(result.code, transaction=transaction, parts=result.parts, draws=draws)
        if result.code != ACCEPTED:
            self._books.enter(Refusal(sender, result.code))
            await self._delay(draws)
            return response

        self._books.enter(
            Acceptance(
                sender,
                submission.correlation_id,
                at_ns,
                number_hash(submission.to),
                result.parts,
                result.unicode_mismatch,
                result.unicode_needless,
            )
        )
        if self._books.messages[submission.correlation_id].times == 1:
            self._clicker.plan(submission)
        is_first = self._books.is_first(submission.correlation_id)
        early = self._poster.plan(submission.correlation_id, is_first=is_first)
        if early:
            await self._poster.post_early(early)
        if fault:
            self._books.enter(InjectedFault(sender, fault.value))
            return await self._inject(fault, connection, draws, cast(bytes, response.body))
        await self._delay(draws)
        return response

    async def _delay(self, draws: Draws) -> None:
        max_ms, min_ms = self._config.latency_max_ms, self._config.latency_min_ms
        if max_ms:
            await self._clock.sleep((min_ms + draws[_LATENCY] * (max_ms - min_ms)) / 1000)

    async def _inject(
        self, fault: Fault, connection: SandboxConnection, draws: Draws, content: bytes
    ) -> web.StreamResponse | None:
        match fault:
            case Fault.RESET_BEFORE | Fault.RESET_AFTER:
                connection.drop(abruptly=draws[_DETAIL] < 0.5)
            case Fault.STALL_BEFORE | Fault.STALL_AFTER:
                await self._clock.sleep(self.faults.stall_s)
                connection.drop(abruptly=draws[_DETAIL] < 0.5)
            case Fault.HALF_BODY_AFTER:
                connection.write_and_close(responses.truncated(content))
            case Fault.GARBAGE_BEFORE | Fault.GARBAGE_AFTER:
                return responses.garbage(draws[_DETAIL])
            case _:
                retry_after_s = self.faults.retry_after_s if fault in _WITH_RETRY_AFTER else None
                return responses.error_page(_STATUS[fault], retry_after_s=retry_after_s)
        return None
