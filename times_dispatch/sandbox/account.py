"""The account: its credentials, senders, content ids and balance, and its decision on each submission."""

import re
from base64 import b64encode
from collections.abc import Iterator

import msgspec

from times_dispatch.sandbox import parts
from times_dispatch.sandbox.config import SandboxConfig
from times_dispatch.sandbox.faults import Faults
from times_dispatch.sandbox.http.submission import UNREADABLE, Submission
from times_dispatch.sandbox.seeded_random import SeededRandom

ACCEPTED = 200
BAD_REQUEST = 400
TEMPLATE_UNKNOWN = 5001
BALANCE_SPENT = 6001
SENDER_UNKNOWN = 2051
NUMBER_INVALID = 2054
AUTHENTICATION_FAILED = 2070
CONTENT_ID_MISSING = 7001

_NUMBER = re.compile(r"\+?(?:91[6-9][0-9]{9}|(?!91)[1-9][0-9]{9,14})", re.ASCII)


class SubmissionResult(msgspec.Struct, frozen=True, gc=False):
    """The account's decision on a submission; ``parts`` is 0 for a refused submission."""

    code: int
    parts: int = 0
    unicode_mismatch: bool = False
    """The text needs UCS-2 and the request says ``unicode: false``."""
    unicode_needless: bool = False
    """The text is GSM and the request says ``unicode: true``."""


class Account:
    """Accepts or refuses submissions and keeps the balance."""

    def __init__(self, config: SandboxConfig, seeded_random: SeededRandom) -> None:
        self._credentials = (config.username, config.password)
        self._basic = "Basic " + b64encode(f"{config.username}:{config.password}".encode()).decode()
        self._senders = {sender: frozenset(content_ids) for sender, content_ids in config.senders.items()}
        self._invalid_numbers = config.invalid_numbers
        self._random = seeded_random
        self.faults = config.faults
        self.balance = config.balance

    def submit(self, submission: Submission, *, authorization: str | None) -> SubmissionResult:
        """Accept or refuse a submission; an accepted submission is charged to the balance.

        ``authorization`` is the Authorization header, or None if the API has none to check.
        """
        for code in self._objections(submission, authorization, self.faults):
            return SubmissionResult(code)
        is_gsm = parts.is_gsm(submission.text)
        unicode = submission.unicode == "true"
        count = parts.count(submission.text, unicode=unicode or not is_gsm)
        if self.balance is not None:
            if self.balance < count:
                return SubmissionResult(BALANCE_SPENT)
            self.balance -= count
        return SubmissionResult(ACCEPTED, count, not is_gsm and not unicode, is_gsm and unicode)

    def _objections(self, submission: Submission, authorization: str | None, faults: Faults) -> Iterator[int]:
        """Yield a code for each mistake in a submission, in the order of the provider's checks."""
        if submission is UNREADABLE:
            yield BAD_REQUEST
        has_wrong_header = authorization is not None and authorization != self._basic
        if (
            has_wrong_header
            or faults.wrong_credentials
            or (submission.username, submission.password) != self._credentials
        ):
            yield AUTHENTICATION_FAILED
        sender = submission.sender
        if not sender or (self._senders and sender not in self._senders) or sender in faults.unregistered:
            yield SENDER_UNKNOWN
        if not submission.content_id:
            yield CONTENT_ID_MISSING
        content_ids = self._senders.get(sender)
        if content_ids and submission.content_id not in content_ids:
            yield TEMPLATE_UNKNOWN
        if not _NUMBER.fullmatch(submission.to) or self._is_refused_at_random(submission.to):
            yield NUMBER_INVALID
        if not submission.text or not submission.correlation_id or submission.unicode not in ("true", "false"):
            yield BAD_REQUEST

    def _is_refused_at_random(self, number: str) -> bool:
        if not self._invalid_numbers:
            return False
        return self._random.draws(number.removeprefix("+"), purpose=b"number")[0] < self._invalid_numbers
