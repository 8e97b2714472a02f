"""``dispatch forget``: forgets a phone number."""

import json
from typing import TYPE_CHECKING

import click
import msgspec
from redis.asyncio import Redis

from callbacks.dead_letters import DeadLetters
from producers.cli import CliContext
from producers.cli.confirmation import confirm, yes_option
from producers.cli.ledger import with_ledger
from producers.cli.output import echo
from producers.errors import InputInvalid
from producers.number_arguments import normalise_arguments
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.plurals import counted
from times_dispatch.settings.load import Need
from times_dispatch.settings.masking import mask

if TYPE_CHECKING:
    from times_dispatch.archive.erasure.forgetter import ForgetResult
    from times_dispatch.archive.erasure.sealing import Sealing
    from times_dispatch.settings.model import Settings


@click.command()
@click.argument("number")
@click.option("--unsealed", is_flag=True, help="Delete also the records that the law wants kept for a year.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@yes_option
@click.pass_obj
def forget(options: CliContext, number: str, *, unsealed: bool, as_json: bool, yes: bool) -> None:
    """Forget NUMBER: no sender texts it any more, and its data leaves Redis.

    The records that the law wants kept are sealed in the archive until their time is over. Later campaigns suppress
    messages to the number. Redis keeps only a keyed digest of the number.
    """
    [wanted] = normalise_arguments([number])
    settings = options.settings(Need.LEDGER, *([] if unsealed else [Need.ARCHIVE]))
    if not settings.retention.path and not unsealed:
        raise InputInvalid(
            "[retention] path: is not set in the settings, so no record can be sealed; --unsealed deletes also the "
            "records that the law wants kept (docs/retention.md)"
        )
    if not yes:
        confirm(f"{mask(wanted)} gets no message of any sender any more, and its data is deleted for good")

    async def forget_number(redis: Redis) -> "ForgetResult":
        from times_dispatch.archive.erasure.forgetter import Forgetter  # noqa: PLC0415  # pyarrow costs 60 MB

        forgetter = Forgetter(
            redis,
            ForgottenNumbers(redis, settings.forget_key),
            None if unsealed else _sealing(settings, redis),
            dead_letters=DeadLetters(redis).with_number,
            dead_numbers=settings.dead_numbers.rule,
            keep_s=settings.retention.archive_s,
            actor=options.actor,
            wait_s=options.timeouts.pushes_s,
        )
        return await forgetter.forget(wanted)

    result = with_ledger(options, forget_number, is_long=True)
    if as_json:
        echo(json.dumps(msgspec.to_builtins(result)))
    else:
        echo(
            f"{mask(wanted)} is forgotten: {counted(result.messages, 'message')} of "
            f"{counted(result.campaigns, 'campaign')}, {counted(result.dead_letters, 'dead letter')}, "
            f"{counted(result.bodies, 'waiting report')}; "
            f"{counted(result.sealed, 'row')} sealed; known as {result.digest}"
        )
    for damage in result.damaged:
        echo(f"warning: the number may still be in this campaign: {damage}", err=True)
    if result.damaged:
        raise SystemExit(1)


def _sealing(settings: "Settings", redis: Redis) -> "Sealing":
    from times_dispatch.archive.erasure.sealing import Sealing  # noqa: PLC0415
    from times_dispatch.archive.folder import ArchiveFolder  # noqa: PLC0415  # as above
    from times_dispatch.archive.wrapped_keys import MasterKeys  # noqa: PLC0415

    keys = MasterKeys(settings.archive_key, settings.old_archive_key)
    return Sealing(redis, ArchiveFolder(settings.retention.path), keys)
