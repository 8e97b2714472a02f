"""The page Numbers: what is known of one phone number. The number is masked, and each look-up stands in the trail."""

from starlette.responses import Response

from console.access import action, page
from console.figures.code_words import CodeBook
from console.visit import Visit
from console.words import words_of
from producers.errors import InputInvalid
from producers.export.rows import code_name
from producers.opt_out_import import normalise_arguments
from times_dispatch.console_users import ConsoleRole
from times_dispatch.ledger.keys import OPT_OUTS
from times_dispatch.ledger.number_history import number_history
from times_dispatch.ledger.statistics.rollups import day_of
from times_dispatch.ledger.trail import Trail, TrailAction, packed_entry
from times_dispatch.settings.masking import mask


async def show_form(visit: Visit) -> Response:
    """Show the form in which a number is looked up."""
    return visit.page("numbers.html", history=None, problem="", masked="")


async def look_up(visit: Visit) -> Response:
    """Show what all campaigns know of a number; it comes in a POST, so that no address and no log holds it."""
    try:
        [number] = normalise_arguments([visit.field("number")])
    except InputInvalid:
        problem = "This is no phone number. Write ten digits, or the country code and the number."
        return visit.page("numbers.html", status=422, history=None, problem=problem, masked="")
    entry = packed_entry(visit.actor, TrailAction.EXPORTED, detail="one number")
    await Trail(visit.redis).note(OPT_OUTS, entry)
    history = await number_history(visit.redis, number, visit.settings.dead_numbers.rule)
    rows = []
    for message in history.messages:
        name = code_name(message.state, message.code)
        book = CodeBook(visit.settings, message.campaign.plan.chain)
        rows.append(
            (message, words_of(message.state), book.meaning(name) if name else "", book.advice(name) if name else "")
        )
    return visit.page(
        "numbers.html",
        history=history,
        rows=rows,
        problem="",
        masked=mask(number),
        dead_since=day_of(history.dead.since_day).isoformat() if history.dead else "",
    )


ROUTES = (
    page("/numbers", show_form, role=ConsoleRole.OPERATOR),
    action("/numbers", look_up, role=ConsoleRole.OPERATOR),
)
