"""Ended campaigns, archives in a folder, and searches for the remains of a campaign in Redis, for tests of archives."""

from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.archive.catalog import Catalog
from times_dispatch.archive.retention import Retention, RetentionRule
from times_dispatch.archive.wrapped_keys import MasterKeys
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportKind
from times_dispatch.ledger.scripts import text

KEY = b"the master key of the archive"
KEYS = MasterKeys(KEY)
YEAR_S = 366 * 86_400


def rule_for(folder: Path | str, *, live_s: int = 0, archive_s: int = YEAR_S) -> RetentionRule:
    """Return a retention rule that archives campaigns as soon as they end."""
    return RetentionRule(folder=str(folder), live_s=live_s, archive_s=archive_s)


def retention(redis: Redis, folder: Path | str, **options: Any) -> Retention:
    """Return a retention that archives as soon as campaigns end."""
    rule = options.pop("rule", None) or rule_for(folder)
    return Retention(redis, rule, options.pop("keys", KEYS), **options)


def catalog(redis: Redis) -> Catalog:
    """Return the catalog of a process that has the master key."""
    return Catalog(redis, KEYS)


async def end(ledger: Ledger, campaign: CampaignId = CAMPAIGN) -> None:
    """End the validity of a campaign and the wait for its reports."""
    await ledger.end_validity(campaign)
    await ledger.end_report_wait(campaign)
    await ledger.maintenance.end_pending(SENDER)
    await ledger.maintenance.settle_overdue(SENDER)


async def ended_campaign(ledger: Ledger, messages: int = 7, *, campaign: str = CAMPAIGN, **options: Any) -> CampaignId:
    """Return a campaign that ended: delivered, failed, clicked, without a report, rejected."""
    id_ = await ledger.submit(messages, campaign=campaign, **options)
    while refs := await ledger.issue():
        for ref in refs:
            lease = await ledger.take(ref)
            block = await ledger.open(lease)
            await ledger.record(lease, block, (b"aar" * len(block.messages))[: len(block.messages)])
            await ledger.leases.release(lease)
    kinds: list[tuple[ReportKind, int]] = [("delivered", 0), ("failed", 1), ("clicked", 0), ("delivered", 3)]
    await ledger.report_applier.apply(
        [
            DeliveryReport(
                id_,
                index,
                0,
                kind,
                910 if kind == "failed" else 0,
                1_795_000_000,
                digest=b"12345678" if kind == "clicked" else b"",
            )
            for kind, index in kinds
            if index < messages
        ]
    )
    await end(ledger, id_)
    return id_


async def keys_with_word(redis: Redis, word: str) -> list[str]:
    """Return, sorted, the keys that contain a word in their name or anywhere in their value."""
    dumped = await Ledger(redis).dump()
    return sorted(key for key, value in dumped.items() if word in key or word.encode() in repr(value).encode())


async def field_names(redis: Redis, key: str) -> set[str]:
    """Return the names of the fields of a hash."""
    names: Any = await redis.hkeys(key)
    return {text(name) for name in names}


def files_in(folder: Path) -> list[Path]:
    """Return all files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
