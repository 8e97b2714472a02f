"""The schema of the ledger: which versions of this program can work with the data in the ledger.

The ledger records the schema of the newest process that ever worked with it, once for everything in Redis: records of
messages, streams, indexes and statistics. Three kinds of data also have a version of their own, so that a later release
can change one of them without a higher major schema:

- a campaign has the minor schema that its workers need, for its plan, its recipients and its messages
  (``CampaignField.SCHEMA``);
- an entry of a stream has the version of its form, if that is not the first form (``callbacks/streams.py``);
- an archive has a version in its manifest (``archive/manifest.py``).

Messages of Celery hold only the ids of a batch.

Workers, reconcilers and consoles record their schema with each heartbeat (``lua/note_heartbeat.lua``), and all
processes read the recorded schema with each heartbeat. Workers and reconcilers also read it before they begin, and
commands read it before they do anything. A ledger without a record has schema 1.0.
"""

from typing import Final

from redis.asyncio import Redis

from times_dispatch.ledger.connection import address_of
from times_dispatch.ledger.errors import LedgerNewer
from times_dispatch.ledger.keys import SCHEMA, SchemaField
from times_dispatch.ledger.model import Plan
from times_dispatch.ledger.scripts import text

MAJOR: Final = 1
"""Raise this number in a version whose data an earlier version cannot read, or would damage: processes of earlier
versions then end, and a roll-back needs the backup from before the upgrade."""
MINOR: Final = 3
"""Raise this number in a version that writes new data which earlier versions ignore. Since 3, a worker leaves campaigns
that need a higher minor schema to other workers."""
_MINOR_WITH_LANES: Final = 1
MINOR_WITH_LINKS_IN_LANES: Final = 2
"""The minor schema of the first version whose workers make the codes of tracked links in lanes."""


def minor_for(plan: Plan) -> int:
    """Return the minor schema that a worker needs for a campaign with this plan."""
    if not plan.lane_campaigns:
        return 0
    return MINOR_WITH_LINKS_IN_LANES if plan.tracked_links else _MINOR_WITH_LANES


async def refuse_newer_ledger(redis: Redis) -> None:
    """Raise LedgerNewer if the ledger has a newer schema than this program can read. Raises Redis errors."""
    major, version = await redis.hmget(SCHEMA, [SchemaField.MAJOR, SchemaField.VERSION])
    if major and int(major) > MAJOR:
        raise ledger_newer(redis, major=int(major), version=text(version or b""))


def ledger_newer(redis: Redis, *, major: int, version: str) -> LedgerNewer:
    """Return the error for a ledger with a newer schema; *version* is the program's version that wrote the ledger."""
    return LedgerNewer(
        f"Redis at {address_of(redis)}: the ledger has schema {major}, written by times-dispatch {version}, and this "
        f"version reads schema {MAJOR} at most: start that version, or restore the backup from before the upgrade "
        f"(docs/deploy.md#roll-back)"
    )
