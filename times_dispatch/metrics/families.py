"""Turns a snapshot of the ledger into metric families. No label is a campaign or a phone number, so labels are few."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from times_dispatch.ledger.monitoring.heartbeats import ProcessKind
from times_dispatch.ledger.reports.forward_backlog import ForwardCount
from times_dispatch.ledger.states import MessageState
from times_dispatch.metrics.reader import LedgerFigures, Snapshot
from times_dispatch.sms.rules.send_window import INDIA_ZONE
from times_dispatch.status.model import DeploymentStatus, Severity

VIEWERS: Final = "viewers"
"""The name of the figure with the number of open pages in a console's heartbeat."""
_INDIA: Final = ZoneInfo(INDIA_ZONE)
_PUSHED: Final = ("sender", "provider")
_KEPT_STATES: Final = tuple(state.label for state in MessageState if state.label not in {"pending", "sending"})
_PERCENTS: Final = (50, 90, 99)
_DAYS: Final = "of the last days ([metrics] days), by the day of the last push"


class SnapshotCollector(Collector):
    """Gives one snapshot to a registry of prometheus_client."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Yield all families; the families that need Redis are missing while Redis is unavailable."""
        status, ledger = self._snapshot.status, self._snapshot.ledger
        yield _gauge("dispatch_up", "Whether the ledger could be read: 1 or 0.", int(ledger is not None))
        yield _gauge("dispatch_read_seconds", "How long the ledger was read for this scrape.", self._snapshot.read_s)
        yield _findings(status)
        if ledger and status.redis:
            yield from _of_status(status)
            yield from _of_counted(ledger)
            yield from _of_senders(ledger)
            yield from _of_streams(ledger)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)


def _findings(status: DeploymentStatus) -> Metric:
    family = GaugeMetricFamily("dispatch_findings", "Findings of dispatch status, by severity.", labels=["severity"])
    counts = Counter(finding.severity for finding in status.findings)
    for severity in Severity:
        family.add_metric([severity.value], counts[severity])
    return family


def _of_status(status: DeploymentStatus) -> Iterator[Metric]:
    alive = GaugeMetricFamily("dispatch_processes_alive", "Processes with a recent heartbeat.", labels=["kind"])
    silent = GaugeMetricFamily(
        "dispatch_processes_silent", "Processes without a recent heartbeat that did not stop.", labels=["kind"]
    )
    seen = GaugeMetricFamily(
        "dispatch_process_last_seen_timestamp_seconds",
        "When a process of the kind was last seen; 0 if none ever was.",
        labels=["kind"],
    )
    for kind in status.kinds:
        alive.add_metric([kind.kind], len(kind.alive))
        silent.add_metric([kind.kind], len(kind.silent))
        seen.add_metric([kind.kind], kind.last_seen_ms / 1000)
    yield from (alive, silent, seen)
    consoles = (process for kind in status.kinds if kind.kind == ProcessKind.CONSOLE for process in kind.alive)
    viewers = sum(process.record.figures.get(VIEWERS, 0) for process in consoles)
    yield _gauge("dispatch_console_viewers", "Pages of the console that are open and get updates.", viewers)
    if status.queues is not None:
        queues = GaugeMetricFamily("dispatch_queue_entries", "Wake-ups that wait in the broker.", labels=["queue"])
        for queue, waiting in status.queues.items():
            queues.add_metric([queue], waiting)
        yield queues
    if redis := status.redis:
        yield _gauge("dispatch_redis_memory_used_bytes", "The memory that Redis uses.", redis.used_bytes)
        yield _gauge("dispatch_redis_memory_max_bytes", "Redis' maxmemory; 0 is no limit.", redis.max_bytes)
        yield _gauge("dispatch_redis_clock_ahead_seconds", "Redis' clock minus this host's.", redis.ahead_s)
        evicted = "Keys that Redis evicted; every evicted key is lost data."
        yield CounterMetricFamily("dispatch_redis_evicted_keys", evicted, value=redis.evicted_keys)
    if reports := status.reports:
        dead_letters = "Reports that could not be used, ever."
        yield CounterMetricFamily("dispatch_dead_letters", dead_letters, value=reports.dead_letters_ever)
        words = "Reports that were to be forwarded, ever: taken, refused, dropped_full, dropped_old or forgotten."
        forwarded = CounterMetricFamily("dispatch_forwarded_reports", words, labels=["result"])
        for result in ForwardCount:
            forwarded.add_metric([result.value], reports.forward.totals.get(result, 0))
        yield forwarded


