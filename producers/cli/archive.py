"""``dispatch archive``: moves old campaigns into the archive; lists, verifies and erases archives."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import click
import msgspec
from redis.asyncio import Redis
from rich.table import Table

from producers.cli import CliContext, CommandGroup, completion
from producers.cli.archived import catalog_with_keys, required_path
from producers.cli.confirmation import confirm, yes_option
from producers.cli.ledger import campaign_meant, with_ledger
from producers.cli.output import INDIA, console, echo
from producers.cli.types import PeriodType
from times_dispatch.archive.errors import ArchiveErased, ArchiveError, ArchiveKeyMissing, ArchiveUnavailable
from times_dispatch.ledger.archive_states import ArchiveState, ArchiveStates, ArchiveStub
from times_dispatch.ledger.errors import CampaignArchived, CampaignDamaged, CampaignUnknown
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.queries import LaneQueries, Queries
from times_dispatch.plurals import counted
from times_dispatch.settings.load import Need

if TYPE_CHECKING:
    from times_dispatch.archive.rebuilding import RebuildResult
    from times_dispatch.archive.retention import Retention, RetentionResult
    from times_dispatch.settings.model import Settings

_MAX_LISTED = 100
_UNREAD = 3
"""The exit code of ``verify`` if no archive is wrong, and some could not be read."""


class _Verified(msgspec.Struct):
    """The result of ``archive verify``."""

    verified: int = 0
    """How many archives were read whole."""
    rows: int = 0
    """How many messages these archives have."""
    wrong: dict[CampaignId, list[str]] = {}
    """The mistakes of each wrong archive, by its campaign."""
    unread: list[str] = []
    """For each archive that could not be read, the reason."""


@click.group(cls=CommandGroup)
def archive() -> None:
    """Archive campaigns that ended long ago; list, verify and erase archives (docs/retention.md)."""


@archive.command()
@click.option("--older-than", "live_s", type=PeriodType(), help="Overrides [retention] live: 14d, 0s.")
@click.option("--max", "max_campaigns", type=click.IntRange(min=1), help="Archive at most this many campaigns.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def run(options: CliContext, *, live_s: int | None, max_campaigns: int | None, as_json: bool) -> None:
    """Archive the campaigns that are old enough and erase the archives whose time is over, as upkeep does by itself.

    Exits with 1 if a campaign could not be archived or erased.
    """
    settings = options.settings(Need.LEDGER, Need.ARCHIVE)

    async def archive_due(redis: Redis) -> "RetentionResult":
        retention = _retention(options, settings, redis, live_s=live_s)
        return await retention.run(max_campaigns=max_campaigns)

    result = with_ledger(options, archive_due, is_long=True)
    if as_json:
        echo(json.dumps(msgspec.to_builtins(result)))
    else:
        echo(f"{counted(len(result.archived), 'campaign')} archived with {counted(result.rows, 'message')}")
        if result.erased:
            echo(f"{counted(len(result.erased), 'archive')} erased: {', '.join(result.erased)}")
        if result.opted_out:
            echo(f"{counted(result.opted_out, 'number')} opted out by replies to archived messages")
        for campaign, reason in result.waiting:
            echo(f"{campaign} stays in Redis: {reason}")
        for _, error in result.failed:
            echo(error, err=True)
    if result.failed:
        raise SystemExit(1)


@archive.command("list")
@click.option(
    "--max",
    "max_archives",
    type=click.IntRange(min=1),
    default=_MAX_LISTED,
    show_default=True,
    help="List at most this many.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_obj
def list_(options: CliContext, *, max_archives: int, as_json: bool) -> None:
    """List the archived campaigns, the newest first."""

    async def read(redis: Redis) -> tuple[list[ArchiveStub], int]:
        return await ArchiveStates(redis).newest(await Queries(redis).senders(), limit=max_archives)

    stubs, left_out = with_ledger(options, read)
    if left_out:
        echo(f"not shown: {counted(left_out, 'older archive')}", err=True)
    if as_json:
        echo(json.dumps([stub._asdict() for stub in stubs], default=sorted))  # the codes are a set
        return
    table = Table("id", "name", "sender", "submitted", "ended", "state", box=None, pad_edge=False)
    for stub in stubs:
        table.add_row(stub.id, stub.name, stub.sender, _day(stub.created_ms), _day(stub.ended_ms), stub.state)
    console().print(table if stubs else "no campaign is archived")


@archive.command()
@click.argument("campaigns", nargs=-1, shell_complete=completion.campaigns)
@click.pass_obj
def verify(options: CliContext, campaigns: tuple[str, ...]) -> None:
    """Read the archives of CAMPAIGNS whole, by default all archives, and compare their rows with their counters.

    Exits with 1 if an archive is wrong; else with 3 if an archive cannot be read, because its storage cannot be reached
    or its key is missing.
    """
    wanted = [campaign_meant(options, words) for words in campaigns]
    result = with_ledger(options, lambda redis: _verify(options, redis, wanted), is_long=True)
    for problems in (*result.wrong.values(), result.unread):
        echo(*problems, err=True)
    unread = f", {len(result.unread):,} could not be read" if result.unread else ""
    echo(
        f"{counted(result.verified, 'archive')} with {counted(result.rows, 'message')} verified, "
        f"{len(result.wrong):,} wrong{unread}"
    )
    if result.wrong:
        raise SystemExit(1)
    if result.unread:
        raise SystemExit(_UNREAD)


@archive.command()
@click.argument("campaign", shell_complete=completion.campaigns)
@yes_option
@click.pass_obj
def erase(options: CliContext, campaign: str, *, yes: bool) -> None:
    """Destroy the key of an archived CAMPAIGN, so that nobody can read its messages any more. Its counters stay."""
    settings = options.settings(Need.LEDGER)
    id_ = campaign_meant(options, campaign)
    stub = with_ledger(options, lambda redis: catalog_with_keys(options, redis).archive.stub(id_))
    if not yes:
        confirm(f"the messages of campaign {stub.id} ({stub.name} from {stub.sender}) are lost for good")

    async def erase_all(redis: Redis) -> None:
        stubs = await catalog_with_keys(options, redis).archive.stubs(id_)
        await _refuse_lanes_in_redis(options, redis, stubs)
        for each in stubs:
            await _retention(options, settings, redis).erase(each)

    with_ledger(options, erase_all, is_long=True)
    echo(f"campaign {stub.id}: its archive is erased; its counters stay")


async def _refuse_lanes_in_redis(options: CliContext, redis: Redis, stubs: Sequence[ArchiveStub]) -> None:
    """Raise ``ArchiveError`` if lanes of an archived campaign are still in Redis, and would be archived later."""
    view = (await catalog_with_keys(options, redis).archive.manifest(stubs[0])).view()
    for lane in set(view.plan.lane_campaigns) - {stub.id for stub in stubs}:
        with suppress(CampaignUnknown, CampaignArchived):
            await LaneQueries(redis).campaign(lane)
            raise ArchiveError(
                f"campaign {stubs[0].id}: some of its lanes are still in Redis; first run dispatch archive run"
            )


@archive.command()
@click.pass_obj
def rewrap(options: CliContext) -> None:
    """Wrap the keys of all archives with DISPATCH_ARCHIVE_KEY, so that DISPATCH_ARCHIVE_KEY_OLD can be removed."""

    async def wrap_all(redis: Redis) -> tuple[int, int]:
        catalog = catalog_with_keys(options, redis)
        stubs, _ = await ArchiveStates(redis).newest(await LaneQueries(redis).senders(), with_erased=False)
        return sum([await catalog.archive.rewrap(stub) for stub in stubs]), len(stubs)

    wrapped, archives = with_ledger(options, wrap_all, is_long=True)
    echo(f"{wrapped:,} of {counted(archives, 'key')} wrapped anew")


@archive.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def rebuild(options: CliContext, *, as_json: bool) -> None:
    """Restore archived campaigns from the folder of the archive, after Redis has lost all its data.

    The command restores campaigns, their counters in the statistics of days, sealed records and forgotten numbers. It
    changes no data that Redis has. Exits with 1 if something in the folder cannot be read.
    """
    settings = options.settings(Need.LEDGER, Need.ARCHIVE)

    async def rebuild_all(redis: Redis) -> "RebuildResult":
        from times_dispatch.archive.folder import ArchiveFolder  # noqa: PLC0415  # pyarrow costs 60 MB
        from times_dispatch.archive.rebuilding import ArchiveRebuild  # noqa: PLC0415
        from times_dispatch.archive.wrapped_keys import MasterKeys  # noqa: PLC0415

        folder = ArchiveFolder(required_path(settings.retention.path))
        keys = MasterKeys(settings.archive_key, settings.old_archive_key)
        forgotten = ForgottenNumbers(redis, settings.forget_key)
        return await ArchiveRebuild(redis, folder, keys, forgotten=forgotten, actor=options.actor).run()

    result = with_ledger(options, rebuild_all, is_long=True)
    if as_json:
        echo(json.dumps(msgspec.to_builtins(result)))
    else:
        echo(
            f"{counted(len(result.restored), 'campaign')} found again, {result.known:,} known already; "
            f"{counted(result.sealed, 'sealed record')}, {counted(result.forgotten, 'forgotten number')}"
        )
    for name in result.skipped:
        echo(f"{name}: skipped, because no campaign has such an id", err=True)
    for problem in [*result.differences, *(error for _, error in result.failed)]:
        echo(problem, err=True)
    if result.failed or result.differences:
        raise SystemExit(1)


async def _verify(options: CliContext, redis: Redis, wanted: list[CampaignId]) -> _Verified:
    from times_dispatch.archive.archiver import differences  # noqa: PLC0415  # pyarrow costs 60 MB

    archives = catalog_with_keys(options, redis).archive
    stubs, result = list[ArchiveStub](), _Verified()
    for campaign in wanted:
        first = await archives.stub(campaign)
        try:
            stubs += await archives.stubs(campaign)
        except (ArchiveError, CampaignDamaged):
            stubs.append(first)  # the loop below reports the damage
    if not wanted:
        stubs, _ = await archives.states.newest(await LaneQueries(redis).senders(), with_erased=False)
    for stub in stubs:
        try:
            manifest = await archives.manifest(stub)
            view = manifest.view()
            with archives.rows(stub, manifest) as reader:
                sums = reader.sums()
        except (ArchiveUnavailable, ArchiveKeyMissing) as error:
            result.unread.append(str(error))
            continue
        except ArchiveErased as error:
            if stub.state is ArchiveState.ERASED or manifest.erased_ms:
                result.unread.append(str(error))
            else:  # the key is gone, and nobody erased the campaign
                result.wrong[stub.id] = [str(error)]
            continue
        except (ArchiveError, CampaignDamaged) as error:
            result.wrong[stub.id] = [str(error)]
            continue
        result.verified += 1
        result.rows += sums.rows
        if differing := list(differences(view, manifest.codes, sums)):
            result.wrong[stub.id] = [f"archive {stub.id}: {each}" for each in differing]
    return result


def _retention(options: CliContext, settings: "Settings", redis: Redis, *, live_s: int | None = None) -> "Retention":
    from times_dispatch.archive.retention import Retention, RetentionRule  # noqa: PLC0415  # pyarrow costs 60 MB
    from times_dispatch.archive.wrapped_keys import MasterKeys  # noqa: PLC0415

    rule = RetentionRule(
        folder=required_path(settings.retention.path),
        live_s=settings.retention.live_s if live_s is None else live_s,
        archive_s=settings.retention.archive_s,
        links_s=settings.links.expire_after_s,
    )
    keys = MasterKeys(settings.archive_key, settings.old_archive_key)
    return Retention(redis, rule, keys, actor=options.actor, forget_key=settings.forget_key)


def _day(epoch_ms: int) -> str:
    return f"{datetime.fromtimestamp(epoch_ms / 1000, INDIA):%Y-%m-%d}" if epoch_ms else ""
