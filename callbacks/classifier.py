"""Decides whether each row of a posted body is ours, another system's, or unusable, by the id in the row."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

from callbacks.dead_letters import DeadLetter, DeadLetterReason
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportKind
from times_dispatch.ledger.reports.test_sends import SendTestReport
from times_dispatch.provider.correlation_ids import SEND_TEST_CAMPAIGN, CorrelationIds
from times_dispatch.provider.reports.event_kinds import EventKind
from times_dispatch.provider.reports.reports import ReportEvent, ReportsUnreadable, parse
from times_dispatch.sms.reply_words import StopWords

_OUR_FORM = re.compile(r"(?![0-9a-f]{32})[0-9a-z]{32}")
"""Matches ids of our form. Thirty-two hexadecimal digits are another system's UUID: our ids use all of ``[0-9a-z]``."""

MAX_REACTIONS: Final = 1_000
"""How many clicks, and how many replies, of one message are counted."""

_KINDS: dict[EventKind, ReportKind] = {
    EventKind.DELIVERED: "delivered",
    EventKind.FAILED: "failed",
    EventKind.CLICKED: "clicked",
    EventKind.REPLIED: "replied",
    EventKind.INTERMEDIATE: "intermediate",
    EventKind.PREVIEWED: "link_previewed",
    EventKind.SCANNED: "link_scanned",
    EventKind.PROBED: "link_probed",
}

_HAPPEN_MORE_THAN_ONCE = frozenset(
    {EventKind.CLICKED, EventKind.REPLIED, EventKind.PREVIEWED, EventKind.SCANNED, EventKind.PROBED}
)


class ClassifiedReports:
    """The rows of posted bodies, sorted by what is done with them: apply, relay, or keep as a dead letter."""

    def __init__(self) -> None:
        self.reports: list[DeliveryReport] = []
        """Reports that are to be applied to the ledger."""
        self.events: list[ReportEvent] = []
        """The rows from which ``reports`` were read, in the same order."""
        self.ends: list[int] = []
        """For each body, how many reports this body and all bodies before it have together."""
        self.stop_replies: list[int] = []
        """Indexes in ``reports`` of stop replies."""
        self.test_sends: list[tuple[int, SendTestReport]] = []
        """Reports about messages of ``dispatch send-test``, each with the index in the message's id."""
        self.test_send_stops: list[tuple[int, bytes]] = []
        """Stop replies to test messages: the index in the message's id, and the row."""
        self.foreign_bodies: list[bytes] = []
        """Bodies that are to be relayed to the other system of the account."""
        self.foreign_requests: list[bytes] = []
        """The requests in which ``foreign_bodies`` were posted; each is empty if the body is to be posted as JSON."""
        self.dead_letters: list[DeadLetter] = []
        self.counts: Counter[str] = Counter()
        """How many rows are ``ours``, ``test_sends`` (also in ours), ``foreign``, ``forged`` and ``unusable``."""


