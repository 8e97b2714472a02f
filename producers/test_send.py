"""Sends a test message: one text to one number, outside any campaign and without workers."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from producers.errors import CommandFailed, InputInvalid
from producers.recipients.cell_text import tidy
from producers.rows.damage import DamageCheck, damage_of_template
from producers.rows.numbers import FOREIGN, find_foreign, without_prefix
from producers.rows.whitelists import Whitelists
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.reports.test_sends import SendTestReport, SendTestReports
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.tokens import RedisTokenStore
from times_dispatch.provider.client import Client
from times_dispatch.provider.correlation_ids import LAST_INDEX, SEND_TEST_CAMPAIGN, CorrelationIds
from times_dispatch.provider.description.placeholders import VARIABLES, names_in
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.description.validation import needed_of_campaigns
from times_dispatch.provider.diagnostics.transcript import RecordedResponse, RecordingTransport
from times_dispatch.provider.http.transport import ProviderTransport
from times_dispatch.provider.outcomes import Outcome
from times_dispatch.provider.push import Push
from times_dispatch.settings.errors import closest
from times_dispatch.settings.model import Settings
from times_dispatch.settings.tables.templates import TemplateSettings
from times_dispatch.sms.encoding import measure
from times_dispatch.sms.numbers import DIGIT_TABLE, NumberInvalid, normalise
from times_dispatch.sms.placeholders import unfilled
from times_dispatch.sms.rules.links import LinkWhitelist
from times_dispatch.sms.rules.number_whitelist import NumberWhitelist
from times_dispatch.sms.templates import Template

_COMPARE_TIMEOUT_S = 1.0
"""How long a test message that needs no ledger waits for the ledger, to compare the id keys."""
_POLL_INTERVAL_S = 0.2
"""The time between two questions to the ledger for the delivery report."""

RandomBelow = Callable[[int], int]
"""Returns a random number from 0 up to, and without, its argument."""


class SendTestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The user's options; ``prepare`` fills empty fields from the settings."""

    number: str
    message: str
    country_code: str = ""
    """The country code of a number that is written without one."""
    sender: str = ""
    template: str = ""
    provider: str = ""
    custom: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"SendTestRequest(sender={self.sender!r}, template={self.template!r}, provider={self.provider!r})"


class SendTestMessage(msgspec.Struct, frozen=True):
    """A test message, ready to be pushed."""

    provider: Provider
    push: Push
    template: str
    """Name of the template whose content id the message carries; empty if there is none."""
    index: int
    """Index in the campaign of test messages, by which the delivery report is found."""
    matches_template: bool
    """Whether the message is the template's text. Only then are the values of the slots known and sent."""
    refusals: tuple[str, ...] = ()
    """The reasons why a campaign would refuse this message; the reasons contain no value."""

    @property
    def lacks_values(self) -> bool:
        """Return whether the provider's request has a place for the values of the slots, and the values are unknown."""
        templates = (*self.provider.templates(), *self.provider.headers)
        return not self.matches_template and any(VARIABLES in names_in(text) for _, text in templates)


class SendTestResult(msgspec.Struct, frozen=True):
    """The outcome of the push, and the provider's answer."""

    outcome: Outcome
    answered: RecordedResponse | None
    """None if the provider did not answer."""
    took_s: float


