"""``[alerts]``: who is told what is wrong, and when. The addresses of the targets are secrets of the environment."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, FiniteFloat

from times_dispatch.ledger.alerts import AlertKind
from times_dispatch.settings.document import Document
from times_dispatch.settings.durations import check_duration, parse_seconds
from times_dispatch.settings.environment import Environment
from times_dispatch.settings.errors import closest
from times_dispatch.settings.secrets import Secret
from times_dispatch.settings.strict_table import StrictTable

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_URL: Final = re.compile(r"[a-z][a-z0-9]*://\S+", re.IGNORECASE)
_KINDS: Final = tuple(kind.value for kind in AlertKind)


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("the name of a target is a letter, then letters, digits, - or _, at most 32")
    return name


def _check_kind(kind: str) -> str:
    if kind not in _KINDS:
        raise ValueError(f"there is no kind {kind!r} of alert{closest(kind, _KINDS)}; kinds are {', '.join(_KINDS)}")
    return kind


def _check_repeat(text: str) -> str:
    parse_seconds(text, min_s=0)
    return text


Duration = Annotated[str, AfterValidator(check_duration)]
Share = Annotated[FiniteFloat, Field(gt=0, le=1)]
Repeat = Annotated[str, AfterValidator(_check_repeat)]
TargetName = Annotated[str, AfterValidator(_check_name)]


class AlertTargetSettings(StrictTable):
    """``[alerts.targets.NAME]``: a target, whose address is ``DISPATCH_ALERTS_NAME_URL``."""

    kinds: list[Annotated[str, AfterValidator(_check_kind)]] = Field(default_factory=list)
    """The kinds of alerts that it gets; by default all."""
    senders: list[str] = Field(default_factory=list)
    """The senders about which it gets alerts; by default all. Alerts about the whole deployment are not affected."""
    repeat: Repeat | None = None
    """Overrides the ``repeat`` of ``[alerts]``."""


class AlertSettings(StrictTable):
    """``[alerts]``: the targets, and when something is worth an alert."""

    name: Annotated[str, Field(max_length=60)] = "times-dispatch"
    """The beginning of each title, so that people know which deployment it is."""
    repeat: Repeat = "4h"
    """After this time an alert that is still open is told again; ``0s`` is never."""
    budget_share: Share = 0.8
    """The share of a budget, or of a sender's daily cap, from which an alert is open."""
    memory_share: Share = 0.8
    """The share of Redis' ``maxmemory`` from which an alert is open."""
    in_doubt_above: Annotated[int, Field(ge=0)] = 100
    """An alert is open while more messages of a sender, pushed in the last eight days, are in doubt."""
    delivered_drop: Share = 0.1
    """By how much the share of delivered messages has to be below the usual share: 0.1 is 83 % instead of 93 %."""
    complaints_from: Annotated[int, Field(ge=1)] = 4
    """How many complaints about a sender within ten days open an alert; five start an action against the sender."""
    provider_away_after: Duration = "2m"
    """For how long a sender has to back off from a provider."""
    reports_behind_after: Duration = "5m"
    """For how long delivery reports have to wait, or a receiver or reconciler has to be away."""
    forwarding_behind_after: Duration = "15m"
    """For how long copies of reports have to wait for the system to which they are forwarded."""
    worker_away_after: Duration = "1m"
    """For how long no worker, or no beat, has to be away."""
    targets: dict[TargetName, AlertTargetSettings] = Field(default_factory=dict)

    def repeat_s(self, target: str) -> int:
        """Return after how many seconds a target is told again; 0 is never."""
        own = self.targets[target].repeat
        return parse_seconds(self.repeat if own is None else own, min_s=0)

    @property
    def worker_away_after_s(self) -> int:
        """The same in seconds."""
        return parse_seconds(self.worker_away_after)

    @property
    def provider_away_after_s(self) -> int:
        """The same in seconds."""
        return parse_seconds(self.provider_away_after)

    @property
    def forwarding_behind_after_s(self) -> int:
        """The same in seconds."""
        return parse_seconds(self.forwarding_behind_after)

    @property
    def reports_behind_after_s(self) -> int:
        """The same in seconds."""
        return parse_seconds(self.reports_behind_after)


def url_variable(target: str) -> str:
    """Return the environment variable that holds the address of a target."""
    return f"DISPATCH_ALERTS_{re.sub(r'[^A-Z0-9]', '_', target.upper())}_URL"


def read_alert_urls(environment: Environment, document: Document | None, *, are_needed: bool) -> dict[str, Secret]:
    """Read the addresses of all targets of a settings file.

    Args:
        environment: the variables; it collects the mistakes.
        document: the settings file; None if it cannot be read.
        are_needed: a variable that is not set is a mistake.

    Returns:
        The address of each target by its name.
    """
    urls, names = dict[str, Secret](), dict[str, str]()
    for target in _targets(document):
        variable = url_variable(target)
        if variable in names:
            environment.add_mistake(variable, f"belongs to both {names[variable]} and {target}; rename one of them")
            continue
        names[variable] = target
        url = environment.get(variable, purpose=f"the address of alerts {target}" if are_needed else "")
        if url and not _URL.fullmatch(url):
            environment.add_mistake(variable, "must be an address of apprise, as in mailtos://… or slack://…")
        urls[target] = url
    return urls


def unknown_alert_senders(document: Document, senders: Mapping[str, object]) -> list[str]:
    """Return a mistake for each sender of a target that the file does not have."""
    mistakes = []
    for target, table in _targets(document).items():
        named = table.get("senders", []) if isinstance(table, dict) else []
        for index, sender in enumerate(named if isinstance(named, list) else []):
            if isinstance(sender, str) and sender not in senders:
                path = ("alerts", "targets", target, "senders", index)
                mistakes.append(document.mistake(path, f"there is no sender {sender}{closest(sender, senders)}"))
    return mistakes


def _targets(document: Document | None) -> dict[str, Any]:
    table = document.data.get("alerts") if document else None
    targets = table.get("targets") if isinstance(table, dict) else None
    return targets if isinstance(targets, dict) else {}
