"""The fingerprints of numbers, two bytes for each message, by which a number is found in all campaigns.

Each batch has one string with a fingerprint for each message, in their order. A fingerprint is the number modulo the
largest prime below 65,536. A search compares all fingerprints of a campaign inside Redis, and reads only batches in
which the fingerprint occurs: among batches of 1,000 other numbers, one in 66. The packed recipients hold the whole
numbers.
"""

import struct
from collections.abc import Sequence

from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.scripts import Script, text

FINGERPRINT_BYTES_OF_NUMBER = 2
_PRIME = 65_521
BATCHES_AT_ONCE = 500
"""How many batches one call searches: at most a millisecond of Redis' time."""


def number_fingerprints(numbers: Sequence[str]) -> bytes:
    """Return the fingerprints of numbers, two bytes each; the numbers are digits."""
    return struct.pack(f">{len(numbers)}H", *[int(number) % _PRIME for number in numbers])


async def batches_that_may_hold(
    find_number: Script, sender: SenderId, campaign: CampaignId, *, batches: int, number: str
) -> list[int]:
    """Return the numbers of a campaign's batches that may hold a phone number.

    Args:
        find_number: the script of this name.
        sender: the sender of the campaign.
        campaign: the campaign.
        batches: how many batches the campaign has.
        number: E.164 digits without the plus.
    """
    fingerprint, matches = number_fingerprints([number]), list[int]()
    for first in range(0, batches, BATCHES_AT_ONCE):
        last = min(first + BATCHES_AT_ONCE, batches) - 1
        reply = await find_number(sender, campaign=campaign, first=first, last=last, fingerprint=fingerprint)
        matches += map(int, text(reply["batches"]).split())
    return matches
