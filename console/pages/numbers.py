"""The page Numbers: all that is known about one phone number. The number is masked; the trail notes each look-up."""

from typing import Final

import msgspec
from starlette.responses import Response

from console.access import action, page
from console.figures.code_words import CodeBook
from console.visit import Visit
from console.words import words_of
from producers.errors import InputInvalid
from producers.export.code_names import code_name
from producers.number_arguments import normalise_arguments
from times_dispatch.archive.catalog import Catalog
from times_dispatch.archive.numbers.number_search import with_archived
from times_dispatch.console_users import ConsoleRole
from times_dispatch.ledger.errors import ForgetKeyRefused
from times_dispatch.ledger.keys import OPT_OUTS
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.numbers.history import NumberHistory, number_history
from times_dispatch.ledger.statistics.rollups import day_of
from times_dispatch.ledger.trail import Trail, TrailAction, packed_entry
from times_dispatch.settings.masking import mask

_MAX_LEFT_OUT: Final = 3
"""The maximum of unreadable campaigns and archives that the page names."""


async def show_form(visit: Visit) -> Response:
    """Show the form in which a number is looked up."""
    return visit.page("numbers.html", history=None, problem="", masked="")


async def look_up(visit: Visit) -> Response:
    """Show the messages to a number; the number comes in a POST, so that no address and no log holds it."""
    try:
        [number] = normalise_arguments([visit.field("number")])
    except InputInvalid:
        problem = "This is no phone number. Write ten digits, or the country code and the number."
        return visit.page("numbers.html", status=422, history=None, problem=problem, masked="")
    entry = packed_entry(visit.actor, TrailAction.EXPORTED, detail="one number")
    await Trail(visit.redis).note(OPT_OUTS, entry)
    history = await _history(visit, number)
    rows = []
    for message in history.messages:
        name = code_name(message.state, message.code, retry=message.campaign.plan.retry)
        book = CodeBook(visit.settings, message.campaign.plan.chain)
        rows.append(
            (message, words_of(message.state), book.meaning(name) if name else "", book.advice(name) if name else "")
        )
    return visit.page(
        "numbers.html",
        history=history,
        rows=rows,
        problem="",
        left_out=history.damaged[:_MAX_LEFT_OUT],
        more_left_out=max(0, len(history.damaged) - _MAX_LEFT_OUT),
        masked=mask(number),
        dead_since=day_of(history.dead.since_day).isoformat() if history.dead else "",
    )


async def _history(visit: Visit, number: str) -> NumberHistory:
    """Return the messages to a number, from campaigns in Redis and in the archive."""
    settings = visit.settings
    history = await number_history(visit.redis, number, settings.dead_numbers.rule)
    keys = None
    if settings.archive_key or settings.old_archive_key:
        from times_dispatch.archive.wrapped_keys import MasterKeys  # noqa: PLC0415  # most consoles have no archive

        keys = MasterKeys(settings.archive_key, settings.old_archive_key)
    catalog = Catalog(visit.redis, keys, forgotten=ForgottenNumbers(visit.redis, settings.forget_key))
    try:
        return await with_archived(catalog, history, number)
    except ForgetKeyRefused as refused:
        return msgspec.structs.replace(history, damaged=[*history.damaged, f"the archive: {refused}"])


ROUTES = (
    page("/numbers", show_form, role=ConsoleRole.OPERATOR),
    action("/numbers", look_up, role=ConsoleRole.OPERATOR),
)
