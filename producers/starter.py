"""The folder that ``dispatch init`` makes: settings, secrets, a campaign, recipients, and the list of processes."""

import os
import secrets
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

_EMBEDDED_REDIS: Final = "redis://127.0.0.1:6390/0"

_ENV: Final = """\
# Addresses and secrets. Every dispatch command and process reads this file, if it is beside dispatch.toml.
# A variable of the environment overrides the line. A value with a blank, a quote or # stands in quotes.
# Keep the file to yourself.

# The ledger. "honcho start" starts this Redis, and keeps its data in the folder "redis".
DISPATCH_REDIS_URL={redis_url}

# Signs the ids of all messages; every host needs the same key.
DISPATCH_ID_KEY={id_key}

# Signs tracked links (docs/links.md).
DISPATCH_LINK_KEY={link_key}

# The first key opens the archive, if dispatch.toml has [retention] path. The second key makes the digests of forgotten
# numbers, and can never be changed (docs/retention.md). Keep a copy of both keys.
DISPATCH_ARCHIVE_KEY={archive_key}
DISPATCH_FORGET_KEY={forget_key}

# Another system gets a copy of each report and click about our messages (docs/forwarding.md).
# DISPATCH_CALLBACKS_FORWARD_URL=https://example.com/sms?account=ID

# The last part of the URL to which the provider posts delivery reports: dispatch callback-url timesmobile
DISPATCH_CALLBACK_SECRET={callback_secret}

# The login of Flower's page, http://127.0.0.1:5555
DISPATCH_FLOWER_BASIC_AUTH=people:{flower_password}

# Signs the logins of the console, http://127.0.0.1:8089. Make a user: dispatch console user add NAME --role owner
DISPATCH_CONSOLE_SECRET={console_secret}

# The account at the provider. This name and password are for the sandbox: replace them with your account's.
DISPATCH_PROVIDER_TIMESMOBILE_USERNAME=sandbox
DISPATCH_PROVIDER_TIMESMOBILE_PASSWORD={account_password}

# The login that the sandbox accepts, and the URL to which it posts reports. Only the sandbox reads these lines.
SANDBOX_USERNAME=sandbox
SANDBOX_PASSWORD={account_password}
SANDBOX_REPORTS_URL=http://127.0.0.1:8085/callbacks/{callback_secret}
"""

_CAMPAIGN: Final = """\
# A campaign: its sender, text and recipients, and how a row of the recipients file fills the template's slots.
name = "first-campaign"
sender = "TIMESM"                                        # a sender of dispatch.toml
template = "order-shipped"                               # a template of dispatch.toml
variables = ["{name|there}", "{order}"]                  # columns; "there" stands for an empty cell
recipients = "customers.csv"
validity = "24h"                                         # messages that are not sent within this time expire
"""

_CUSTOMERS: Final = """\
to,name,order
+91 98765-43210,Asha,OD1001
09876543211,Ravi,OD1002
9876543212,,OD1003
"""

_REDIS_LINE: Final = (
    "redis: exec python -m times_dispatch.demo.redis_server --port 6390 --appendonly --directory redis\n"
)
_PROCFILE: Final = """\
sandbox: exec dispatch sandbox --port 8086
worker: exec celery --quiet -A workers.app worker --hostname=${HONCHO_PROCESS_NAME:-worker}@%h \
--queues=upkeep,urgent,bulk --without-gossip --without-mingle --loglevel=INFO
beat: exec celery --quiet -A workers.beat beat --loglevel=INFO
receiver: exec python -m callbacks.receiver
reconciler: exec python -m callbacks.reconciler
links: exec python -m callbacks.links
metrics: exec python -m times_dispatch.metrics
alerts: exec python -m times_dispatch.alerts
console: exec python -m console
flower: exec python -m times_dispatch.broker.flower --port=${FLOWER_PORT:-5555}
"""

_PRIVATE: Final = 0o600
_READABLE: Final = 0o644


class StarterFiles(NamedTuple):
    """The files that ``make_starter`` made, and the files that the folder already had."""

    made: dict[str, str]
    """The meaning of each file that was made, by its name."""
    kept: list[str]
    """The files that the folder already had; their content was not changed."""


def make_starter(folder: Path, *, redis_url: str = "") -> StarterFiles:
    """Make the files of a first folder; a file that exists is never changed.

    Args:
        folder: the folder, which is made if it does not exist.
        redis_url: the address of a Redis of your own; if it is empty, ``honcho start`` starts a Redis.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not redis_url:
        (folder / "redis").mkdir(exist_ok=True)
    made, kept = dict[str, str](), list[str]()
    for name, (content, meaning) in _files(redis_url).items():
        mode = _PRIVATE if name == ".env" else _READABLE
        try:
            # O_EXCL refuses a file or link that exists.
            handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            kept.append(name)
            continue
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        made[name] = meaning
    return StarterFiles(made, kept)


def _files(redis_url: str) -> Mapping[str, tuple[str, str]]:
    """Return the content and the meaning of each file, by its name."""
    env = _ENV.format(
        redis_url=redis_url or _EMBEDDED_REDIS,
        id_key=secrets.token_urlsafe(24),
        console_secret=secrets.token_urlsafe(32),
        link_key=secrets.token_urlsafe(24),
        archive_key=secrets.token_urlsafe(32),
        forget_key=secrets.token_urlsafe(32),
        callback_secret=secrets.token_urlsafe(24),
        flower_password=secrets.token_urlsafe(12),
        account_password=secrets.token_urlsafe(12),
    )
    settings = (resources.files("times_dispatch.demo") / "dispatch.toml").read_text("utf-8")
    settings = settings.replace("grace_s = 5 ", "grace_s = 3 ")  # honcho kills a process 5 s after SIGTERM
    return {
        "dispatch.toml": (settings, "providers, senders and templates"),
        ".env": (env, "addresses and secrets; only you can read it"),
        "campaign.toml": (_CAMPAIGN, "a first campaign"),
        "customers.csv": (_CUSTOMERS, "its recipients"),
        "Procfile": (("" if redis_url else _REDIS_LINE) + _PROCFILE, "the processes that honcho starts"),
    }