def _of_counted(ledger: LedgerFigures) -> Iterator[Metric]:
    first = datetime.combine(ledger.since, time(), _INDIA).timestamp()
    yield _gauge("dispatch_counted_since_timestamp_seconds", "The begin of the first counted day.", first)
    messages = GaugeMetricFamily("dispatch_messages", f"Messages {_DAYS}, by state.", labels=[*_PUSHED, "state"])
    codes = GaugeMetricFamily(
        "dispatch_outcome_messages",
        f"Messages {_DAYS}, that failed, were rejected, are in doubt, were given up or suppressed, by code.",
        labels=[*_PUSHED, "state", "code", "owner"],
    )
    gauges = {
        name: GaugeMetricFamily(f"dispatch_{name}", f"{words} {_DAYS}.", labels=_PUSHED)
        for name, words in (
            ("clicks", "Clicks on messages"),
            ("clicked_messages", "Messages with a click,"),
            ("replies", "Replies to messages"),
            ("opt_outs", "Opt-outs after messages"),
        )
    }
    parts = CounterMetricFamily(
        "dispatch_parts", "SMS parts that providers accepted, since midnight in India.", labels=_PUSHED
    )
    cost = CounterMetricFamily(
        "dispatch_cost_rupees", "The price of parts that providers accepted, since midnight in India.", labels=_PUSHED
    )
    # SummaryMetricFamily knows no quantiles.
    delivery = Metric(
        "dispatch_delivery_seconds",
        "The time from the push to the delivery, for messages pushed today in India; exact to a tenth.",
        "summary",
    )
    for (sender, provider), counted in ledger.counted.items():
        days, names = counted.days, [sender, provider]
        for state in _KEPT_STATES:
            messages.add_metric([*names, state], days.states.get(state, 0))
        for code in days.codes:
            codes.add_metric([*names, code.state, str(code.code), code.owner.value], code.messages)
        numbers = (days.clicked, days.clickers, days.replied, days.opted_out)
        for family, number in zip(gauges.values(), numbers, strict=True):
            family.add_metric(names, number)
        for percent in _PERCENTS:
            if (time_s := counted.today.delivery_times.percentile_s(percent)) is not None:
                labels = dict(zip(_PUSHED, names, strict=True)) | {"quantile": str(percent / 100)}
                delivery.add_sample(delivery.name, labels, time_s)
        parts.add_metric(names, counted.today.parts)
        cost.add_metric(names, float(counted.today.cost))
    yield from (messages, codes, *gauges.values(), parts, cost, delivery)


def _of_senders(ledger: LedgerFigures) -> Iterator[Metric]:
    by_sender = {
        name: GaugeMetricFamily(f"dispatch_{name}", words, labels=["sender"])
        for name, words in (
            ("pending_messages", "Messages of live campaigns that are to be sent."),
            ("sending_messages", "Messages in flight: opened, and without an outcome."),
            ("oldest_pending_seconds", "For how long a campaign that may send now has had pending messages."),
            ("leased_batches", "Batches that workers hold."),
            ("rate_limit_per_second", "Messages or parts a second that the sender may send; 0 is no limit."),
            ("messages_sent_per_second", "Messages a second that were accepted, in the last full minute."),
            ("sender_paused", "Whether a person paused the sender: 1 or 0."),
            ("sender_day_used_up", "Whether the parts of the day are used up: 1 or 0."),
        )
    }
    campaigns = GaugeMetricFamily("dispatch_campaigns", "Live campaigns by state.", labels=["sender", "state"])
    braked = GaugeMetricFamily("dispatch_provider_braked", "1 for a provider that is braked.", labels=_PUSHED)
    backs_off = GaugeMetricFamily(
        "dispatch_provider_backing_off", "1 for a provider from which the sender backs off.", labels=_PUSHED
    )
    silent = GaugeMetricFamily(
        "dispatch_provider_silent", "1 for a provider from which promotional messages are held back.", labels=_PUSHED
    )
    for work in ledger.senders:
        view = work.view
        numbers = (
            work.pending,
            work.sending,
            work.oldest_pending_s,
            view.batches_out,
            view.rate_per_s,
            work.sent_last_minute / 60,
            int(view.paused),
            int(view.day_is_used_up),
        )
        for family, number in zip(by_sender.values(), numbers, strict=True):
            family.add_metric([view.id], number)
        for state, number in work.campaigns.items():
            campaigns.add_metric([view.id, state.value], number)
        for provider in view.unavailable:
            braked.add_metric([view.id, provider.provider], int(bool(provider.brake)))
            backs_off.add_metric([view.id, provider.provider], int(provider.backs_off))
            silent.add_metric([view.id, provider.provider], int(bool(provider.silent_since_ms)))
    yield from (*by_sender.values(), campaigns, braked, backs_off, silent)


def _of_streams(ledger: LedgerFigures) -> Iterator[Metric]:
    entries = GaugeMetricFamily("dispatch_stream_entries", "Entries of a stream of reports.", labels=["stream"])
    size = GaugeMetricFamily("dispatch_stream_bytes", "The memory of a stream, estimated.", labels=["stream"])
    oldest = GaugeMetricFamily("dispatch_stream_oldest_seconds", "The age of the oldest entry.", labels=["stream"])
    for name, stream in ledger.streams.items():
        entries.add_metric([name], stream.entries)
        size.add_metric([name], stream.bytes)
        oldest.add_metric([name], stream.oldest_s)
    yield from (entries, size, oldest)
