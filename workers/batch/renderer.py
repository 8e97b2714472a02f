"""Renders the messages of a batch from its recipients: the text, and the other fields of a push."""

from times_dispatch.ledger.lanes.names import header_of
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import Plan
from times_dispatch.links.filler import LinkFiller
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.provider.push import Push
from times_dispatch.sms.encoding import measure
from times_dispatch.sms.templates import Template


class MessageRenderer:
    """Renders each text once, also when the suppression check needs the text before the push.

    The recipients of a batch are columns: ``slots`` has one column for each slot of the template, and ``custom`` has
    one for each extra field of the push. ``first`` is the index of the batch's first message in the campaign.
    """

    def __init__(self, lease: Lease, plan: Plan, ids: CorrelationIds, links: LinkFiller | None = None) -> None:
        """Make the renderer of a batch.

        Args:
            lease: the lease of the batch, with the recipients.
            plan: the plan of the campaign.
            ids: makes the correlation ids.
            links: fills the tracked links; None for a campaign without them.
        """
        self._campaign = lease.ref.campaign
        self._recipients = lease.recipients
        self._plan = plan
        self._header = header_of(plan.sender)
        self._template = Template(plan.text)
        self._ids = ids
        self._links = links
        self._texts: dict[int, str] = {}
        """Texts that the suppression check asked for, by index of the message, until the push of the message begins."""

    def phone(self, index: int) -> str:
        """Return the phone number of a message: E.164 digits without the plus."""
        return self._recipients.to[index]

    def compared_text(self, index: int) -> str:
        """Return the text of a message as ``repeat_after`` compares it: without the codes of tracked links.

        Each message has codes of its own, so no two texts with codes are equal. A text without links
        is kept for the push.
        """
        text = self._template.render([column[index] for column in self._recipients.slots])
        if not self._links:
            self._texts[index] = text
        return text

    def push(self, index: int, attempt: int) -> tuple[Push, int]:
        """Return the push of a message, and the message's SMS parts."""
        plan, recipients = self._plan, self._recipients
        variables = self._variables(index)
        text = self._texts.pop(index, None) or self._template.render(variables)
        measured = measure(text)
        custom = plan.custom
        if recipients.custom:
            custom = custom | {name: column[index] for name, column in recipients.custom.items()}
        push = Push(
            to=recipients.to[index],
            text=text,
            sender=self._header,
            content_id=plan.content_id,
            correlation_id=self._ids.make(self._campaign, recipients.first + index, attempt),
            unicode=measured.unicode,
            campaign=self._campaign,
            entity_id=plan.entity_id,
            variables=variables,
            custom=custom,
        )
        return push, measured.parts

    def drop_text(self, index: int) -> None:
        """Drop the text of a message that is not pushed now, if the text was kept."""
        self._texts.pop(index, None)

    def _variables(self, index: int) -> list[str]:
        variables = [column[index] for column in self._recipients.slots]
        return self._links.fill(variables, self._recipients.first + index) if self._links else variables
