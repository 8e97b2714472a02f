"""The keys of tracked links in a worker: each campaign keeps the key with which it was submitted."""

from collections.abc import Sequence

from times_dispatch.ledger.lanes.names import header_of, lane_number
from times_dispatch.ledger.model import Plan
from times_dispatch.ledger.secret_digest import digest_secret
from times_dispatch.ledger.tracked_links import LINK_KEY_PURPOSE
from times_dispatch.links.codes import LinkCodes
from times_dispatch.links.filler import LinkFiller


class LinkKeys:
    """The link key of the settings, and the old one."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        """Keep the keys that are not empty."""
        self._keys = [key for key in keys if key]

    def has_key_of(self, plan: Plan) -> bool:
        """Return whether a campaign has no tracked links, or was submitted with one of the keys."""
        return plan.tracked_links is None or self._key(plan.tracked_links.key_digest) is not None

    def filler(self, plan: Plan) -> LinkFiller | None:
        """Return the filler of the tracked links of a campaign; None if the campaign has no tracked links.

        Raises:
            LookupError: the campaign was submitted with another key; no text of the campaign can be rendered.
        """
        links = plan.tracked_links
        if links is None:
            return None
        key = self._key(links.key_digest)
        if key is None:
            raise LookupError("the campaign was submitted with another link key")
        return LinkFiller(
            LinkCodes(key, header_of(plan.sender)),
            number=links.number,
            prefix=links.prefix,
            links=len(links.targets),
            lane=lane_number(plan.sender) if plan.lane_campaigns else 0,
            lanes=max(1, len(plan.lane_campaigns)),
        )

    def _key(self, digest: str) -> bytes | None:
        return next((key for key in self._keys if digest_secret(key, purpose=LINK_KEY_PURPOSE) == digest), None)