def prepare(
    request: SendTestRequest, settings: Settings, *, random_below: RandomBelow = secrets.randbelow
) -> SendTestMessage:
    """Fill the empty fields of a request; raise InputInvalid if the settings lack something that is needed."""
    to = _number(request)
    sender = request.sender or _first_sender(request.provider, settings)
    if sender not in settings.senders:
        raise InputInvalid(f"there is no sender {sender}{closest(sender, settings.senders)}")
    if find_foreign([to]) and not settings.senders[sender].foreign_numbers:
        raise InputInvalid(f"the number {FOREIGN}; foreign_numbers = true of sender {sender} allows it")
    nickname = request.provider or settings.senders[sender].provider
    if nickname not in settings.providers:
        raise InputInvalid(f"there is no provider {nickname}{closest(nickname, settings.providers)}")
    provider, template = settings.providers[nickname], _template(request, sender, settings)
    if missing := [f"$${name}" for name in needed_of_campaigns(provider) if name not in request.custom]:
        raise InputInvalid(f"provider {nickname} needs {', '.join(missing)}: give --custom NAME=VALUE for each")
    index = random_below(LAST_INDEX + 1)
    values = _values(request.message, settings.templates[template]) if template else None
    refusals = () if values is None else _refusals(values, settings, template, sender, to)
    push = Push(
        to=to,
        text=request.message,
        sender=sender,
        content_id=settings.templates[template].content_id if template else "",
        correlation_id=CorrelationIds(settings.id_key).make(SEND_TEST_CAMPAIGN, index),
        unicode=measure(request.message).unicode,
        campaign=SEND_TEST_CAMPAIGN,
        entity_id=settings.senders[sender].entity_id,
        variables=values or (),
        custom=request.custom,
    )
    return SendTestMessage(
        provider, push, template, index, matches_template=values is not None, refusals=tuple(refusals)
    )


async def compare_id_key(settings: Settings, redis: Redis | None) -> None:
    """Raise IdKeyRefused if the ledger refuses the id key: the delivery report would then count as foreign.

    Args:
        settings: the settings with the keys, and with the ledger's address if there is a ledger.
        redis: the ledger; None if the message is sent without the ledger. With None, the keys are compared only if the
            ledger can be reached at once.
    """
    if redis:
        guard = IdKeyGuard(redis, settings.id_key, settings.old_id_key)
        await guard.check_known()
        await guard.check_making()
    elif settings.redis_url:
        with suppress(RedisError, OSError):
            async with connect(settings.redis_url, socket_timeout_s=_COMPARE_TIMEOUT_S, retries=0) as reachable:
                await compare_id_key(settings, reachable)


async def refuse_if_forgotten(redis: Redis, settings: Settings, number: str) -> None:
    """Raise InputInvalid if a number is forgotten, or ``ForgetKeyRefused`` if the forget key is wrong or missing."""
    if (await ForgottenNumbers(redis, settings.forget_key).contain([number]))[0]:
        raise InputInvalid("the number is forgotten: it gets no message (docs/retention.md)")


async def refuse_if_held(redis: Redis, sender: SenderId, provider: str) -> None:
    """Raise CommandFailed if the sender is paused, or is braked or backing off at this provider."""
    if reason := _stop_reason(await Queries(redis).sender(sender), provider):
        raise CommandFailed(
            f"sender {sender} {reason}: run dispatch sender resume {sender}, or send nevertheless with --force"
        )


async def send(message: SendTestMessage, *, redis: Redis | None, clock: Clock = SYSTEM_CLOCK) -> SendTestResult:
    """Push a test message once. With a ledger, the push uses the OAuth token that the workers share."""
    if redis:
        await SendTestReports(redis).remember_number(message.index, message.push.to)
    transport = RecordingTransport(ProviderTransport(message.provider), message.provider.endpoint)
    tokens, timeout_s = RedisTokenStore(redis) if redis else None, message.provider.total_timeout_s
    async with Client(message.provider, transport, tokens=tokens, token_timeout_s=timeout_s) as client:
        started_s = clock.monotonic()
        outcome = await client.push(message.push)
        return SendTestResult(outcome, transport.last_response, clock.monotonic() - started_s)


async def wait_for_report(
    redis: Redis, message: SendTestMessage, *, timeout_s: float, clock: Clock = SYSTEM_CLOCK
) -> SendTestReport | None:
    """Return the delivery report that says delivered or failed; None if no such report came before the time-out."""
    deadline_s = clock.monotonic() + timeout_s
    while True:
        reports = await SendTestReports(redis).of(message.index)
        if final := [report for report in reports if report.kind in {"delivered", "failed"}]:
            return final[-1]
        if clock.monotonic() >= deadline_s:
            return None
        await clock.sleep(_POLL_INTERVAL_S)


