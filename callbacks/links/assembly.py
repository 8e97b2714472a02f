"""Assembles the application of tracked links from the settings, for the links process and for the receiver."""

from redis.asyncio import Redis

from callbacks.links.application import LinksApplication
from callbacks.links.directory import LinkDirectory
from callbacks.report_room import ReportRoom
from callbacks.stream_writer import ReportStreamWriter
from times_dispatch.http_server.refusal_log import RefusalLog
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.settings.model import Settings


def make_links(redis: Redis, settings: Settings, *, room: ReportRoom, refusals: RefusalLog) -> LinksApplication:
    """Return the application that answers clicks.

    Args:
        redis: the ledger.
        settings: give the keys, the expiry and the stop words.
        room: says whether clicks may be stored.
        refusals: log the requests that are refused.
    """
    keys = [key for key in (settings.link_key, settings.old_link_key) if key]
    stop_words = settings.optouts.stop_words
    return LinksApplication(
        redis,
        LinkDirectory(redis, keys, expire_after_s=settings.links.expire_after_s),
        ReportStreamWriter(
            redis,
            from_links=True,
            wait_for_replicas=settings.ledger.wait_for_replicas,
            replicas_within_s=settings.ledger.replicas_within_s,
        ),
        CorrelationIds(settings.id_key, settings.old_id_key),
        expire_after_s=settings.links.expire_after_s,
        stop_word=stop_words[0] if stop_words else "",
        room=room,
        refusals=refusals,
    )
