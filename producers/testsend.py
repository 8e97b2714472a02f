"""A trial message: one text to one number, in no campaign, straight through a provider; before any campaign exists."""

import asyncio
import secrets
import time
from collections.abc import Mapping

import msgspec
from redis.asyncio import Redis

from producers.errors import CommandFailed, InputInvalid
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.queries import Queries, SenderView
from times_dispatch.ledger.testsends import SendTestReport, SendTestReports
from times_dispatch.ledger.tokens import Tokens
from times_dispatch.provider.client import Client
from times_dispatch.provider.description.placeholders import VARIABLES, names_in
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.description.validation import needed_of_campaigns
from times_dispatch.provider.diagnostics.transcript import Answered, RecordingTransport
from times_dispatch.provider.http.transport import ProviderTransport
from times_dispatch.provider.ids import LAST_INDEX, TRIAL_CAMPAIGN, CorrelationIds
from times_dispatch.provider.outcomes import Outcome
from times_dispatch.provider.push import Push
from times_dispatch.settings.errors import closest
from times_dispatch.settings.model import Settings
from times_dispatch.settings.templates import TemplateSettings
from times_dispatch.sms.encoding import measure
from times_dispatch.sms.numbers import NumberInvalid, normalise
from times_dispatch.sms.templates import Template

_ASK_EVERY_S = 0.2


class SendTestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; what is empty is chosen."""

    number: str
    """With its country code."""
    message: str
    sender: str = ""
    template: str = ""
    provider: str = ""
    custom: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"Wish(sender={self.sender!r}, template={self.template!r}, provider={self.provider!r})"


class SendTestMessage(msgspec.Struct, frozen=True):
    """A trial message, ready to be pushed."""

    provider: Provider
    push: Push
    template: str
    """Empty if there is none."""
    index: int
    """By which its report is known again."""
    fits: bool
    """Whether the message is this template's text; its values go along then."""

    @property
    def lacks_values(self) -> bool:
        """Say whether the provider is to get the values of the slots, and nobody knows them."""
        templates = (*self.provider.templates(), *self.provider.headers)
        return not self.fits and any(VARIABLES in names_in(text) for _, text in templates)


class Sent(msgspec.Struct, frozen=True):
    """What came of the push."""

    outcome: Outcome
    answered: Answered | None
    took_s: float


def prepare(wish: SendTestRequest, settings: Settings) -> SendTestMessage:
    """Choose what was not said; raise InputInvalid if the settings have not what it takes."""
    try:
        to = normalise(wish.number)
    except NumberInvalid as invalid:
        raise InputInvalid(f"the number {invalid}") from None
    sender = wish.sender or _first_sender(wish.provider, settings)
    if sender not in settings.senders:
        raise InputInvalid(f"there is no sender {sender}{closest(sender, settings.senders)}")
    nickname = wish.provider or settings.senders[sender].provider
    if nickname not in settings.providers:
        raise InputInvalid(f"there is no provider {nickname}{closest(nickname, settings.providers)}")
    provider, template = settings.providers[nickname], _template(wish, sender, settings)
    if missing := [f"$${name}" for name in needed_of_campaigns(provider) if name not in wish.custom]:
        raise InputInvalid(f"provider {nickname} needs {', '.join(missing)}: give --custom NAME=VALUE for each")
    index = secrets.randbelow(LAST_INDEX + 1)
    values = _values(wish.message, settings.templates[template]) if template else None
    push = Push(
        to=to,
        text=wish.message,
        sender=sender,
        content_id=settings.templates[template].content_id if template else "",
        correlation_id=CorrelationIds(settings.id_key).make(TRIAL_CAMPAIGN, index),
        unicode=measure(wish.message).unicode,
        campaign=TRIAL_CAMPAIGN,
        entity_id=settings.senders[sender].entity_id,
        variables=values or (),
        custom=wish.custom,
    )
    return SendTestMessage(provider, push, template, index, fits=values is not None)


async def refuse_if_held(redis: Redis, sender: SenderId, provider: str) -> None:
    """Raise CommandFailed if the ledger holds the sender back, at all or at the provider."""
    if why := _held(await Queries(redis).sender(sender), provider):
        raise CommandFailed(
            f"sender {sender} {why}: dispatch sender resume {sender}, or send all the same with --force"
        )


async def send(trial: SendTestMessage, *, redis: Redis | None) -> Sent:
    """Push it, once. With the ledger at hand an OAuth token is the one that workers share."""
    listener = RecordingTransport(ProviderTransport(trial.provider), trial.provider.endpoint)
    tokens, patience_s = Tokens(redis) if redis else None, trial.provider.total_timeout_s
    async with Client(trial.provider, listener, tokens=tokens, token_patience_s=patience_s) as client:
        began = time.monotonic()
        outcome = await client.push(trial.push)
        return Sent(outcome, listener.heard, time.monotonic() - began)


async def wait_for_report(redis: Redis, trial: SendTestMessage, *, within_s: float) -> SendTestReport | None:
    """Return the report that says what became of it; None if none came in time."""
    until = time.monotonic() + within_s
    while True:
        reports = await SendTestReports(redis).of(trial.index)
        if final := [report for report in reports if report.kind in {"delivered", "failed"}]:
            return final[-1]
        if time.monotonic() >= until:
            return None
        await asyncio.sleep(_ASK_EVERY_S)


def _first_sender(provider: str, settings: Settings) -> str:
    nickname = provider or settings.default_provider
    for header, sender in settings.senders.items():
        if nickname in {"", *sender.chain}:
            return header
    raise InputInvalid(f"no sender goes through provider {nickname}: give --sender")


def _template(wish: SendTestRequest, sender: str, settings: Settings) -> str:
    """Return the template that is named, or the first that is registered for the sender."""
    if not wish.template:
        return next((name for name, table in settings.templates.items() if sender in table.headers), "")
    if wish.template not in settings.templates:
        raise InputInvalid(f"there is no template {wish.template}{closest(wish.template, settings.templates)}")
    if sender not in (headers := settings.templates[wish.template].headers):
        raise InputInvalid(f"template {wish.template} is not registered for {sender}, only for {', '.join(headers)}")
    return wish.template


def _values(message: str, registered: TemplateSettings) -> list[str] | None:
    """Return the values of the slots that make the message; None if it is not the template's text."""
    return Template(registered.text).extract_values(message, registered.max_value_length)


def _held(view: SenderView, provider: str) -> str:
    if view.paused:
        return "is paused"
    return next((f"is held: provider {provider} is {held.why}" for held in view.held if held.provider == provider), "")