def _number(request: SendTestRequest) -> str:
    """Return the request's number in E.164, by the rules for recipients files; raise InputInvalid if it is invalid."""
    number, code = without_prefix(tidy(request.number)), request.country_code.strip().lstrip("+0")
    has_code = number.lstrip("( ").startswith(("+", "\uff0b", "00"))
    code_digits = "".join(filter(str.isdecimal, code.translate(DIGIT_TABLE)))
    try:
        to = normalise(number if has_code or not code else f"+{code}{number}")
    except NumberInvalid as invalid:
        to = _number_or_empty(number)
        if not (code_digits and to.startswith(code_digits)):
            raise InputInvalid(f"the number {invalid}") from None
    if has_code and not to.startswith(code_digits):
        raise InputInvalid(f"the number has another country code than {code}")
    return to


def _number_or_empty(number: str) -> str:
    """Return a number in E.164, by the rules for recipients files (919876543210 needs no plus); empty if invalid."""
    try:
        return normalise(number)
    except NumberInvalid:
        return ""


def _first_sender(provider: str, settings: Settings) -> str:
    """Return the first sender that uses a provider; an empty nickname is the default provider."""
    nickname = provider or settings.default_provider
    for header, sender in settings.senders.items():
        if nickname in {"", *sender.chain}:
            return header
    raise InputInvalid(f"no sender uses provider {nickname}: give --sender")


def _template(request: SendTestRequest, sender: str, settings: Settings) -> str:
    """Return the template that the request names, or else the first one that is registered for the sender."""
    if not request.template:
        return next((name for name, item in settings.templates.items() if sender in item.headers), "")
    if request.template not in settings.templates:
        raise InputInvalid(f"there is no template {request.template}{closest(request.template, settings.templates)}")
    if sender not in (headers := settings.templates[request.template].headers):
        raise InputInvalid(f"template {request.template} is not registered for {sender}, only for {', '.join(headers)}")
    return request.template


def _values(message: str, template: TemplateSettings) -> list[str] | None:
    """Return the values of the slots that make the message; None if the message is not the template's text."""
    return Template(template.text, template.operator).extract_values(message, template.max_value_length)


def _refusals(values: Sequence[str], settings: Settings, template: str, header: str, to: str) -> Iterator[str]:
    """Yield the reasons why ``dispatch check`` would refuse such a message; the reasons contain no value.

    Args:
        values: the values of the slots.
        settings: the settings, with the whitelists and the words that stand for no value.
        template: the name of the template.
        header: the name of the sender.
        to: the recipient's number, which a message may contain.
    """
    item, sender = settings.templates[template], settings.senders[header]
    damage_check = DamageCheck(settings.recipients.no_value)
    parsed = Template(item.text, item.operator)
    whitelists = Whitelists(
        parsed,
        links=LinkWhitelist([*item.links, *sender.links]),
        numbers=NumberWhitelist([*item.callback_numbers, *sender.callback_numbers]),
    )
    yield from (f"the text {problem}" for problem in whitelists.problems_in_text())
    placeholders = unfilled("\0".join(parsed.literals))
    yield from (f"the text contains {each}, which looks like a placeholder that nothing fills" for each in placeholders)
    if text_damage := damage_of_template(item.text):
        yield f"the text {text_damage}"
    names = [f"variable {number}" for number in range(1, len(values) + 1)]
    joined = "" in parsed.literals[1:-1]  # the text alone does not show which of two neighbouring slots is empty
    for name, value in zip(names, values, strict=True):
        if (value or not joined) and (damage := damage_check.of(value.strip())):
            yield f"{name} {damage.reason}"
    for _, finding in whitelists.findings([[value] for value in values], [to], names):
        yield finding.message


def _stop_reason(view: SenderView, provider: str) -> str:
    if view.paused:
        return "is paused"
    return next(
        (f"is stopped: provider {provider} is {state.why}" for state in view.unavailable if state.provider == provider),
        "",
    )
