"""Whose a posted row is: ours, somebody else's, or nobody's."""

import re
from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b

from callbacks.dead_letters import DeadLetterRow, Reason
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.report_applier import DeliveryReport, ReportKind
from times_dispatch.ledger.testsends import SendTestReport
from times_dispatch.provider.ids import TRIAL_CAMPAIGN, CorrelationIds
from times_dispatch.provider.reports.reports import EventKind, ReportEvent, ReportsUnreadable, parse
from times_dispatch.sms.reply_words import StopWords

_OUR_FORM = re.compile(r"(?![0-9a-f]{32})[0-9a-z]{32}")
"""Thirty-two hexadecimal digits are another system's UUID: ours are drawn from all of ``[0-9a-z]``."""

_KINDS: dict[EventKind, ReportKind] = {
    EventKind.DELIVERED: "delivered",
    EventKind.FAILED: "failed",
    EventKind.CLICKED: "clicked",
    EventKind.REPLIED: "replied",
    EventKind.INTERMEDIATE: "intermediate",
}

_HAPPEN_MORE_THAN_ONCE = frozenset({EventKind.CLICKED, EventKind.REPLIED})


class ClassifiedReports:
    """Posted rows, sorted. ``reports`` and ``events`` run in parallel: a report, and the row that it was read from."""

    def __init__(self) -> None:
        self.reports: list[DeliveryReport] = []
        self.events: list[ReportEvent] = []
        self.stops: list[int] = []
        """Places in ``reports`` of replies that ask for no more messages."""
        self.trials: list[tuple[int, SendTestReport]] = []
        """Of messages that belong to no campaign, by the index in their ids."""
        self.foreign: list[bytes] = []
        """Bodies to relay."""
        self.aside: list[DeadLetterRow] = []
        self.tally: Counter[str] = Counter()
        """Rows by what they were found to be: ``ours``, ``trials``, ``foreign``, ``forged``, ``unusable``."""


class ReportClassifier:
    """Sorts the rows of posted bodies.

    What is not ours goes to the relay, if there is one, untouched: a body without a row of ours in its original
    bytes, also the rows that we cannot read, for its owner may; of a mixed body only the foreign rows, each in its
    own bytes, as one array. A row of our form with a wrong tag is forged, or another system's look-alike: counted
    apart, treated as foreign.
    """

    def __init__(self, ids: CorrelationIds, *, relaying: bool, stop_words: Iterable[str] = ()) -> None:
        self._ids = ids
        self._relaying = relaying
        self._stop_words = StopWords(stop_words)

    def sort(self, bodies: Iterable[bytes]) -> ClassifiedReports:
        """Sort the rows of bodies that the receiver took."""
        pile = ClassifiedReports()
        for body in bodies:
            self._sort(body, pile)
        return pile

    def _sort(self, body: bytes, pile: ClassifiedReports) -> None:
        try:
            parsed = parse(body)
        except ReportsUnreadable:
            pile.tally["unusable"] += 1
            pile.aside.append(DeadLetterRow(Reason.UNREADABLE, body))
            return
        parse_id, reports, events = self._ids.parse, pile.reports, pile.events
        before = len(reports) + len(pile.trials)
        foreign: list[ReportEvent] = []
        for event in parsed.events:
            ref = parse_id(event.meta)
            if ref is None:
                foreign.append(event)
                continue
            kind = event.kind
            if ref.campaign == TRIAL_CAMPAIGN:
                pile.trials.append((ref.index, SendTestReport(kind.value, event.code, event.ts)))
                pile.tally["trials"] += 1
                continue
            if kind is EventKind.REPLIED and self._stop_words.begin(event.incoming_text):
                pile.stops.append(len(reports))
            digest = _digest(event) if kind in _HAPPEN_MORE_THAN_ONCE else b""
            reports.append(
                DeliveryReport(
                    CampaignId(ref.campaign), ref.index, ref.attempt, _KINDS[kind], event.code, event.ts, digest
                )
            )
            events.append(event)
        ours = len(reports) + len(pile.trials) - before
        pile.tally["ours"] += ours
        if foreign:
            self._sort_foreign(body if not ours else None, foreign, pile)
        if parsed.rejected and not (self._relaying and foreign and not ours):
            pile.tally["unusable"] += len(parsed.rejected)
            pile.aside.extend(DeadLetterRow(row.reason, row.raw) for row in parsed.rejected)

    def _sort_foreign(self, whole: bytes | None, events: list[ReportEvent], pile: ClassifiedReports) -> None:
        forged = [bool(_OUR_FORM.fullmatch(event.meta)) for event in events]
        pile.tally["forged"] += sum(forged)
        pile.tally["foreign"] += len(events) - sum(forged)
        if not self._relaying:
            pile.aside.extend(
                DeadLetterRow(Reason.FORGED if is_forged else Reason.NOT_OURS, event.raw)
                for event, is_forged in zip(events, forged, strict=True)
            )
        elif whole is not None:
            pile.foreign.append(whole)
        else:
            pile.foreign.append(join([event.raw for event in events]))


def join(rows: list[bytes]) -> bytes:
    """Make one body of rows that are bodies of their own (``ReportEvent.raw``), without changing a byte of a row."""
    return b"[" + b",".join(row.strip().removeprefix(b"[").removesuffix(b"]") for row in rows) + b"]"


def _digest(event: ReportEvent) -> bytes:
    told_apart = "\0".join((event.meta, event.kind, str(event.ts), event.url, event.incoming_text))
    return blake2b(told_apart.encode("utf-8", "surrogatepass"), digest_size=8).digest()
