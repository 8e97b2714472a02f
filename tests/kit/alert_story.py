"""A real stack with a webhook, for tests of the alerts that faults of the stack cause."""

import json
from collections.abc import Callable

import httpx

from tests.kit.command_line import campaign_file, submit
from tests.kit.waiting import wait_until
from tests.kit.webhook import Webhook
from times_dispatch.demo import recipients
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.monitoring.alerts import AlertKind

WITHIN_S = 300.0
"""How long a test waits for an alert or its end."""
OVER = "over after "
"""Words that only the text of an ended alert contains."""


class Story:
    """Causes events in a stack, and reads the alerts that the stack sends to a webhook."""

    def __init__(self, stack: Stack, webhook: Webhook) -> None:
        self.stack, self._webhook = stack, webhook
        self._rows = 0

    def campaign(self, name: str, messages: int, *, extra: str = "") -> CampaignId:
        """Submit a campaign to numbers that no other campaign has."""
        self._rows += 1
        rows = self.stack.folder / f"{name}.csv"
        recipients.write(rows, messages, seed=100 + self._rows, wrong=False)
        return submit(self.stack, campaign_file(self.stack, name, extra=extra), rows)

    def dispatch(self, *words: str) -> str:
        """Run ``dispatch`` with these arguments, fail unless the command succeeds, and return its output."""
        done = run(["dispatch", *words], self.stack.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def faults(self, **faults: object) -> None:
        """Set faults of the sandbox."""
        url = f"{self.stack.sandbox_url}/sandbox/faults"
        httpx.post(url, json=faults, trust_env=False, timeout=60).raise_for_status()

    def open_kinds(self) -> list[str]:
        """Return the kind of each open alert."""
        return [each["kind"] for each in json.loads(self.dispatch("alerts", "list", "--json"))["open"]]

    def wait_for(self, kind: AlertKind, *, words: str) -> None:
        """Wait until an alert whose text contains these words was sent."""
        self.until(lambda: any(words in text for text in self._webhook.texts), f"{kind}: {words}")

    def wait_for_end(self, kind: AlertKind) -> None:
        """Wait until no alert of this kind is open."""
        self.until(lambda: kind not in self.open_kinds(), f"the end of {kind}")

    def until(self, reached: Callable[[], bool], what: str) -> None:
        """Wait until *reached* returns true; fail after ``WITHIN_S`` seconds, and name *what* in the failure."""
        wait_until(reached, lambda: f"{what}; alerts sent: {self._webhook.texts}", within_s=WITHIN_S, every_s=0.5)

    def lines(self, words: str, *, over: bool) -> list[str]:
        """Return the lines of alerts with these words: lines about the end of alerts if *over*, else other lines."""
        every = [line for text in self._webhook.texts for line in text.splitlines()]
        return [line for line in every if words in line and (OVER in line) is over]
