"""The connection of commands to the ledger; commands that only act on the ledger need no settings file."""

import asyncio
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, TypeVar

from redis import exceptions
from redis.asyncio import Redis

from producers.cli import TIMEOUTS, CliContext, CliTimeouts
from producers.cli.output import echo
from times_dispatch.ledger.campaigns.search import CampaignSearch
from times_dispatch.ledger.connection import RedisUnavailable, address_of, check, connect
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.monitoring.health import urgent_warnings
from times_dispatch.ledger.schema import refuse_newer_ledger
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.status.roles import missing_workers

if TYPE_CHECKING:
    from times_dispatch.settings.model import Settings

T = TypeVar("T")


def with_ledger(
    options: CliContext,
    call: Callable[[Redis], Awaitable[T]],
    *,
    repeats: bool = True,
    is_long: bool = False,
    is_first: bool = True,
) -> T:
    """Connect to the ledger, await ``call`` with the connection, and return what it returns.

    Only the address and the password of Redis are needed. A broken settings file is noted on stderr.

    Args:
        options: the options of the command line.
        call: the function to await with the connection.
        repeats: whether the Redis client may repeat a command whose answer was lost. A plain write is not repeated,
            because it could overwrite a newer value of another person; the person reads the error and decides.
        is_long: whether the command may take minutes, so that a short outage of Redis must not end it.
        is_first: whether the command has not used Redis before; later connections of long commands wait for Redis.

    Raises:
        SettingsInvalid: the address or the password of Redis cannot be used.
        RedisUnavailable: the ledger does not answer, at the start or later, or refuses the login.
        LedgerNewer: a newer version wrote the ledger.
    """
    redis_url = options.ledger_url()
    for problem in options.ignored:
        note_broken_settings(options, problem)

    async def connect_and_call() -> T:
        async with open_ledger(
            redis_url,
            repeats=repeats,
            is_long=is_long,
            is_first=is_first,
            printed=options.notes,
            timeouts=options.timeouts,
        ) as redis:
            return await call(redis)

    result = asyncio.run(connect_and_call())
    if problem := _syntax_problem(options.settings_path):
        note_broken_settings(options, problem)
    return result


def campaign_meant(options: CliContext, words: str) -> CampaignId:
    """Return the id of the campaign that a person names; print the id on stderr, unless the words are the id.

    A command looks the words up once and acts on the id, because ``last`` can be another campaign a moment later.

    Raises:
        CampaignUnknown: the words name no campaign.
        CampaignAmbiguous: the words name several campaigns.
    """
    return campaigns_meant(options, [words])[0]


def campaigns_meant(options: CliContext, words: Sequence[str]) -> list[CampaignId]:
    """Return the ids of the campaigns that a person names, each id once; see ``campaign_meant``."""

    async def find(redis: Redis) -> list[CampaignId]:
        search = CampaignSearch(redis)
        return [await search.find(each) for each in words]

    campaigns = with_ledger(options, find)
    for each, campaign in zip(words, campaigns, strict=True):
        name_campaign(each, campaign)
    return list(dict.fromkeys(campaigns))


def name_campaign(words: str, campaign: CampaignId) -> None:
    """Print on stderr which campaign some words mean, unless the words are its id."""
    if words != campaign:
        echo(f"{words} is campaign {campaign}", err=True)


@asynccontextmanager
async def open_ledger(
    redis_url: str,
    *,
    repeats: bool = True,
    is_long: bool = False,
    is_first: bool = True,
    printed: set[str] | None = None,
    timeouts: CliTimeouts = TIMEOUTS,
) -> AsyncIterator[Redis]:
    """Connect to the ledger for the time of a block of code.

    If Redis does not answer for two seconds, the block ends with RedisUnavailable. A long block prints a message on
    stderr instead, and goes on if Redis answers again in time. A long block that is not the first of its command also
    waits for Redis before it begins.

    Args:
        redis_url: the address of the ledger.
        repeats: whether the Redis client may repeat a command whose answer was lost.
        is_long: whether the block may take minutes, so that a short outage of Redis must not end it.
        is_first: whether the command has not used Redis before.
        printed: warnings about Redis that were printed and are not printed again; the block adds its warnings.
        timeouts: how long the block waits for Redis.

    Raises:
        RedisUnavailable: the ledger does not answer, at the start or later, or refuses the login.
        LedgerNewer: a newer version wrote the ledger.
    """
    printed = set() if printed is None else printed
    await _check_ledger(redis_url, timeouts, wait_s=timeouts.reconnect_s if is_long and not is_first else 0.0)
    silence: asyncio.Task[None] | None = None
    if is_long:
        redis = connect(redis_url)
        silence = asyncio.create_task(_tell_about_silence(redis_url, timeouts))
    elif repeats:
        redis = connect(redis_url, socket_timeout_s=timeouts.answer_s, repeat_after_timeout=False)
    else:
        redis = connect(redis_url, socket_timeout_s=timeouts.answer_s, retries=0)
    try:
        for line in [f"warning: {warning}" for warning in await urgent_warnings(redis)]:
            if line not in printed:
                printed.add(line)
                echo(line, err=True)
        yield redis
    except exceptions.TimeoutError as error:
        raise RedisUnavailable(
            f"Redis at {address_of(redis)} did not answer in time; run the same command again"
        ) from error
    finally:
        if silence:
            silence.cancel()
        with suppress(exceptions.RedisError):  # the command's work is done, and a hanging Redis would delay the close
            await redis.aclose()


