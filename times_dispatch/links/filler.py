"""Fills the codes of tracked links into the values of a message, when a worker renders the message."""

from collections.abc import Sequence

from times_dispatch.links.codes import LinkCodes, index_over_lanes, placeholder


class LinkFiller:
    """Fills the links of one campaign, or of one lane of a campaign."""

    def __init__(
        self, codes: LinkCodes, *, number: int, prefix: str, links: int, lane: int = 0, lanes: int = 1
    ) -> None:
        """Make the filler of a campaign.

        Args:
            codes: makes the codes of the campaign's sender.
            number: the campaign's number among the sender's campaigns with links.
            prefix: the beginning of each link, such as ``go.brand.in/TIMESM/``.
            links: the number of links of the campaign.
            lane: the number of the lane whose messages are filled, from 0.
            lanes: the number of lanes of the campaign; 1 without lanes.
        """
        self._codes = codes
        self._number = number
        self._prefix = prefix
        self._lane = lane
        self._lanes = lanes
        self._placeholders = [(link, prefix + placeholder(link)) for link in range(links)]

    def fill(self, values: Sequence[str], index: int) -> list[str]:
        """Return the values of a message with codes instead of the placeholders.

        Args:
            values: the values of the template's slots.
            index: the message's index in the campaign, or in the lane's campaign.
        """
        index = index_over_lanes(index, lane=self._lane, lanes=self._lanes)
        return [self._filled(value, index) if self._prefix in value else value for value in values]

    def _filled(self, value: str, index: int) -> str:
        for link, written in self._placeholders:
            if written in value:
                value = value.replace(written, self._prefix + self._codes.make(self._number, index, link))
        return value
