"""The messages of a batch, made from its rows: the text, and all else that a push needs."""

from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import Plan
from times_dispatch.provider.ids import CorrelationIds
from times_dispatch.provider.push import Push
from times_dispatch.sms.encoding import measure
from times_dispatch.sms.templates import Template


class MessageRenderer:
    """Renders each text once: who asks before its push is given what the push will say."""

    def __init__(self, lease: Lease, plan: Plan, ids: CorrelationIds) -> None:
        self._campaign = lease.ref.campaign
        self._recipients = lease.recipients
        self._plan = plan
        self._template = Template(plan.text)
        self._ids = ids
        self._texts: dict[int, str] = {}
        """Rendered already, of messages whose push has not begun."""

    def to(self, place: int) -> str:
        """Return the number: E.164 digits without the plus."""
        return self._recipients.to[place]

    def text(self, place: int) -> str:
        """Return the text, and keep it for the push."""
        text = self._texts[place] = self._template.render(self._variables(place))
        return text

    def push(self, place: int, attempt: int) -> tuple[Push, int]:
        """Return what is pushed, and its SMS parts."""
        plan, recipients = self._plan, self._recipients
        variables = self._variables(place)
        text = self._texts.pop(place, None) or self._template.render(variables)
        measured = measure(text)
        custom = plan.custom
        if recipients.custom:
            custom = custom | {name: column[place] for name, column in recipients.custom.items()}
        push = Push(
            to=recipients.to[place],
            text=text,
            sender=plan.sender,
            content_id=plan.content_id,
            correlation_id=self._ids.make(self._campaign, recipients.first + place, attempt),
            unicode=measured.unicode,
            campaign=self._campaign,
            entity_id=plan.entity_id,
            variables=variables,
            custom=custom,
        )
        return push, measured.parts

    def forget(self, place: int) -> None:
        """Let go of a text that is not pushed after all."""
        self._texts.pop(place, None)

    def _variables(self, place: int) -> list[str]:
        return [column[place] for column in self._recipients.slots]