async def _check_ledger(redis_url: str, timeouts: CliTimeouts, *, wait_s: float) -> None:
    """Raise RedisUnavailable or LedgerNewer if the ledger cannot be used, or if Redis does not answer in time."""
    loop, is_silent = asyncio.get_running_loop(), False
    wait_until = loop.time() + wait_s
    async with connect(redis_url, socket_timeout_s=timeouts.answer_s, repeat_after_timeout=False) as probe:

        def tell_silence() -> None:
            nonlocal is_silent
            if not is_silent:
                is_silent = True
                _tell_whether_it_answers(probe, answers=False)

        while True:
            # A single Redis that hangs ends the check before the timer fires.
            timer = loop.call_later(timeouts.tell_silence_after_s, tell_silence)
            try:
                # Without this limit, several nodes or sentinels that hang would take two seconds each.
                async with asyncio.timeout(2 * timeouts.answer_s):
                    await check(probe, needs_memory=False)
                    await refuse_newer_ledger(probe)
            except (exceptions.TimeoutError, TimeoutError, RedisUnavailable) as error:
                if isinstance(error, RedisUnavailable) and not isinstance(error.__cause__, exceptions.TimeoutError):
                    raise
                if loop.time() >= wait_until:
                    if isinstance(error, RedisUnavailable):
                        raise
                    name = address_of(probe)
                    raise RedisUnavailable(f"Redis at {name} is unavailable: no answer in time") from error
                tell_silence()
            else:
                if is_silent:
                    _tell_whether_it_answers(probe, answers=True)
                return
            finally:
                timer.cancel()


async def _tell_about_silence(redis_url: str, timeouts: CliTimeouts) -> None:
    """Print on stderr when Redis has not answered for two seconds, and when Redis answers again, until cancelled.

    A check takes at most half of this time, so that one late answer is no silence. A check that ends late says nothing
    about Redis, because the command's own work, or a busy machine, held up the event loop.
    """
    loop, is_silent, silent_since_s = asyncio.get_running_loop(), False, float("inf")
    check_s = timeouts.answer_s / 2
    async with connect(redis_url, socket_timeout_s=check_s, retries=0) as redis:
        while True:
            await asyncio.sleep(timeouts.look_interval_s)
            began_s = loop.time()
            answers = await _answers(redis, within_s=check_s)
            ended_s = loop.time()
            if not answers and ended_s - began_s > 2 * check_s:
                continue
            silent_since_s = float("inf") if answers else min(silent_since_s, began_s)
            if (is_silent and answers) or (not is_silent and ended_s - silent_since_s >= timeouts.answer_s):
                is_silent = not answers
                _tell_whether_it_answers(redis, answers=answers)


async def _answers(redis: Redis, *, within_s: float) -> bool:
    """Return whether Redis answers in time; several nodes or sentinels have this time together."""
    try:
        async with asyncio.timeout(within_s):
            await redis.ping()
    except exceptions.ResponseError:
        return True  # a refusal is an answer as well
    except (exceptions.RedisError, TimeoutError):
        return False
    return True


def _tell_whether_it_answers(redis: Redis, *, answers: bool) -> None:
    echo(f"Redis at {address_of(redis)} {'answers again' if answers else 'does not answer: waiting for it'}", err=True)


async def warn_without_workers(redis: Redis, views: Iterable[CampaignView] | None = None) -> None:
    """Print on stderr since when no worker runs, if no worker runs; print nothing if Redis gives an error.

    Args:
        redis: the ledger.
        views: the campaigns that are shown; the warning is left out if none of them may send. None always warns.
    """
    if views is not None and not any(map(_may_send, views)):
        return
    with suppress(exceptions.RedisError):
        if line := await missing_workers(redis):
            echo(f"warning: {line}", err=True)


def _may_send(view: CampaignView) -> bool:
    """Return whether messages of a campaign may still be sent; messages in doubt may, even of a finished campaign."""
    in_doubt = view.state == CampaignState.FINISHED and view.counts[MessageState.IN_DOUBT]
    return bool(in_doubt) or view.state not in {CampaignState.FINISHED, CampaignState.CANCELLED}


async def notify_workers(options: CliContext, redis: Redis, sender: SenderId) -> None:
    """Wake workers at once for batches that a sender may send again; after an error, upkeep wakes them later."""
    if not (settings := settings_if_valid(options)):
        return
    from producers.submit import notify_workers as notify  # noqa: PLC0415  # imports Celery, which is slow

    with suppress(exceptions.RedisError):
        await notify(redis, settings, sender)


def settings_if_valid(options: CliContext) -> "Settings | None":
    """Return the settings; if they have a mistake, print a note on stderr and return None."""
    try:
        return options.settings()
    except SettingsInvalid as invalid:
        note_broken_settings(options, invalid.mistakes[0])
        return None


def note_broken_settings(options: CliContext, problem: str) -> None:
    """Print once that the settings have a mistake, which did not matter for this command."""
    note = f"note: {problem}; this command needs only Redis, other commands will refuse"
    if note not in options.notes:
        options.notes.add(note)
        echo(note, err=True)


def _syntax_problem(path: Path) -> str:
    """Return why a settings file is no TOML, in one line; empty if the file is well formed or does not exist."""
    with suppress(OSError):
        if not S_ISREG(path.stat().st_mode):  # a read of a pipe may never end, and the command has already acted
            return ""
    with suppress(OSError, ValueError):
        tomllib.loads(path.read_text("utf-8"))
        return ""
    from times_dispatch.settings.toml.document import Document  # noqa: PLC0415  # slow to import, and only a mistake needs it

    try:
        tomllib.loads(path.read_text("utf-8-sig"))
    except (FileNotFoundError, IsADirectoryError):
        return ""
    except (OSError, ValueError, RecursionError):
        from times_dispatch.settings.toml.document import Document  # noqa: PLC0415  # slow to import

        try:
            Document.read(path)
        except SettingsInvalid as invalid:
            return invalid.mistakes[0]
    return ""
