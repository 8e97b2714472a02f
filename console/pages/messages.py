"""The list of the messages that a figure of a campaign counts; numbers are masked, and viewers see no numbers."""

from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from console.access import page
from console.charts.course import bucket_label, day_of_epoch, hour_label
from console.figures.code_words import CodeBook
from console.figures.message_list import MessageFilter, list_messages
from console.figures.message_marks import CLICKED_LINKS, MessageMark
from console.visit import Visit, check_known
from console.words import BAR_ORDER, words_of
from times_dispatch.console_users import ConsoleRole
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import MessageState

_FILTERS: Final = ("state", "code", "hour", "day", "bucket", *MessageMark, "tries", "recovered")
_MARKS: Final = {
    MessageMark.CLICKED: ("clicked", "not clicked"),
    MessageMark.REPLIED: ("replied to", "not replied to"),
    MessageMark.OPTED_OUT: ("the recipient asked for no more messages", "without an opt-out"),
    MessageMark.WAITING: ("waiting for a second try", "not waiting for a second try"),
    MessageMark.CLICKED_UNKNOWN: (
        "clicked, but the link is not known",
        "without a click of which the link is not known",
    ),
    **{
        mark: (f"link {link} clicked", f"link {link} not clicked")
        for link, mark in enumerate(CLICKED_LINKS)
        if link > 0
    },
}
"""The words for messages with a mark, and for messages without the mark."""
_REACTIONS: Final = (MessageMark.CLICKED, MessageMark.REPLIED, MessageMark.OPTED_OUT, *CLICKED_LINKS)
_LABELS: Final = {state.label: state for state in MessageState}
_NO_OR_YES: Final = ("0", "1")
_MAX_BUCKET: Final = 128
_MAX_HOUR: Final = 10**7
"""The maximum of hours since the epoch: the year of a date has at most four digits."""
_MAX_DAY: Final = _MAX_HOUR // 24


async def show_messages(visit: Visit) -> Response:
    """Show a page of messages; the address holds every filter."""
    view = await Queries(visit.redis).campaign(CampaignId(visit.request.path_params["campaign"]))
    wanted, after = _filter(visit), visit.number("after")
    shows_people = visit.may(ConsoleRole.OPERATOR)
    listed = await list_messages(
        visit.redis, view, wanted, after=-1 if after is None else after, shows_people=shows_people
    )
    book, f = CodeBook(visit.settings, view.plan.chain), visit.formats
    parameters = {name: value for name in _FILTERS if (value := visit.query(name))}
    here = f"/campaigns/{view.id}/messages"
    words = [words_of(state) for state in BAR_ORDER if state in wanted.states]
    words += [_MARKS[mark][not is_wanted] for mark, is_wanted in wanted.marks.items()]
    words += [_tries_in_words(wanted.tries)] if wanted.tries is not None else []
    words += ["delivered by a second try"] if wanted.recovered else []
    words += [f"code {wanted.code}"] if wanted.code is not None else []
    words += [f"sent in the hour from {hour_label(wanted.hour, f)}"] if wanted.hour is not None else []
    words += [f"sent on {f.day(day_of_epoch(wanted.day).isoformat())}"] if wanted.day is not None else []
    words += [f"delivered within {bucket_label(wanted.bucket, f)}"] if wanted.bucket is not None else []
    return visit.page(
        "messages.html",
        view=view,
        listed=listed,
        rows=[
            (message, words_of(message.state), book.meaning(message.code_name) if message.code_name else "")
            for message in listed.messages
        ],
        words=words,
        reactions=[mark.value for mark in _REACTIONS if wanted.marks.get(mark)],
        shows_people=shows_people,
        chosen=visit.query("state"),
        states=[(state.label, words_of(state), view.counts[state]) for state in BAR_ORDER if view.counts[state]],
        base=here,
        next_page=f"{here}?{urlencode({**parameters, 'after': listed.next})}" if listed.next is not None else "",
        first_page=f"{here}?{urlencode(parameters)}" if after is not None else "",
    )


def _tries_in_words(tries: int) -> str:
    return "sent again" if tries == 1 else f"sent again {tries} times"


def _filter(visit: Visit) -> MessageFilter:
    labels = visit.query("state").split(",") if visit.query("state") else []
    check_known("state", labels, _LABELS)
    return MessageFilter(
        states=frozenset(_LABELS[label] for label in labels),
        code=visit.number("code"),
        marks={mark: given == "1" for mark in MessageMark if (given := visit.choice(mark, _NO_OR_YES))},
        tries=visit.number("tries"),
        recovered=visit.choice("recovered", _NO_OR_YES) == "1",
        hour=visit.number("hour", below=_MAX_HOUR),
        day=visit.number("day", below=_MAX_DAY),
        bucket=visit.number("bucket", below=_MAX_BUCKET),
    )


ROUTES = (page("/campaigns/{campaign}/messages", show_messages),)
