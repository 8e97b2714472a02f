"""``[alerts]``: who is notified of which alerts, and when. The addresses of targets are secrets of the environment."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, FiniteFloat

from times_dispatch.ledger.monitoring.alerts import AlertKind
from times_dispatch.settings.environment import Environment
from times_dispatch.settings.errors import closest
from times_dispatch.settings.toml.document import Document
from times_dispatch.settings.toml.strict_table import StrictTable
from times_dispatch.settings.values.durations import check_duration, parse_seconds
from times_dispatch.settings.values.secrets import Secret

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
    """``[alerts.targets.NAME]``: a target, whose address is in ``DISPATCH_ALERTS_NAME_URL``."""

    kinds: list[Annotated[str, AfterValidator(_check_kind)]] = Field(default_factory=list)
    """The kinds of alerts that the target gets; by default all."""
    senders: list[str] = Field(default_factory=list)
    """The senders about which the target gets alerts; by default all. The target always gets alerts about the whole
    deployment.
    """
    repeat: Repeat | None = None
    """Overrides the ``repeat`` of ``[alerts]``."""


class AlertSettings(StrictTable):
    """``[alerts]``: the targets, and the conditions of alerts."""

    name: Annotated[str, Field(max_length=60)] = "times-dispatch"
    """The beginning of the title of each message: the name of the deployment."""
    repeat: Repeat = "4h"
    """The time after which targets are notified again of an open alert; ``0s`` is never."""
    budget_share: Share = 0.8
    """An alert opens when this share of a budget, or of a sender's daily cap, is spent."""
    memory_share: Share = 0.8
    """An alert opens when this share of Redis' ``maxmemory`` is used."""
    in_doubt_above: Annotated[int, Field(ge=0)] = 100
    """An alert is open while more than this number of a sender's messages of the last eight days are in doubt."""
    delivered_drop: Share = 0.1
    """An alert opens when the share of delivered messages is below the usual share by this difference: with 0.1, at 83
    % instead of 93 %.
    """
    complaints_from: Annotated[int, Field(ge=1)] = 4
    """The number of complaints about a sender within ten days that opens an alert; five complaints start an action
    against the sender.
    """
    provider_away_after: Duration = "2m"
    """An alert opens when a sender has backed off from a provider for this time."""
    reports_behind_after: Duration = "5m"
    """An alert opens when delivery reports have waited, or a receiver or reconciler has been missing, for this time."""
    forwarding_behind_after: Duration = "15m"
    """An alert opens when copies of reports have waited for the system to which they are forwarded for this time."""
    worker_away_after: Duration = "1m"
    """An alert opens when no worker or no beat has run, or when Redis has been unavailable, for this time."""
    targets: dict[TargetName, AlertTargetSettings] = Field(default_factory=dict)

    def repeat_s(self, target: str) -> int:
        """Return the seconds after which a target is notified again of an open alert; 0 is never."""
        own = self.targets[target].repeat
        return parse_seconds(self.repeat if own is None else own, min_s=0)

    @property
    def worker_away_after_s(self) -> int:
        """The setting ``worker_away_after`` in seconds."""
        return parse_seconds(self.worker_away_after)

    @property
    def provider_away_after_s(self) -> int:
        """The setting ``provider_away_after`` in seconds."""
        return parse_seconds(self.provider_away_after)

    @property
    def forwarding_behind_after_s(self) -> int:
        """The setting ``forwarding_behind_after`` in seconds."""
        return parse_seconds(self.forwarding_behind_after)

    @property
    def reports_behind_after_s(self) -> int:
        """The setting ``reports_behind_after`` in seconds."""
        return parse_seconds(self.reports_behind_after)


def url_variable(target: str) -> str:
    """Return the environment variable that holds the address of a target."""
    return f"DISPATCH_ALERTS_{re.sub(r'[^A-Z0-9]', '_', target.upper())}_URL"


def read_alert_urls(environment: Environment, document: Document | None, *, are_needed: bool) -> dict[str, Secret]:
    """Read the addresses of all targets of a settings file.

    Args:
        environment: the variables; it collects the mistakes.
        document: the settings file; None if it cannot be read.
        are_needed: whether a missing variable is a mistake.

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
    """Return a mistake for each sender that a target names and the file does not define."""
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
