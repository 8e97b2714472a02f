"""The configuration of a sandbox, with defaults; shares are between 0 and 1."""

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from times_dispatch.bounded_file import read_bounded_text
from times_dispatch.sandbox.faults import Faults, Share

Milliseconds = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]

FAILURE_CODES = {
    "900": 2,
    "901": 20,
    "904": 3,
    "905": 10,
    "910": 15,
    "912": 10,
    "913": 10,
    "914": 15,
    "916": 10,
    "918": 2,
    "919": 3,
}
"""The codes of failed reports (docs/domain.md section 3), each with its weight."""


class ConfigInvalid(ValueError):
    """The configuration cannot be used; the message names the file and the key."""


class ReportsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The delivery reports to post; an empty ``url`` posts none."""

    url: str = ""
    delay_min_ms: Milliseconds = 200
    delay_max_ms: Milliseconds = 3_000
    failed: Share = 0.05
    failed_codes: dict[str, Positive] = msgspec.field(default_factory=FAILURE_CODES.copy)
    failed_first: Share = 0.0
    """The share of numbers whose first message of a campaign fails; for every further message ``failed`` applies."""
    failed_first_codes: dict[str, Positive] = msgspec.field(default_factory=lambda: {"912": 1})
    missing: Share = 0.0
    """The share of messages that never get a report."""
    early: Share = 0.02
    """The share of messages whose report is posted, and acknowledged, before their push is answered."""
    duplicated: Share = 0.02
    contradicted: Share = 0.0
    """The share of delivered messages that are also reported failed, in either order."""
    clicked: Share = 0.03
    """The share of delivered messages whose recipients click; ``replied`` is also a share of the delivered messages."""
    replied: Share = 0.01
    forged: Share = 0.0
    """The share of messages with a second report whose id has one changed character."""
    foreign: Share = 0.0
    """The share of messages that are followed by a report about another system's message."""
    odd: Share = 0.0
    """The share of rows in unusual formats (docs/domain.md section 3): ``ts`` as text or in ms, ``failed_dnd``, an
    object instead of an array."""
    batch_max: Positive = 100
    batch_wait_ms: Positive = 100
    concurrency: Positive = 4
    timeout_ms: Positive = 10_000
    retries: Milliseconds = 12
    """The maximum number of repetitions of a POST after a 5xx response or a lost connection."""
    backoff_ms: Positive = 200
    """The wait before the first repetition. The wait doubles up to ``backoff_max_ms``; each wait is shortened by up to
    half at random.
    """
    backoff_max_ms: Positive = 5_000

    def __post_init__(self) -> None:
        """Raise ValueError for values that contradict each other."""
        if self.delay_min_ms > self.delay_max_ms:
            raise ValueError("delay_min_ms must not be above delay_max_ms")
        if self.failed_first and not self.failed_first_codes:
            raise ValueError("failed_first_codes must name at least one code")
        if self.failed and not self.failed_codes:
            raise ValueError("failed_codes must name at least one code")

    def __repr__(self) -> str:
        """Return a representation without the URL, which contains the receiver's secret."""
        return f"ReportsConfig(url={'set' if self.url else 'none'})"


class ClicksConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The recipients who click tracked links; without a ``url`` no recipient clicks."""

    url: str = ""
    """The URL of the links process, without a path."""
    domain: str = ""
    """The beginning of links in texts, such as ``go.brand.in``."""
    share: Share = 0.2
    """The share of accepted messages with a link whose recipient clicks the link."""
    max_clicks: Positive = 1
    """The maximum number of clicks of a recipient; the clicks follow each other within a tenth of a second."""
    delay_min_ms: Milliseconds = 100
    delay_max_ms: Milliseconds = 2_000
    concurrency: Positive = 16
    retries: Milliseconds = 60
    """How often a recipient tries again, each time a second later, after a 5xx response or a lost connection."""


class GenericConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The second provider, which shares the account and the books; without a ``client_id`` it has no endpoints."""

    client_id: str = ""
    client_secret: str = ""
    token_lifetime_s: Annotated[int, msgspec.Meta(ge=1)] = 3_600

    def __repr__(self) -> str:
        """Return a representation without credentials."""
        return f"GenericConfig(client={'set' if self.client_id else 'none'})"


class SandboxConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration of one simulated Times Mobile account."""

    username: str
    password: str
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """The port; 0 takes a free port."""
    seed: int = 1
    senders: dict[str, tuple[str, ...]] = {}
    """The registered senders, each with its content ids (an empty list allows any). An empty table allows any
    sender.
    """
    latency_min_ms: Milliseconds = 0
    latency_max_ms: Milliseconds = 0
    string_answers: Share = 0.2
    """The share of responses whose transactionId and statusCode are strings."""
    bare_refusals: Share = 0.0
    """The share of refusals of credentials and senders whose body is a bare word instead of JSON."""
    invalid_numbers: Share = 0.0
    """The share of well-formed numbers that are refused as invalid."""
    balance: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """The number of parts that the account can still pay for; null means no limit."""
    journal: str = ""
    """The file that keeps the books during a restart; if empty, the books are only in memory."""
    reports: ReportsConfig = ReportsConfig()
    clicks: ClicksConfig = ClicksConfig()
    faults: Faults = Faults()
    generic: GenericConfig = GenericConfig()

    def __post_init__(self) -> None:
        """Raise ValueError for values that contradict each other."""
        if self.latency_min_ms > self.latency_max_ms:
            raise ValueError("latency_min_ms must not be above latency_max_ms")

    def __repr__(self) -> str:
        """Return a representation without credentials."""
        return f"SandboxConfig(host={self.host!r}, port={self.port}, seed={self.seed}, senders={list(self.senders)})"


def read(path: Path | None, **options: object) -> SandboxConfig:
    """Read a TOML file, which ``options`` override (``reports_x`` is x of reports; ``None`` leaves the file's value).

    Raises:
        ConfigInvalid: the file cannot be read, or a value is not allowed.
    """
    source = str(path) if path else "options"
    try:
        table = tomllib.loads(read_bounded_text(path)) if path else {}
        given = {name: value for name, value in options.items() if value is not None}
        if any(name.startswith("reports_") for name in given):
            table["reports"] = dict(table.get("reports", {}))
        for name, value in given.items():
            inner = table["reports"] if name.startswith("reports_") else table
            inner[name.removeprefix("reports_")] = value
        return msgspec.convert(table, SandboxConfig)
    except OSError as error:
        raise ConfigInvalid(f"{source}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigInvalid(f"{source}: not UTF-8") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigInvalid(f"{source}: {error}") from None
