"""A campaign with tracked links in the ledger, and the links process on a real socket in the process of the test."""

import logging
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
from redis.asyncio import Redis

from callbacks.http.server import make_server
from callbacks.links.application import MAX_VISITS_A_MINUTE, LinksApplication
from callbacks.links.directory import LinkDirectory
from callbacks.report_room import ReportRoom
from callbacks.stream_writer import ReportStreamWriter
from tests.kit.callbacks import ID_KEY, SENDER
from tests.kit.lanes import submit_in_lanes
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.http_server.refusal_log import RefusalLog
from times_dispatch.http_server.server_load import DEFAULT_SERVER_LIMITS
from times_dispatch.ledger.model import CampaignId, LinkTarget, Plan, Recipients, TrackedLinks
from times_dispatch.ledger.secret_digest import digest_secret
from times_dispatch.ledger.submission import Submissions
from times_dispatch.ledger.tracked_links import LINK_KEY_PURPOSE, LinkNumbers
from times_dispatch.links.codes import LinkCodes
from times_dispatch.provider.correlation_ids import CorrelationIds, new_campaign_id

LINK_KEY = b"a link key of enough bytes"
VALID_UNTIL_MS = 4_000_000_000_000
PREFIX = "go.brand.in/TIMESM/"
BROWSER = "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36"
TARGETS = (
    LinkTarget("offer", ["https://shop.example/sale?u=", ""], [0]),
    LinkTarget("help", ["https://shop.example/help"]),
)
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class LinkedCampaign:
    """A campaign with tracked links; its messages are pending."""

    def __init__(self, campaign: CampaignId, number: int, key: bytes) -> None:
        self.id = campaign
        self.number = number
        self._codes = LinkCodes(key, SENDER)

    def path(self, index: int, link: int = 0) -> str:
        """Return the path of a link."""
        return f"/{SENDER}/{self._codes.make(self.number, index, link)}"


async def submit_with_links(
    redis: Redis,
    *,
    customers: Sequence[str] = ("C 1&x=2", "सी2", "C3"),
    batch_size: int = 2,
    has_opt_out: bool = False,
    key: bytes = LINK_KEY,
    valid_until_ms: int = VALID_UNTIL_MS,
) -> LinkedCampaign:
    """Submit a campaign with two tracked links; one of the links contains a value of each row.

    Args:
        redis: the ledger.
        customers: the values of the rows, one per message.
        batch_size: messages in a batch.
        has_opt_out: whether recipients can opt out at the address of a link.
        key: the link key.
        valid_until_ms: the end of the validity, epoch milliseconds.
    """
    submissions = Submissions(redis)
    campaign = await submissions.claim(new_campaign_id(), SENDER, CampaignId(new_campaign_id()))
    plan = await _plan(redis, campaign, has_opt_out=has_opt_out, key=key, valid_until_ms=valid_until_ms)
    await submissions.begin(campaign, plan, batch_size=batch_size)
    for batch_number, first in enumerate(range(0, len(customers), batch_size)):
        await submissions.add_batch(
            campaign, SENDER, batch_number, _rows(first, list(customers[first : first + batch_size]))
        )
    await submissions.seal(campaign, SENDER, total=len(customers), batches=-(-len(customers) // batch_size))
    assert plan.tracked_links
    return LinkedCampaign(campaign, plan.tracked_links.number, key)


async def submit_with_links_in_lanes(
    redis: Redis, *, lanes: int, customers: Sequence[str], batch_size: int = 2
) -> LinkedCampaign:
    """Submit the campaign of ``submit_with_links`` for a sender with lanes."""
    campaign = CampaignId(new_campaign_id())
    plan = await _plan(redis, campaign)
    await submit_in_lanes(
        redis,
        _rows(0, list(customers)),
        lanes=lanes,
        batch_size=batch_size,
        campaign=campaign,
        sender=SENDER,
        text="Hi",
        valid_until_ms=VALID_UNTIL_MS,
        tracked_links=plan.tracked_links,
    )
    assert plan.tracked_links
    return LinkedCampaign(campaign, plan.tracked_links.number, LINK_KEY)


async def _plan(
    redis: Redis,
    campaign: CampaignId,
    *,
    has_opt_out: bool = False,
    key: bytes = LINK_KEY,
    valid_until_ms: int = VALID_UNTIL_MS,
) -> Plan:
    """Return the plan of a campaign with links.

    Args:
        redis: the ledger.
        campaign: the campaign's id.
        has_opt_out: whether recipients can opt out at the address of a link.
        key: the link key.
        valid_until_ms: the end of the validity, in milliseconds since the epoch.
    """
    links = TrackedLinks(
        prefix=PREFIX,
        targets=list(TARGETS),
        key_digest=digest_secret(key, purpose=LINK_KEY_PURPOSE),
        number=await LinkNumbers(redis).number(SENDER, campaign),
        has_opt_out=has_opt_out,
    )
    return Plan(
        name="sale",
        sender=SENDER,
        provider="times",
        template="t",
        content_id="1",
        text="Hi",
        category="service",
        valid_until_ms=valid_until_ms,
        tracked_links=links,
    )


def _rows(first: int, customers: list[str]) -> Recipients:
    count = len(customers)
    phones = [f"9198765{index:05}" for index in range(first, first + count)]
    return Recipients(first, phones, list(range(first, first + count)), [], [1] * count, {}, [customers])


def application(
    redis: Redis,
    *,
    keys: Sequence[bytes] = (LINK_KEY,),
    clock: Clock = SYSTEM_CLOCK,
    room: ReportRoom | None = None,
    stop_word: str = "STOP",
    max_visits_a_minute: int = MAX_VISITS_A_MINUTE,
) -> LinksApplication:
    """Return an application of the test's ledger.

    Args:
        redis: the ledger.
        keys: the link keys, the newest first.
        clock: the clock of the link directory and of the application.
        room: says whether clicks may be stored; a room with the default limits by default.
        stop_word: the stop word that an opt-out stores.
        max_visits_a_minute: visits of one link that are answered in a minute.
    """
    return LinksApplication(
        redis,
        LinkDirectory(redis, keys, clock=clock),
        ReportStreamWriter(redis, from_links=True),
        CorrelationIds(ID_KEY.encode()),
        expire_after_s=7 * 86_400,
        stop_word=stop_word,
        room=room,
        max_visits_a_minute=max_visits_a_minute,
        clock=clock,
    )


@asynccontextmanager
async def serving_links(links: LinksApplication) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application on a real socket, and yield a client with the user agent of a browser."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = make_server(links, "127.0.0.1:0", limits=DEFAULT_SERVER_LIMITS, refusals=RefusalLog())
        logging.getLogger("uvicorn.access").propagate = True  # the server turned it off for all tests
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup(sockets=[listener])
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
                timeout=30,
                verify=_NO_CERTIFICATES,
                headers={"user-agent": BROWSER},
            ) as client:
                yield client
        finally:
            # Server.shutdown() would sleep for a tenth of a second, once for each test.
            for listening in server.servers:
                listening.close()
            for connection in list(server.server_state.connections):
                connection.shutdown()
