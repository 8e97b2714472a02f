"""Sends messages to one target through apprise, with time-outs and a few retries; no error names an address."""

import asyncio
import logging
import os
import re
from typing import Final

from times_dispatch.alerts.messages import AlertMessage
from times_dispatch.alerts.sender_child import Sending, apprise_of
from times_dispatch.alerts.sender_process import send_in_child
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.retry import Backoff, retry
from times_dispatch.settings.tables.alerts import url_variable

SEND_WITHIN_S: Final = 20.0
"""How long one attempt may take, in seconds."""
CONNECT_WITHIN_S: Final = 5.0
_OWN_HOST: Final = frozenset({"JSON", "XML", "Form", "Apprise API", "Mattermost", "Gotify", "ntfy"})
"""The services that people run on their own host, which the address names."""
_ATTEMPTS: Final = 3
_FIRST_WAIT_S: Final = 1.0
_MAX_WAIT_S: Final = 5.0
_HOPELESS: Final = re.compile(r"HTTP (?:400|401|403|404|410)")
"""The statuses after which a message is not sent again at once."""


class TargetInvalid(Exception):
    """apprise does not know the form of a target's address; the message of this error does not hold the address."""


class MessageNotSent(Exception):
    """A target did not take a message; the text of the error says why, without an address."""


def keep_addresses_out_of_logs() -> None:
    """Silence the loggers of apprise and of its HTTP client, whose lines hold addresses."""
    for name in ("urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())


class AppriseTarget:
    """A target of alerts."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        clock: Clock = SYSTEM_CLOCK,
        first_wait_s: float = _FIRST_WAIT_S,
        send_within_s: float = SEND_WITHIN_S,
    ) -> None:
        """Make a target.

        Args:
            name: the name of the target in the settings.
            url: the address of the target, which is a secret.
            clock: the clock of the waits between attempts.
            first_wait_s: the wait after a first failure, in seconds.
            send_within_s: how long one attempt may take, in seconds.

        Raises:
            TargetInvalid: apprise does not know the form of the address.
        """
        try:
            plugin = apprise_of(url)[0]
        except ValueError:
            raise TargetInvalid(f"environment: {url_variable(name)}: is no address that apprise knows") from None
        self._plugin = plugin
        self._url = url
        self.name = name
        self.service = str(plugin.service_name)
        """The service of the target, as apprise calls it: ``Slack``, ``E-Mail``."""
        self._clock = clock
        self._first_wait_s = first_wait_s
        self._send_within_s = send_within_s

    async def reach(self) -> str:
        """Open a connection to the target's host, without sending; return the reason of a failure, or an empty text.

        The host of a service such as Slack is not in the address; for such a service, no connection is tried.
        """
        plugin = self._plugin
        host = str(getattr(plugin, "smtp_host", "") or (plugin.host if self.service in _OWN_HOST else "") or "")
        if not host:
            return ""
        port = int(plugin.port or (443 if plugin.secure else 80))
        try:
            async with self._clock.timeout(CONNECT_WITHIN_S):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            return f"no connection within {CONNECT_WITHIN_S:.0f} s"
        except UnicodeError:
            return "no connection: the name of the host is invalid"
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else "the host is unknown"
            return f"no connection: {reason}"
        writer.close()
        return ""

    async def send(self, message: AlertMessage, *, stop: asyncio.Event | None = None) -> str:
        """Send a message; return the reason of a failure, or an empty text. A stop ends the retries."""
        failures = 0

        def count(error: Exception) -> None:
            nonlocal failures
            failures += 1
            if failures >= _ATTEMPTS:
                raise error

        try:
            await retry(
                lambda: self._send(message),
                on=(MessageNotSent,),
                only_if=lambda error: not _HOPELESS.fullmatch(str(error)),
                backoff=Backoff(first_s=self._first_wait_s, max_s=_MAX_WAIT_S),
                before_wait=count,
                clock=self._clock,
                stop=stop,
            )
        except MessageNotSent as error:
            return str(error)
        return ""

    async def _send(self, message: AlertMessage) -> None:
        """Send a message once; raise ``MessageNotSent``."""
        sending = Sending(self._url, message.title, message.body, message.level)
        if reason := await send_in_child(sending, within_s=self._send_within_s, clock=self._clock):
            raise MessageNotSent(reason)