class ReportClassifier:
    """Classifies the rows of posted bodies.

    With a relay, rows that are not ours are relayed with no byte changed. A body without a row of ours is relayed in
    the request in which it was posted, with its unusable rows, because the other system may be able to read them. The
    foreign rows of a body that is partly ours are relayed as one array. An id with the form of ours and a wrong
    signature is forged, or looks like ours by chance: its row is counted as forged and then treated as foreign.
    """

    def __init__(self, ids: CorrelationIds, *, relaying: bool, stop_words: Iterable[str] = ()) -> None:
        """Make a classifier.

        Args:
            ids: tells our ids from those of other systems.
            relaying: whether there is a relay; without a relay, foreign rows become dead letters.
            stop_words: a reply that begins with a stop word is a stop reply.
        """
        self._ids = ids
        self._relaying = relaying
        self._stop_words = StopWords(stop_words)

    def classify(
        self, bodies: Iterable[bytes], *, requests: Sequence[bytes] = (), from_links: Sequence[bool] = ()
    ) -> ClassifiedReports:
        """Classify the rows of bodies that the receiver or the links process stored.

        Args:
            bodies: the bodies.
            requests: for each body, the request in which it was posted (``posted_requests``); if empty, none was kept.
            from_links: for each body, whether the links process stored it; if empty, the receiver stored all bodies.
        """
        classified = ClassifiedReports()
        for index, body in enumerate(bodies):
            request = requests[index] if index < len(requests) else b""
            self._classify_body(body, request, classified, is_from_links=index < len(from_links) and from_links[index])
            classified.ends.append(len(classified.reports))
        return classified

    def _classify_body(
        self, body: bytes, request: bytes, classified: ClassifiedReports, *, is_from_links: bool
    ) -> None:
        try:
            parsed = parse(body)
        except ReportsUnreadable as error:
            classified.counts["unusable"] += 1
            classified.dead_letters.append(DeadLetter(DeadLetterReason.UNREADABLE, body, str(error)))
            return
        parse_id, reports, events = self._ids.parse, classified.reports, classified.events
        ours_before = len(reports) + len(classified.test_sends)
        foreign: list[ReportEvent] = []
        campaign = CampaignId("")
        for event in parsed.events:
            ref = parse_id(event.meta)
            if ref is None:
                foreign.append(event)
                continue
            kind = event.kind
            if ref.campaign == SEND_TEST_CAMPAIGN:
                classified.test_sends.append((ref.index, SendTestReport(kind.value, event.code, event.ts)))
                classified.counts["test_sends"] += 1
                if kind is EventKind.REPLIED and self._stop_words.begin(event.incoming_text):
                    classified.test_send_stops.append((ref.index, event.raw))
                continue
            if ref.campaign != campaign:
                campaign = CampaignId(ref.campaign)  # one text for all reports: its hash is computed once
            if kind not in _HAPPEN_MORE_THAN_ONCE:
                reports.append(DeliveryReport(campaign, ref.index, ref.attempt, _KINDS[kind], event.code, event.ts))
                events.append(event)
                continue
            asks_to_stop = kind is EventKind.REPLIED and self._stop_words.begin(event.incoming_text)
            if asks_to_stop:
                classified.stop_replies.append(len(reports))
            visit = event.visit if is_from_links else ""
            digest = b"" if visit else _digest(ref.index, event)
            reports.append(
                DeliveryReport(
                    campaign,
                    ref.index,
                    ref.attempt,
                    _KINDS[kind],
                    event.code,
                    event.ts,
                    digest,
                    visit=visit,
                    link=event.link,
                    asks_to_stop=asks_to_stop,
                )
            )
            events.append(event)
        ours = len(reports) + len(classified.test_sends) - ours_before
        classified.counts["ours"] += ours
        if foreign:
            self._add_foreign(foreign, None if ours else (body, request), classified)
        is_relayed_whole = self._relaying and foreign and not ours
        if parsed.unusable and not is_relayed_whole:
            classified.counts["unusable"] += len(parsed.unusable)
            classified.dead_letters.extend(
                DeadLetter(DeadLetterReason.UNUSABLE, row.raw, row.reason) for row in parsed.unusable
            )

    def _add_foreign(
        self, events: list[ReportEvent], whole: tuple[bytes, bytes] | None, classified: ClassifiedReports
    ) -> None:
        """Add the foreign rows of one body; *whole* is the body and its request if no row is ours, else None."""
        forged = [bool(_OUR_FORM.fullmatch(event.meta)) for event in events]
        classified.counts["forged"] += sum(forged)
        classified.counts["foreign"] += len(events) - sum(forged)
        if not self._relaying:
            classified.dead_letters.extend(
                DeadLetter(DeadLetterReason.FORGED if is_forged else DeadLetterReason.NOT_OURS, event.raw)
                for event, is_forged in zip(events, forged, strict=True)
            )
            return
        body, request = whole or (join([event.raw for event in events]), b"")
        classified.foreign_bodies.append(body)
        classified.foreign_requests.append(request)


def join(rows: list[bytes]) -> bytes:
    """Make one body of rows that are bodies of their own (``ReportEvent.raw``), without changing a byte of a row."""
    return b"[" + b",".join(row.strip().removeprefix(b"[").removesuffix(b"]") for row in rows) + b"]"


def _digest(index: int, event: ReportEvent) -> bytes:
    """Return eight bytes that tell the clicks of one message from each other, and likewise its replies.

    A visit that our links process reports has an id instead. A message has at most ``MAX_REACTIONS`` digests of each
    kind, so that nobody can fill Redis with clicks. Clicks on one link at different seconds have different digests if
    they are within one span of ``MAX_REACTIONS`` seconds. Any two other clicks have the same digest, and count as one
    click, with a probability of 1 in ``MAX_REACTIONS``.
    """
    span = event.ts // MAX_REACTIONS  # without it, clicks ``MAX_REACTIONS`` seconds apart would have one digest
    content = f"{event.url}\0{event.incoming_text}\0{span}".encode("utf-8", "surrogatepass")
    # The correlation id is not in the content: a poster may write the same id in upper or in lower case.
    number = (event.ts + int.from_bytes(blake2b(content, digest_size=4).digest())) % MAX_REACTIONS
    return blake2b(b"%d %b %d" % (index, event.kind.encode(), number), digest_size=8).digest()
