"""The settings of a soak: three senders, short times until campaigns are archived, and small limits of stored data."""

from pathlib import Path
from typing import Any

from tests.chaos.settings import SANDBOX, TOTAL_TIMEOUT_S

LIMITED, SECOND, URGENT = "SOAKA", "SOAKB", "SOAKU"
RATES = {LIMITED: 300.0, SECOND: 200.0, URGENT: 0.0}
"""Rate limits of the senders, in messages per second; 0 means no limit. The load is below the limits."""
VALIDITY_S = 120
"""Validity of all campaigns, in seconds; at its end, doubt ends."""
LINKS_S = 5
"""How long tracked links work after the end of the validity, in seconds."""
LIVE_S = 600
"""How long a campaign stays in Redis after its end, in seconds; ``audit`` has nearly eight minutes of it."""
ARCHIVE_S = 1_200
"""How long after its end an archived campaign is erased, in seconds."""
LEASE_S = 15.0
LINKS_DOMAIN = "go.soak.in"
RETRIED_CODE = "912"

_CATEGORIES = {URGENT: "transactional"}
_REPORTS: dict[str, Any] = {
    **SANDBOX["reports"],
    "delay_max_ms": 8_000,
    # Foreign reports fill the dead letters up to their limit before the judged part of a long run begins.
    "forged": 0.05,
    "foreign": 0.05,
    "replied": 0.002,
    "clicked": 0.0,
    # No report says "delivered" after "failed": the second try of such a message would be a second acceptance.
    "contradicted": 0.0,
    "failed_codes": {RETRIED_CODE: 3, "901": 2, "914": 1},
}


def sandbox_options(seed: int) -> dict[str, Any]:
    """Return the configuration of the sandbox."""
    clicks = {"share": 0.3, "max_clicks": 3, "delay_max_ms": 8_000}
    return {**SANDBOX, "seed": seed, "reports": _REPORTS, "clicks": clicks}


def dispatch_toml(archive: Path) -> str:
    """Return the text of ``dispatch.toml`` for all processes."""
    senders = "".join(
        f'[senders.{name}]\ncategory = "{_CATEGORIES.get(name, "service")}"\nentity_id = "1201159134572839402"\n'
        f'rate_per_s = {rate:g}\nrepeat_after = "60s"\nlinks = ["{LINKS_DOMAIN}/{name}/"]\n'
        for name, rate in RATES.items()
    )
    return f"""
[providers.timesmobile]
preset = "timesmobile-post"
connect_timeout_s = 2.0
total_timeout_s = {TOTAL_TIMEOUT_S}
default = true
{senders}
[templates.order]
senders = {list(RATES)}
content_id = "1207161786534401928"
text = "Dear {{#var#}}, your order {{#var#}} for {{#var#}} has been shipped and reaches you within 3 days. - TIMES"
[templates.tracked]
senders = {list(RATES)}
content_id = "1207161786534401959"
text = "Dear {{#var#}}, your order has been shipped. Follow it at {{#url#}} - TIMES"
[links]
url = "{LINKS_DOMAIN}"
expire_after = "{LINKS_S}s"
[callbacks]
max_dead_letters_mb = 1
[console]
public_url = "http://console.soak"
[retention]
path = "{archive}"
live = "{LIVE_S}s"
archive = "{ARCHIVE_S}s"
[logs]
format = "json"
[worker]
lease_s = {LEASE_S}
"""


def campaign_toml(*, name: str, sender: str, has_links: bool, is_retried: bool) -> str:
    """Return the text of a campaign file."""
    text = 'template = "order"\nvariables = ["{name}", "{order}", "Rs {amount}"]\n'
    if has_links:
        text = (
            'template = "tracked"\nvariables = ["{name}", "{track}"]\n'
            'links = { track = "https://shop.example/orders/{order}?amount={amount}" }\n'
        )
    retry = f'[retry_failed]\ncodes = ["{RETRIED_CODE}"]\nafter = ["5s"]\nat_most = 1\n' if is_retried else ""
    return f'name = "{name}"\nsender = "{sender}"\n{text}validity = "{VALIDITY_S}s"\n{retry}'
