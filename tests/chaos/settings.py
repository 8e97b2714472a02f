"""The settings of a chaos run: the sandbox as the provider, three senders and short time-outs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

LIMITED, SLOW, UNLIMITED = "CHAOSA", "CHAOSB", "CHAOSC"

RATES = MappingProxyType({LIMITED: 400.0, SLOW: 200.0, UNLIMITED: 0.0})
"""Rate limits of the senders, in messages per second; 0 means no limit."""

TOTAL_TIMEOUT_S = 3.0
"""Seconds; shorter than in production, so that a stalled request does not take long."""

MAX_IN_FLIGHT = 200
"""Pushes in flight of each worker. The sandbox notes the time of a request when it reads the request. With more pushes
of the sender without a limit, the sandbox would read requests a tenth of a second late, and requests of the other
senders would seem to arrive in a burst."""

SANDBOX: dict[str, Any] = {
    "latency_min_ms": 5,
    "latency_max_ms": 60,
    "journal": "books.jsonl",
    "faults": {"stall_s": TOTAL_TIMEOUT_S + 2},
    "reports": {
        "delay_min_ms": 100,
        "delay_max_ms": 30_000,
        "early": 0.05,
        "duplicated": 0.1,
        "contradicted": 0.05,
        "forged": 0.02,
        "foreign": 0.02,
        "odd": 0.1,
        "timeout_ms": 3_000,
        "retries": 40,
        "backoff_max_ms": 2_000,
    },
}
"""Every message gets its report, early or late. Some reports are duplicated, contradictory, forged or foreign.

Many reports arrive after a lease has expired. Otherwise a report would decide every message of a lost worker before
upkeep takes the batch.
"""


CLICKS: dict[str, Any] = {"share": 0.3, "max_clicks": 3, "delay_max_ms": 8_000}
"""The number of recipients who click tracked links, in runs with links."""

LINKS_DOMAIN = "go.chaos.in"


def sandbox_options(seed: int, *, with_links: bool) -> dict[str, Any]:
    """Return the configuration of the sandbox; with links, only the recipients of the run click."""
    options = {**SANDBOX, "seed": seed}
    return {**options, "clicks": CLICKS, "reports": {**SANDBOX["reports"], "clicked": 0.0}} if with_links else options


def dispatch_toml(
    lease_s: float,
    rates: Mapping[str, float] = RATES,
    *,
    lanes: Mapping[str, int] = MappingProxyType({}),
    with_links: bool = False,
) -> str:
    """Return the text of ``dispatch.toml`` for all processes.

    Args:
        lease_s: the lease of workers, in seconds.
        rates: the senders with their rates, in messages per second; 0 means no limit.
        lanes: the number of lanes of each sender that has lanes.
        with_links: whether the senders may use tracked links.
    """
    senders = "".join(
        f'[senders.{name}]\ncategory = "service"\nentity_id = "1201159134572839402"\nrate_per_s = {rate:g}\n'
        + (f"lanes = {lanes[name]}\n" if name in lanes else "")
        + (f'links = ["{LINKS_DOMAIN}/{name}/"]\n' if with_links else "")
        for name, rate in rates.items()
    )
    links = f'[links]\nurl = "{LINKS_DOMAIN}"\n' if with_links else ""
    return f"""
[providers.timesmobile]
preset = "timesmobile-post"
connect_timeout_s = 2.0
total_timeout_s = {TOTAL_TIMEOUT_S}
default = true

{senders}
[templates.order]
senders = {list(rates)}
content_id = "1207161786534401928"
text = "Dear {{#var#}}, your order {{#var#}} for {{#var#}} has been shipped and reaches you within 3 days. - TIMES"

[templates.tracked]
senders = {list(rates)}
content_id = "1207161786534401959"
text = "Dear {{#var#}}, your order has been shipped. Follow it at {{#url#}} - TIMES"

{links}
[logs]
format = "json"

[worker]
lease_s = {lease_s}
max_in_flight = {MAX_IN_FLIGHT}
"""


def campaign_toml(
    *, name: str, sender: str, validity: str, in_doubt: str, rate_per_s: float, with_links: bool = False
) -> str:
    """Return the text of a campaign file.

    Args:
        name: the campaign's name.
        sender: the campaign's sender.
        validity: the campaign's validity, such as ``120s``.
        in_doubt: the policy for messages in doubt.
        rate_per_s: the campaign's own rate limit; 0 means no limit.
        with_links: whether each recipient gets a tracked link.
    """
    text = 'template = "order"\nvariables = ["{name}", "{order}", "Rs {amount}"]'
    if with_links:
        text = 'template = "tracked"\nvariables = ["{name}", "{track}"]\n'
        text += 'links = { track = "https://shop.example/orders/{order}?amount={amount}" }'
    rate = f"rate_per_s = {rate_per_s:g}" if rate_per_s else ""
    return f"""
name = "{name}"
sender = "{sender}"
{text}
validity = "{validity}"
in_doubt = "{in_doubt}"
{rate}
"""
